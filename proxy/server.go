package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Options is what a Server is made of.
type Options struct {
	Limits   Limits
	Timeouts Timeouts
	TLS      *tls.Config // how handshakes are answered; nil refuses TLS
	// Handler serves every request, also those that stand for refused ones. When it
	// has returned, it must not use a request any more whose context it has not
	// waited for: its memory is lent to another one.
	Handler http.Handler
	Log     *slog.Logger

	// Listen opens a listening socket; nil means net.ListenConfig. It is how
	// sockets that were inherited come in.
	Listen func(ctx context.Context, network, address string) (net.Listener, error)

	generalOnly bool // net/http serves every request of HTTP/1, for comparison
}

// Server accepts connections on any number of addresses and serves HTTP/1 and
// HTTP/2 on them, with TLS and without on the same port. It keeps what hostile
// clients do on the wire away from its handler.
//
// A Server is used once: Bind, then Serve, which returns when all has ended.
type Server struct {
	opts      Options
	settings  atomic.Pointer[settings]
	handler   atomic.Pointer[http.Handler]
	clients   *clients
	workers   *workers // make handshakes
	handlers  *workers // serve the requests of HTTP/2
	buffers   headBuffers
	records   recordBuffers
	http1     *http.Server
	heads     *handoff // connections that go on at http1, each with a head
	turns     *turns   // of the requests that http1 is not asked for
	http2s    *http2Conns
	draining  atomic.Bool
	young     atomic.Int64    // HTTP/2 connections whose first request has not come
	goingAway atomic.Bool     // HTTP/2 connections were asked to end
	running   atomic.Int64    // requests that the handler serves
	requests  context.Context // all requests' context
	cancel    context.CancelCauseFunc
	alive     context.Context // ends when Close is called
	kill      context.CancelCauseFunc
	refusing  rarely // of the log lines about refused connections
	failing   rarely // about failed handshakes
	cutting   rarely // about cut HTTP/2 connections

	stopping context.Context // ends when Serve begins to stop
	fail     context.CancelCauseFunc

	accepting sync.WaitGroup
	mu        sync.Mutex
	listeners map[string]*bound
	serving   bool
	closed    bool
}

// NewServer makes a server. It opens and starts nothing.
func NewServer(opts Options) *Server {
	if opts.Listen == nil {
		opts.Listen = ListenTCP
	}
	s := &Server{opts: opts, clients: newClients(), workers: newWorkers(), handlers: newWorkers(), heads: newHandoff(), turns: newTurns(), http2s: newHTTP2Conns(), listeners: map[string]*bound{}}
	s.alive, s.kill = context.WithCancelCause(context.Background())
	s.stopping, s.fail = context.WithCancelCause(s.alive)
	s.requests, s.cancel = context.WithCancelCause(context.Background())
	s.SetHandler(opts.Handler)
	s.http1 = &http.Server{
		Handler:                      http.HandlerFunc(s.serveGeneral),
		ConnState:                    connState,
		BaseContext:                  func(net.Listener) context.Context { return s.requests },
		ConnContext:                  connContext,
		MaxHeaderBytes:               largestHeader + 4<<10, // the guard draws the line before
		ErrorLog:                     slog.NewLogLogger(opts.Log.Handler(), slog.LevelDebug),
		DisableGeneralOptionsHandler: true,
		Protocols:                    new(http.Protocols),
	}
	s.http1.Protocols.SetHTTP1(true)
	s.Configure(opts.Limits, opts.Timeouts)
	return s
}

// SetHandler has all requests from now on served by h. Those that are being
// served stay with their handler.
func (s *Server) SetHandler(h http.Handler) { s.handler.Store(&h) }

// Serve accepts and serves until ctx ends; then it stops as stop tells. It
// returns nil after a clean stop, and an error if a listener failed for good or
// requests had to be cut off. Bind must have been called.
func (s *Server) Serve(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { s.fail(nil) })()
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.http1.Serve(s.heads) }) // ends when heads is closed
	s.startAccepting()
	<-s.stopping.Done()
	s.stopAccepting()
	s.accepting.Wait()
	err := s.stop()
	s.workers.wait()
	_ = s.heads.Close()
	serving.Wait()
	if cause := context.Cause(s.stopping); !errors.Is(cause, context.Canceled) && !errors.Is(err, cause) {
		err = errors.Join(cause, err)
	}
	return err
}

// serveRequest is where every request comes out of net/http, the loop or http2.
func (s *Server) serveRequest(w http.ResponseWriter, r *http.Request) {
	s.running.Add(1)
	defer s.ended()
	c := connOf(r.Context())
	r.TLS = c.tls // which net/http doesn't see behind a guard
	if c.wire != nil {
		c.wire.begin()
	}
	defer s.recovered(c, r)
	(*s.handler.Load()).ServeHTTP(w, r)
}

func (s *Server) ended() {
	if s.running.Add(-1) == 0 && s.draining.Load() {
		s.clients.recount()
	}
}

// recovered logs a handler's panic in our own words and cuts the response off.
func (s *Server) recovered(c *conn, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if c.wire != nil {
		c.wire.aborted.Store(true)
	}
	if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
		s.opts.Log.Error("a request was cut off by a fault in gateway; please report it",
			"method", r.Method, "host", r.Host, "fault", fmt.Sprint(p), "stack", string(debug.Stack()))
	}
	panic(http.ErrAbortHandler)
}

// connState passes on what net/http knows of a connection.
func connState(c net.Conn, state http.ConnState) {
	g := c.(*wireGuard)
	switch state {
	case http.StateIdle:
		g.finished()
	case http.StateHijacked:
		g.hijacked()
	}
}

func connContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey, c.(*wireGuard).conn)
}

// handoff is the listener through which connections reach http1.
type handoff struct {
	conns chan net.Conn
	done  chan struct{}
	close sync.Once
}

func newHandoff() *handoff {
	return &handoff{conns: make(chan net.Conn), done: make(chan struct{})}
}

// give hands c over, or closes it if nobody takes connections any more.
func (h *handoff) give(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.done:
		_ = c.Close()
	}
}

// Accept waits for the next connection.
func (h *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (h *handoff) Close() error {
	h.close.Do(func() { close(h.done) })
	return nil
}

// Addr has no answer of its own: every connection knows its addresses.
func (h *handoff) Addr() net.Addr { return &net.TCPAddr{} }
