package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// call is one request on its way through the handler.
type call struct {
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

// callKey is where a request's context holds its call.
type callKey struct{}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

func (h *Handler) newCall(w http.ResponseWriter, r *http.Request) *call {
	c := &call{conn: connOf(r.Context()), exchange: exchangeOf(r.Context()), patience: h.timeouts.Write}
	if c.exchange == nil {
		c.exchange = &exchange{conn: c.conn, start: time.Now()}
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey, c.exchange))
	}
	c.r, c.w = r, newPacedWriter(w, h.timeouts.Write)
	// A proxy reads and writes at the same time. Without this, net/http eats up to
	// 256 KB of the body before it sends a response, also from under the backend.
	_ = c.w.controller.EnableFullDuplex() // always so on HTTP/2, and in tests without a server it does not matter
	c.body = newClientBody(r, c.w, 0, h.timeouts.Body)
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

// outgoing is the request for ReverseProxy, with the watched body. It is a copy,
// because the access log prints the original.
func (c *call) outgoing() *http.Request {
	out := c.r.WithContext(context.WithValue(c.r.Context(), callKey{}, c))
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
	c.w.pace.stop()
	if c.w.hijacked {
		return
	}
	// net/http still holds the last piece of the response, and sends it when this
	// handler is gone and can't watch over it. It lifts the deadlines afterwards.
	_ = c.w.controller.SetWriteDeadline(time.Now().Add(c.patience))
	unread, sending := c.body.remainder()
	if !unread || c.r.ProtoMajor != 1 {
		return // HTTP/2 ends a stream without its connection
	}
	if !sending || c.aborted || !c.skipBody() {
		_ = c.w.controller.SetReadDeadline(time.Unix(1, 0)) // net/http reads on without one
	}
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
