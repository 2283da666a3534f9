package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
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
	name      string // as the file writes it
	plainOnly bool
}

func listenTCP(ctx context.Context, network, address string) (net.Listener, error) {
	config := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount,
	}}
	return config.Listen(ctx, network, address)
}

// Bind opens all endpoints, as Site.Listen writes them, or none of them. An
// endpoint that is named twice is opened once. The error wraps the system's, for
// example syscall.EADDRINUSE or EACCES, and is a *BindError.
func (s *Server) Bind(ctx context.Context, endpoints []string) (err error) {
	opened := map[string]*bound{}
	defer func() {
		if err != nil {
			for _, l := range opened {
				_ = l.Close()
			}
		}
	}()
	for _, name := range endpoints {
		if opened[name] != nil {
			continue
		}
		l, err := s.listen(ctx, name)
		if err != nil {
			return err
		}
		opened[name] = l
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	for _, l := range opened {
		s.listeners = append(s.listeners, l)
	}
	return nil
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

func (s *Server) listen(ctx context.Context, name string) (*bound, error) {
	endpoint, err := ParseEndpoint(name)
	if err != nil {
		return nil, &BindError{Endpoint: name, Err: err}
	}
	l, err := s.opts.Listen(ctx, endpoint.Network, endpoint.Address)
	if err != nil {
		return nil, &BindError{Endpoint: name, Address: endpoint.Address, Err: err}
	}
	return &bound{Listener: l, name: name, plainOnly: endpoint.PlainOnly}, nil
}

// Addrs tells where every endpoint is bound; with port 0 the system has chosen.
func (s *Server) Addrs() map[string]net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	addrs := make(map[string]net.Addr, len(s.listeners))
	for _, l := range s.listeners {
		addrs[l.name] = l.Addr()
	}
	return addrs
}

func (s *Server) closeListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, l := range s.listeners {
		_ = l.Close() // accept sees it
	}
}

// accept takes connections from l until it is closed. An error that may pass is
// told once an episode; it never ends the server.
func (s *Server) accept(ctx context.Context, l *bound) error {
	var backoff time.Duration
	for {
		raw, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return s.unlessClosed(l, err)
		case err != nil:
			if backoff == 0 {
				s.opts.Log.Error("can't accept connections; trying on", "endpoint", l.name, "error", err)
			}
			backoff = min(max(2*backoff, acceptBackoffFirst), acceptBackoffMost)
			s.pause(ctx, backoff)
			continue
		case backoff > 0:
			s.opts.Log.Info("accepting connections again", "endpoint", l.name)
			backoff = 0
		}
		s.welcome(raw, l)
	}
}

func (s *Server) unlessClosed(l *bound, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	return fmt.Errorf("the listener of %q was closed from outside: %w", l.name, err)
}

func (s *Server) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-s.killed:
	}
}

// welcome admits a new connection and serves it in a goroutine of its own.
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
	go s.converse(c, l)
}
