//go:build nethttp

package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gateway/proxy/http1"
)

// generalLeg is a leg made of net/http's Transport. The tests of the backend's
// side pass over it as well: what both do alike is not an accident of one.
//
// There are two transports, because one knows nothing of the age of the
// connection that it takes for a request.
type generalLeg struct {
	safe     *http.Transport // for requests that may be sent again
	unsafe   *http.Transport // for the others; the same as safe if connections are limited
	limited  bool
	patience time.Duration // for a connection to become free, if they are limited
}

func newLeg(o http1.Options) leg {
	g := &generalLeg{patience: o.MaxConnsWait, limited: o.MaxConns > 0}
	g.safe, g.unsafe = newTransport(o, o.IdleTimeout), newTransport(o, o.IdleTimeoutUnsafe)
	if g.limited {
		// Two pools would allow twice the number, so there is one, with the shorter
		// idle time.
		g.safe = g.unsafe
	}
	return g
}

// newTransport speaks HTTP/1.1 and keeps what it sends and receives as it is. It
// takes no proxy from the environment: that one is for the way out.
func newTransport(o http1.Options, idle time.Duration) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := o.Dial(ctx)
			if err != nil {
				return nil, err
			}
			return &backendConn{Conn: c, stall: o.WriteTimeout, over: make(chan struct{})}, nil
		},
		TLSClientConfig:        o.TLS,
		TLSHandshakeTimeout:    o.TLSHandshakeTimeout,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    o.MaxIdleConns,
		MaxConnsPerHost:        o.MaxConns,
		IdleConnTimeout:        idle,
		ResponseHeaderTimeout:  o.ResponseHeaderTimeout,
		ExpectContinueTimeout:  o.ExpectContinueTimeout,
		MaxResponseHeaderBytes: int64(o.MaxResponseHeaderBytes),
		Protocols:              &protocols,
	}
}

func (g *generalLeg) Send(r *http.Request, sent func()) (*http.Response, error) {
	transport := g.unsafe
	if isSafe(r.Method) {
		transport = g.safe
	}
	a, out := newAttempt(r, sent)
	if g.limited {
		a.limit(g.patience)
	}
	res, err := transport.RoundTrip(out)
	if err != nil {
		return nil, &http1.Error{Wrote: a.wrote(), Reused: a.reused, Err: a.end(out.Context(), err)}
	}
	return res, nil
}

func (g *generalLeg) CloseIdleConnections() {
	g.safe.CloseIdleConnections()
	g.unsafe.CloseIdleConnections()
}

// isSafe reports methods that change nothing, so that net/http may send them
// again after a kept-alive connection turned out to be closed (RFC 9110, section
// 9.2.1).
func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// attempt is one try to send a request. It knows whether a byte was written, and
// keeps http.Transport from a second try on its own account once one was:
// whether to send a request again is decided in one place, see journey.
type attempt struct {
	cancel context.CancelCauseFunc
	probe  bool        // look at the connection before anything is written
	timer  *time.Timer // ends the wait for a free connection; nil: there is no limit

	conn   *backendConn // the latest; nil before there was one
	before int64        // what had been written to it for earlier requests
	reused bool
	sent   bool // a byte was written, to an earlier one
}

// newAttempt gives back the request to send in place of r. onSent, which may be
// nil, is called when it was written.
func newAttempt(r *http.Request, onSent func()) (*attempt, *http.Request) {
	a := &attempt{probe: !isSafe(r.Method)}
	var ctx context.Context
	ctx, a.cancel = context.WithCancelCause(r.Context())
	trace := &httptrace.ClientTrace{GotConn: a.gotConn}
	if onSent != nil {
		trace.WroteRequest = func(httptrace.WroteRequestInfo) { onSent() }
	}
	out := r.WithContext(httptrace.WithClientTrace(ctx, trace))
	switch body := r.Body.(type) {
	case *clientBody:
		out.Body = &attemptBody{body, a}
	case gathered:
		out.Body = io.NopCloser(body.Reader) // of which net/http knows that it is in memory
	}
	return a, out
}

