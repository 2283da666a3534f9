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

// asks reports whether a request is sent by ask. It is not if somebody wants to know
// when it was sent, because that is told only with the answer. A new connection may
// hold something already, which is then taken for the answer.
func (c *conn) asks(out *outgoing) bool {
	return c.reused && c.tls == nil && c.wire.socket != nil && out.body == nil && !out.begun && out.sent == nil
}

// isFit reports whether a kept connection can take another request: the backend
// has not closed it, nor sent anything that nobody asked for. To ask is to find
// this out as well.
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
// The error is an *Error, but for socket.ErrUnasked: the request, as it is, can be
// sent on another connection.
func (c *conn) exchange(r *http.Request, out *outgoing) (*http.Response, error) {
	before := c.wire.written.Load()
	sendErr := c.send(out)
	if sendErr == socket.ErrUnasked {
		return nil, sendErr
	}
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
	switch err := c.sendFirst(out); {
	case err == socket.ErrUnasked:
		return err
	case err != nil:
		out.end()
		if isReset(err) {
			c.timing.grace()
		}
		return err
	case out.body == nil:
		out.end()
	default:
		c.sender = startSender(c, out)
	}
	return nil
}

func (c *conn) sendFirst(out *outgoing) error {
	if c.asks(out) {
		return c.ask(out.first)
	}
	_, err := c.net.Write(out.first)
	if err == nil && out.body == nil {
		c.timing.sent()
	}
	return err
}

// ask sends a request, and reads the beginning of its answer if it was sent without
// a wait, as nearly every one is. Why there is none tells the next read.
func (c *conn) ask(request []byte) error {
	c.timing.sent()
	sent, err := c.wire.ask(request, &c.in)
	if err != nil || sent == len(request) {
		return err
	}
	c.timing.unsent()
	if _, err = c.net.Write(request[sent:]); err == nil {
		c.timing.sent()
	}
	return err
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
