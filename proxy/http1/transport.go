package http1

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"gateway/proxy/socket"
)

// Options say how to reach a backend and how patient to be with it. Where a
// duration or a number is 0 there is no limit, unless it says otherwise.
type Options struct {
	// Dial connects to the backend. Its errors are passed on.
	Dial func(ctx context.Context) (net.Conn, error)
	// TLS is spoken on what Dial has connected. Its ServerName must be set. Nil: the
	// backend speaks plain HTTP.
	TLS                 *tls.Config
	TLSHandshakeTimeout time.Duration

	// MaxConns is the most connections at a time, those of upgraded requests not
	// counted. A request waits for MaxConnsWait to get one.
	MaxConns     int
	MaxConnsWait time.Duration
	// MaxIdleConns is the most connections that are kept without a request.
	MaxIdleConns int
	// IdleTimeout is how long a connection is kept without a request.
	IdleTimeout time.Duration
	// IdleTimeoutUnsafe is how long a connection may have been idle to carry a
	// request with a method that is not safe (RFC 9110, section 9.2.1). The backend
	// may close an idle connection just when a request is sent on it, and then
	// nobody knows whether it has acted on the request.
	IdleTimeoutUnsafe time.Duration

	// ResponseHeaderTimeout bounds the time from the end of the request to the end
	// of the response's head. It counts in steps of some milliseconds.
	ResponseHeaderTimeout time.Duration
	// WriteTimeout bounds each write that the backend is slow to take.
	WriteTimeout time.Duration
	// ExpectContinueTimeout is how long the body of a request with Expect:
	// 100-continue waits for the backend's word. 0: it does not wait.
	ExpectContinueTimeout time.Duration
	// MaxResponseHeaderBytes bounds each head of a response. It must be set.
	MaxResponseHeaderBytes int
}

// Transport is an http.RoundTripper for one backend over HTTP/1.1: it takes no
// notice of the scheme and the host of a request's URL.
//
// The goroutine of a request takes a kept connection, writes head and body at
// once, and reads the response itself. Only a body that streams gets a goroutine
// of its own. Timers and the watch over the context are set up for requests that
// take longer than some milliseconds.
//
// It follows no redirects, adds no header
// fields of its own but Host and those that frame the body, and neither
// compresses nor decompresses.
//
// It tells httptrace's Got1xxResponse of interim responses, on the goroutine of
// the request, and no other hook.
//
// A response with status 101 has an io.ReadWriteCloser for its Body, which also
// has CloseWrite.
type Transport struct {
	options Options
	buffers sync.Pool // of *buffer
	pieces  pieces

	mu      sync.Mutex
	idle    []*conn // the one that was used last at the end
	open    int     // connections that count for MaxConns, or are being made
	waiting []*waiter
	closed  bool
	busy    []*conn // whose requests are new; see watch
	tick    uint64
	ticker  *time.Timer // nil before the first request
	ticking bool
	reaper  *time.Timer // nil before the first connection was kept
	reaping bool
}

// New makes a Transport. It connects when it is asked to.
func New(o Options) *Transport {
	return &Transport{
		options: o,
		buffers: sync.Pool{New: func() any { return new(buffer) }},
	}
}

// RoundTrip sends a request once. The error is an *Error. A Body with a method
// Len() int, as bytes.Reader has it, is taken for one in memory. Other bodies are
// read by another goroutine, which may go on after RoundTrip has returned, until
// a read of the body ends.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) { return t.Send(r, nil) }

// Send is RoundTrip, and calls sent, which may be nil, when nothing more of the
// request will be written.
func (t *Transport) Send(r *http.Request, sent func()) (*http.Response, error) {
	lent := t.buffers.Get().(*buffer)
	out, err := newOutgoing(r, sent, lent)
	if err != nil {
		return nil, t.unsent(&out, lent, err)
	}
	for {
		c, err := t.take(r.Context(), &out, isSafe(r.Method))
		if err != nil {
			return nil, t.unsent(&out, lent, err)
		}
		c.begin(lent)
		if mayBeEmpty(r) { // asked only now, because a body that was begun can't be sent again
			r = withoutEmptyBody(r)
			out, _ = newOutgoing(r, sent, lent) // what is left out can't make it fail
			out.begun = true
		}
		res, err := c.exchange(r, &out)
		if err != socket.ErrUnasked {
			return res, err
		}
		t.release(c, false) // and the next one, with the same buffer
	}
}

// unsent ends a request that got no connection.
func (t *Transport) unsent(out *outgoing, lent *buffer, err error) error {
	t.buffers.Put(lent)
	out.end()
	return &Error{Err: err}
}

// isSafe reports methods that change nothing, so that it does no harm if nobody
// knows whether the backend has seen the request.
func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}
