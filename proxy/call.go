package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// call is one request on its way through the handler.
type call struct {
	parts    *callParts // which it is one of
	w        *pacedWriter
	r        *http.Request
	conn     *conn // nil without gateway's own server
	exchange *exchange
	body     *clientBody
	origin   origin
	patience time.Duration // for the client to take what net/http has buffered

	target target    // as admitted
	host   authority // as admitted
	site   *site
	route  *route

	sent          time.Time // when the backend was asked
	gate          *gate     // of the backend that has the request; nil before and after
	sourceFailure error     // how reading the backend's response, or the file, has failed
	aborted       bool      // the response ends without being complete
}

// callOf finds the call of a request that a Handler serves.
func callOf(ctx context.Context) *call {
	if x := exchangeOf(ctx); x != nil {
		return x.call
	}
	return nil
}

// callParts is all that a call is made of, as part of a workspace.
type callParts struct {
	call    call
	writer  pacedWriter
	client  clientBody
	interim interim
	out     http.Request
	url     url.URL
	header  http.Header // of out; its memory is used again
	journey journey
	source  backendBody
	values  values
}

// clear forgets a call that is over. What others lock is begun anew by the next
// one.
func (p *callParts) clear() {
	p.call, p.out, p.url = call{}, http.Request{}, url.URL{}
	p.journey, p.source, p.values = journey{}, backendBody{}, values{}
	clear(p.header)
}

func (h *Handler) newCall(w http.ResponseWriter, r *http.Request) *call {
	space, r := workspaceFor(r)
	c, parts := &space.parts.call, &space.parts
	c.parts, c.w, c.body = parts, &parts.writer, &parts.client
	c.conn, c.exchange, c.patience = connOf(r.Context()), exchangeOf(r.Context()), h.timeouts.Write
	if c.exchange == nil { // there is no access log
		c.exchange = &exchange{conn: c.conn, start: time.Now()}
		space.exchange = c.exchange
	}
	c.r, c.exchange.call = r, c
	c.w.init(w, h.timeouts.Write, &h.watchdogs)
	// A proxy reads and writes at the same time. Without this, net/http eats up to
	// 256 KB of the body before it sends a response, also from under the backend.
	_ = c.w.controller.EnableFullDuplex() // always so on HTTP/2, and in tests without a server it does not matter
	c.body.init(r, c.w, h.timeouts.Body)
	c.origin = h.trusted.originOf(r, c.conn)
	c.exchange.client = c.origin.client
	if c.exchange.id == "" {
		c.exchange.id = requestID(r.Header["X-Request-Id"])
	}
	return c
}

// leave tells that the backend is done with the request.
func (c *call) leave() {
	if c.gate != nil {
		c.gate.leave()
		c.gate = nil
		if u := c.route.upstream; u.retired.Load() {
			u.dropIdle()
		}
	}
}

func (c *call) endpoint() string {
	if c.conn == nil {
		return ""
	}
	return c.conn.endpoint
}

// outgoing is the request for the backend, with the watched body. It is a copy,
// because the access log prints the original. Its header and its URL are the
// original's still.
func (c *call) outgoing() *http.Request {
	out := &c.parts.out
	*out = *c.r
	out.Body = nil // as http.Transport wants it for a request that it may send again
	if c.r.ContentLength != 0 {
		out.Body = c.body
	}
	return out
}

func (c *call) circumstances() circumstances {
	return circumstances{body: c.body.failure(), client: context.Cause(c.r.Context())}
}

// A body that nobody has read to its end is read and thrown away after the
// answer, so much of it and for so long: behind it may come the next request.
const (
	leftoverTime = 5 * time.Second
	leftoverSize = 256 << 10 // net/http's own bound
)

// finish leaves the client's connection in a state in which the rest of the
// response arrives, and then the next request is read or the connection closed.
func (c *call) finish() {
	c.body.shut()
	if c.w.hijacked {
		c.w.pace.stop()
		return
	}
	c.sendOff()
	unread, sending := c.body.remainder()
	if !unread || c.r.ProtoMajor != 1 {
		return // HTTP/2 ends a stream without its connection
	}
	if !sending || c.aborted || !c.skipBody() {
		_ = c.w.controller.SetReadDeadline(time.Unix(1, 0)) // net/http reads on without one
	}
}

// sendOff has the last piece of the response leave, which the server still holds.
// When this handler is gone, it can't watch over it.
func (c *call) sendOff() {
	if c.r.ProtoMajor == 1 && c.w.isComplete(c.r.Method) {
		_ = c.w.FlushError() // nothing is left to be sent then
		c.w.pace.stop()
		return
	}
	c.w.pace.stop()
	_ = c.w.controller.SetWriteDeadline(time.Now().Add(c.patience)) // net/http lifts it afterwards
}

// skipBody reads the rest of the client's body. It must be done here: when
// net/http does it after the handler, in full duplex, the end of the body starts
// its background reader, nobody stops that, and the connection is lost.
func (c *call) skipBody() (ended bool) {
	_ = c.w.controller.SetReadDeadline(time.Now().Add(leftoverTime))
	_ = c.w.controller.Flush() // the client may wait for the answer before it sends more
	_, err := io.CopyN(io.Discard, c.body.source, leftoverSize)
	return errors.Is(err, io.EOF)
}

// public is the authority that clients know the site by: the one that this
// client used, or the site's name for an HTTP/1.0 client that named none.
func (c *call) public() authority {
	if named, ok := parseAuthority(c.origin.host); ok {
		return named
	}
	return authority{name: strings.TrimPrefix(canonicalName(c.site.name), "*.")}
}
