package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"gateway/proxy/socket"
)

// conn is a connection to the backend. It belongs to the goroutine that uses it
// for a request, from take to finish. Only abandon may be called by others.
type conn struct {
	transport *Transport
	wire      *wire
	net       net.Conn             // the wire, or TLS on it
	tls       *tls.ConnectionState // nil: without TLS
	in        reader
	lent      *buffer // nil while it is idle
	reused    bool
	gone      atomic.Bool // abandoned

	sender *sender // of the request's body; nil: it was sent with the head
	timing timing

	// Changed by the transport only, with its mutex held.
	context context.Context // of the request
	watch   watch
	since   time.Time // when it fell idle
}

// connect dials, and shakes hands if TLS is spoken.
func (t *Transport) connect(ctx context.Context) (*conn, error) {
	raw, err := t.options.Dial(ctx)
	if err != nil {
		return nil, err
	}
	c := &conn{transport: t, wire: newWire(raw, t.options.WriteTimeout)}
	c.net, c.timing.conn, c.timing.limit = c.wire, raw, t.options.ResponseHeaderTimeout
	if t.options.TLS != nil {
		if err := c.shakeHands(ctx); err != nil {
			_ = raw.Close()
			return nil, err
		}
	}
	c.in.source = c.net
	return c, nil
}

func (c *conn) shakeHands(ctx context.Context) error {
	if limit := c.transport.options.TLSHandshakeTimeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	secured := tls.Client(c.wire, c.transport.options.TLS)
	if err := secured.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS with the backend: %w", err)
	}
	state := secured.ConnectionState()
	c.net, c.tls = secured, &state
	return nil
}

// isFit reports whether a kept connection can take another request: the backend
// has not closed it, nor sent anything that nobody asked for.
func (c *conn) isFit() bool {
	if !c.wire.pending() {
		return true
	}
	if c.tls == nil {
		return false
	}
	// TLS has messages of its own, such as session tickets.
	c.wire.looking = true
	defer func() { c.wire.looking = false }()
	var one [1]byte
	n, err := c.net.Read(one[:])
	return n == 0 && errors.Is(err, socket.ErrNothing)
}

// begin prepares for a request.
func (c *conn) begin(lent *buffer) {
	c.lent, c.in.buf = lent, lent[:]
	c.timing.begin()
}

// abandon ends the connection under whoever uses it.
func (c *conn) abandon() {
	c.gone.Store(true)
	_ = c.wire.Close()
}

// exchange sends a request and gives the response as soon as its head is there.
func (c *conn) exchange(r *http.Request, out *outgoing) (*http.Response, error) {
	before := c.wire.written.Load()
	sendErr := c.send(out)
	wrote := c.wire.written.Load() != before
	if sendErr != nil && !(isReset(sendErr) && (wrote || !c.reused)) {
		return nil, c.fail(wrote, sendErr)
	}
	res, err := c.receive(r)
	if err != nil {
		return nil, c.fail(wrote, c.blame(sendErr, err))
	}
	return res, nil
}

// send writes the head, and the body if that is small and in memory. The rest of
// a body is sent while the response is awaited.
func (c *conn) send(out *outgoing) error {
	if _, err := c.net.Write(out.first); err != nil {
		out.end()
		if isReset(err) {
			c.timing.grace()
		}
		return err
	}
	if out.body == nil {
		out.end()
		c.timing.sent()
		return nil
	}
	c.sender = startSender(c, out)
	return nil
}

// fail gives up the connection and tells what is known of the request.
func (c *conn) fail(wrote bool, err error) *Error {
	failed := &Error{Wrote: wrote, Reused: c.reused, Err: err}
	if c.context.Err() != nil {
		failed.Err = context.Cause(c.context)
	}
	c.finish(false)
	return failed
}

// blame finds the reason for which a response was not read.
func (c *conn) blame(sendErr, err error) error {
	if reason := c.sender.reason(); reason != nil {
		return reason
	}
	switch {
	case sendErr != nil:
		return sendErr
	case isTimeout(err):
		return ErrHeaderTimeout
	case isReset(err):
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return err
}

// finish ends the request. The connection is kept if it may be, and nothing is
// left of the request on it.
func (c *conn) finish(keep bool) {
	c.sender.giveUp()
	keep = keep && c.in.err == nil && c.in.r == c.in.w && c.sender.hasSent()
	c.giveBack()
	c.sender, c.reused = nil, true
	c.transport.release(c, keep)
}

// giveBack returns the buffer.
func (c *conn) giveBack() {
	c.transport.buffers.Put(c.lent)
	c.lent, c.in.buf, c.in.r, c.in.w = nil, nil, 0, 0
}