// gotConn is called by http.Transport before it writes the request, and again
// when it begins anew on another connection.
func (a *attempt) gotConn(info httptrace.GotConnInfo) {
	if a.timer != nil {
		a.timer.Stop()
	}
	conn, ok := rawConn(info.Conn).(*backendConn)
	if !ok {
		return
	}
	if a.wrote() {
		a.sent = true
		conn.unfit.Store(true)
		a.cancel(http1.ErrClosed)
		return
	}
	a.conn, a.before, a.reused = conn, conn.written.Load(), info.Reused
	conn.probe.Store(a.probe)
}

// wrote reports whether anything of the request was written to the backend. It
// is for when http.Transport does not write any more.
func (a *attempt) wrote() bool {
	return a.sent || a.conn != nil && a.conn.written.Load() != a.before
}

// limit ends a try that gets no connection in time.
func (a *attempt) limit(patience time.Duration) {
	a.timer = time.AfterFunc(patience, func() { a.cancel(http1.ErrBusy) })
}

// end releases what a failed attempt holds, and says why it failed if that was
// the attempt's own doing.
func (a *attempt) end(ctx context.Context, err error) error {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.cancel(nil)
	if own := context.Cause(ctx); errors.Is(own, http1.ErrBusy) || errors.Is(own, http1.ErrClosed) {
		return own
	}
	if strings.Contains(err.Error(), "server closed idle connection") { // which net/http does not export
		return fmt.Errorf("%w: %w", http1.ErrClosed, err)
	}
	return err
}

// attemptBody is a request body that is streamed. Nothing is taken from the
// client for a connection that has turned out to be closed.
type attemptBody struct {
	*clientBody
	attempt *attempt
}

func (b *attemptBody) Read(p []byte) (int, error) {
	if b.untouched() && b.attempt.conn != nil && !b.attempt.conn.fit() {
		return 0, errPeerGone
	}
	return b.clientBody.Read(p)
}

// errPeerGone is a kept-alive connection that the backend had closed before
// anything of the next request was written to it.
var errPeerGone = fmt.Errorf("%w: nothing of the request was sent", http1.ErrClosed)

// answerGrace is how long a failed write to the backend waits for the answer that
// may be the reason for it.
const answerGrace = 5 * time.Second

// backendConn bounds each write to a backend, and lets an answer be read that
// came before the request was sent. A backend that refuses an upload answers and
// closes; http.Transport would take the failed write for a dead backend.
//
// It also knows for certain whether anything was written, on which it depends
// whether a request may be sent again.
type backendConn struct {
	net.Conn
	stall time.Duration
	once  sync.Once
	over  chan struct{} // closed when there is nothing more to read

	written atomic.Int64
	probe   atomic.Bool // look whether the backend is still there before the next write
	unfit   atomic.Bool // nothing is written any more, not even TLS's farewell
}

func (c *backendConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.finish()
	}
	return n, err
}

// Close also ends a wait for an answer.
func (c *backendConn) Close() error {
	c.finish()
	return c.Conn.Close()
}

func (c *backendConn) finish() { c.once.Do(func() { close(c.over) }) }

func (c *backendConn) Write(p []byte) (int, error) {
	if !c.fit() {
		return 0, errPeerGone
	}
	if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	switch {
	case err == nil:
	case isTimeout(err):
		err = fmt.Errorf("%w: %w", http1.ErrStalled, err)
	case isReset(err):
		c.awaitAnswer()
	}
	return n, err
}

// fit reports whether a request may be written. The backend's farewell may have
// arrived already, and not been read yet.
func (c *backendConn) fit() bool {
	if c.probe.Load() && c.probe.CompareAndSwap(true, false) && hasEnded(c.Conn) {
		c.unfit.Store(true)
	}
	return !c.unfit.Load()
}

// hasEnded reports whether the other end has closed a connection, which a write
// would not tell: the system takes what is written for as long as no reset came.
func hasEnded(c net.Conn) bool {
	system, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return false
	}
	ended := false
	err = raw.Control(func(fd uintptr) { // Read would wait for the reader that is always there
		var one [1]byte
		n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		ended = n == 0 && err == nil || err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
	})
	return ended || err != nil
}

func (c *backendConn) awaitAnswer() {
	timer := time.NewTimer(answerGrace)
	defer timer.Stop()
	select {
	case <-c.over:
	case <-timer.C:
	}
}

// CloseWrite passes on that a WebSocket client will send no more.
func (c *backendConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// rawConn is the connection under wrappers such as *tls.Conn.
func rawConn(c net.Conn) net.Conn {
	for {
		wrapper, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = wrapper.NetConn()
	}
}
