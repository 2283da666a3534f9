package proxy

import (
	"context"
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Prepared is a change of the endpoints that a server listens on, with all that
// could fail behind it. Either Commit or Discard must be called.
type Prepared struct {
	server  *Server
	wanted  map[string]bool
	opened  map[string]*bound
	renamed map[*bound]Endpoint // the address stays, and what is spoken there changes
	sharing []*bound            // those that let another listen beside them until Commit
}

// Prepare opens those of the endpoints, written as in Site.Listen, that are not
// open yet. All of them or none: the error is a *BindError and wraps the system's
// reason. Clients that come are served from Commit on.
func (s *Server) Prepare(ctx context.Context, endpoints []string) (*Prepared, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, net.ErrClosed
	}
	p := &Prepared{server: s, wanted: map[string]bool{}, opened: map[string]*bound{}, renamed: map[*bound]Endpoint{}}
	parsed := make([]Endpoint, len(endpoints))
	for i, written := range endpoints {
		var err error
		if parsed[i], err = ParseEndpoint(written); err != nil {
			return nil, &BindError{Endpoint: written, Err: err}
		}
		p.wanted[parsed[i].String()] = true
	}
	for i, endpoint := range parsed {
		if err := p.open(ctx, endpoint); err != nil {
			p.discard()
			return nil, &BindError{Endpoint: endpoints[i], Address: endpoint.Address, Err: err}
		}
	}
	return p, nil
}

// open sees to it that an endpoint is listened on.
func (p *Prepared) open(ctx context.Context, e Endpoint) error {
	name := e.String()
	if p.server.listeners[name] != nil || p.opened[name] != nil {
		return nil
	}
	if twin := p.server.listeners[e.twin().String()]; twin != nil && e.Port() != 0 && !p.wanted[e.twin().String()] {
		p.renamed[twin] = e
		return nil
	}
	l, err := p.server.opts.Listen(ctx, e.Network, e.Address)
	if errors.Is(err, syscall.EADDRINUSE) && p.share(e) {
		l, err = listenBeside(ctx, e)
	}
	if err != nil {
		return err
	}
	p.opened[name] = newBound(l, e)
	return nil
}

// twin is the same address with the other scheme.
func (e Endpoint) twin() Endpoint {
	e.PlainOnly = !e.PlainOnly
	return e
}

// share has those of our listeners that are in the way of e, and will be closed,
// let another one in beside them, as when ":443" takes the place of
// "127.0.0.1:443". It reports whether there are any.
func (p *Prepared) share(e Endpoint) bool {
	found := false
	for name, l := range p.server.listeners {
		if !p.wanted[name] && l.endpoint.Load().Overlaps(e) && reusePort(l.Listener, true) == nil {
			p.sharing, found = append(p.sharing, l), true
		}
	}
	return found
}

// Commit serves what was opened, and stops to listen where nothing is wanted any
// more. Connections that came in there go on until they end.
func (p *Prepared) Commit() {
	p.add()
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	vanished := map[string]*bound{}
	for name, l := range s.listeners {
		if !p.wanted[name] {
			vanished[name] = l
			delete(s.listeners, name)
		}
	}
	s.retire(vanished)
	for _, l := range p.opened {
		_ = reusePort(l.Listener, false) // so that nobody else comes in beside us; where it was never on this does nothing
	}
}

// add has the server listen on what was prepared, beside what it has.
func (p *Prepared) add() {
	s := p.server
	s.mu.Lock()
	defer s.mu.Unlock()
	for l, endpoint := range p.renamed {
		delete(s.listeners, l.endpoint.Load().String())
		l.endpoint.Store(&endpoint)
		s.listeners[endpoint.String()] = l
	}
	for name, l := range p.opened {
		s.listeners[name] = l
		if s.serving {
			s.accepting.Go(func() { s.accept(l) })
		}
	}
}

// Discard closes what was opened. The server listens where it did.
func (p *Prepared) Discard() {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	p.discard()
}

func (p *Prepared) discard() {
	for _, l := range p.opened {
		for _, raw := range l.retire() {
			_ = raw.Close()
		}
	}
	for _, l := range p.sharing {
		_ = reusePort(l.Listener, false)
	}
}

// listenBeside listens where one of our own listeners is in the way.
func listenBeside(ctx context.Context, e Endpoint) (net.Listener, error) {
	config := listenConfig()
	config.Control = func(_, _ string, c syscall.RawConn) error { return setReusePort(c, true) }
	return config.Listen(ctx, e.Network, e.Address)
}

// reusePort sets whether a process of the same user may listen beside l.
func reusePort(l net.Listener, on bool) error {
	system, ok := l.(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return err
	}
	return setReusePort(raw, on)
}

func setReusePort(c syscall.RawConn, on bool) error {
	value := 0
	if on {
		value = 1
	}
	var failed error
	err := c.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, value) })
	return errors.Join(err, failed)
}
