package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// Keep-alive probes find clients that vanished without a goodbye: after a minute
// of silence, then every 15 s, given up after 4 (Linux's own default is 2 hours).
const (
	keepAliveIdle     = time.Minute
	keepAliveInterval = 15 * time.Second
	keepAliveCount    = 4
)

// Accept errors such as "too many open files" pass when connections end.
const (
	acceptBackoffFirst = 5 * time.Millisecond
	acceptBackoffMost  = time.Second
)

// bound is one endpoint that is listened on.
type bound struct {
	net.Listener
	endpoint atomic.Pointer[Endpoint] // a reload may make it plain only, or not
	retired  atomic.Bool              // closed by ourselves
}

func newBound(l net.Listener, e Endpoint) *bound {
	b := &bound{Listener: l}
	b.endpoint.Store(&e)
	return b
}

// ListenTCP opens a listening socket as a Server does that has no other way to.
func ListenTCP(ctx context.Context, network, address string) (net.Listener, error) {
	return listenConfig().Listen(ctx, network, address)
}

func listenConfig() *net.ListenConfig {
	return &net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount,
	}}
}

// Bind opens all endpoints, written as in Site.Listen, or none of them. Those that
// are open already stay as they are. While Serve runs, new ones are served at
// once. The error is a *BindError for what could not be opened, and wraps the
// system's reason, for example syscall.EADDRINUSE or syscall.EACCES.
func (s *Server) Bind(ctx context.Context, endpoints []string) error {
	prepared, err := s.Prepare(ctx, endpoints)
	if err != nil {
		return err
	}
	prepared.add()
	return nil
}

// retire closes a listener and returns the connections that it had not given to
// accept yet: closing alone would reset them.
func (l *bound) retire() []net.Conn {
	l.retired.Store(true)
	waiting := acceptWaiting(l.Listener)
	_ = l.Close() // accept sees it
	return waiting
}

// retire stops to listen on those of l, and serves who is there already. s.mu is held.
func (s *Server) retire(all map[string]*bound) {
	for _, l := range all {
		for _, raw := range l.retire() {
			if s.serving {
				s.welcome(raw, l)
			} else {
				_ = raw.Close()
			}
		}
	}
}

// BindError tells which endpoint could not be opened.
type BindError struct {
	Endpoint string // as the file writes it
	Address  string // host and port
	Err      error  // the system's reason
}

func (e *BindError) Error() string {
	return fmt.Sprintf("can't listen on %q: %v", e.Endpoint, e.Err)
}

// Unwrap gives the system's reason.
func (e *BindError) Unwrap() error { return e.Err }

// Addrs tells where each endpoint is bound, by Endpoint.String; with port 0 the
// system has chosen.
func (s *Server) Addrs() map[string]net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	addrs := make(map[string]net.Addr, len(s.listeners))
	for name, l := range s.listeners {
		addrs[name] = l.Addr()
	}
	return addrs
}

// Listeners are what the server listens on, for a process that is to take over.
// They stay the server's own.
func (s *Server) Listeners() map[Endpoint]net.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[Endpoint]net.Listener, len(s.listeners))
	for _, l := range s.listeners {
		all[*l.endpoint.Load()] = l.Listener
	}
	return all
}

// startAccepting begins to serve what is bound.
func (s *Server) startAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving = !s.closed
	for _, l := range s.listeners {
		s.accepting.Go(func() { s.accept(l) })
	}
}

// stopAccepting closes all listeners. Nothing can be bound any more.
func (s *Server) stopAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.retire(s.listeners)
}

// accept takes connections from l until it is closed. An error that may pass is
// told once an episode; it never ends the server.
func (s *Server) accept(l *bound) {
	var backoff time.Duration
	for {
		raw, err := l.Accept()
		switch {
		case l.retired.Load():
			if err == nil {
				s.welcome(raw, l)
			}
			return
		case errors.Is(err, net.ErrClosed):
			s.fail(fmt.Errorf("the listener of %q was closed from outside: %w", l.endpoint.Load().String(), err))
			return
		case err != nil:
			if backoff == 0 {
				s.opts.Log.Error("can't accept connections; trying on", "endpoint", l.endpoint.Load().String(), "error", err)
			}
			backoff = min(max(2*backoff, acceptBackoffFirst), acceptBackoffMost)
			s.pause(backoff)
			continue
		case backoff > 0:
			s.opts.Log.Info("accepting connections again", "endpoint", l.endpoint.Load().String())
			backoff = 0
		}
		s.welcome(raw, l)
	}
}

// pause waits for d, or for the server to stop.
func (s *Server) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.stopping.Done():
	}
}

// welcome admits a new connection and has a worker begin with it.
func (s *Server) welcome(raw net.Conn, l *bound) {
	c, ok := s.clients.admit(raw)
	if !ok {
		_ = raw.Close()
		if n, due := s.refusing.due(time.Now()); due {
			s.opts.Log.Warn("connections were refused: all that the limits allow are busy; see limits.connections and connections_per_address",
				"connections", n, "last", raw.RemoteAddr().String())
		}
		return
	}
	s.workers.do(func() { s.converse(c, l) }, s.stopping.Done())
}
