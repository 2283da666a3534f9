package proxy

import (
	"context"
	"net"
	"net/http"
)

// loop serves the ordinary requests of a connection that speaks HTTP/1: those
// that are most of all requests, and need nothing of net/http but its types. One
// goroutine reads a head, has the handler answer it, and goes on to the next.
//
// The wire guard reads the heads, and so decides for both what is sound. The first
// request that is not ordinary takes its connection to net/http for good.
type loop struct {
	server  *Server
	guard   *wireGuard
	context context.Context // with what is known of the connection
	client  string          // address and port, as http.Request.RemoteAddr
}

// serveHTTP1 serves a connection until it ends or is handed to http1.
func (s *Server) serveHTTP1(c net.Conn, of *client, as *conn) {
	g := s.newWireGuard(c, of, as)
	of.onDrain(g.hasten)
	// A context of the connection's own: requests that begin and end on one that all
	// share would wait for each other.
	requests, cancel := context.WithCancel(s.requests)
	defer cancel()
	l := &loop{server: s, guard: g, client: as.remote.String(), context: &loopContext{requests, as, s.http1}}
	for g.armIdle(); ; {
		switch err := g.await(); {
		case err != nil:
			_ = g.Close()
			return
		case s.opts.generalOnly || g.head == nil || !g.head.ordinary():
			s.heads.give(g)
			return
		case !l.serve(g.takeHead()):
			return
		}
	}
}

// ordinary reports whether the loop can serve the request itself. The others are
// rare, or ask for what only net/http does.
func (h *head) ordinary() bool {
	return h.minor == '1' && !h.upgrade && !h.expects && !h.chunked
}

// loopContext is the context of a connection's requests, with what net/http puts
// into it and what ours need.
type loopContext struct {
	context.Context
	conn   *conn
	server *http.Server
}

// Value knows the connection.
func (c *loopContext) Value(key any) any {
	switch key {
	case connKey:
		return c.conn
	case http.ServerContextKey:
		return c.server
	case http.LocalAddrContextKey:
		return c.conn.local
	}
	return c.Context.Value(key)
}

// serve answers one request. It reports whether the connection can have another
// one, and has closed it otherwise.
func (l *loop) serve(h *head) (again bool) {
	t := l.server.turns.begin(l)
	r := h.request(l, t)
	w := l.server.turns.writers.Get(t, r)
	t.watch.begin(r.Body == http.NoBody)
	returned := l.server.answer(w, r)
	t.cancel()
	switch {
	case !returned:
		w.Abort()
	default:
		again = w.Finish() && t.body.skip()
	}
	t.watch.end()
	t.body.shut()
	logged := t.log()
	if again = again && t.lift() == nil; again {
		l.guard.finished()
	} else {
		_ = l.guard.Close()
	}
	if returned {
		l.server.turns.end(t, w, logged)
	}
	return again
}

// answer calls the handler, and reports whether it returned.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) (returned bool) {
	defer func() { _ = recover() }() // serveRequest has told of it
	s.serveRequest(w, r)
	return true
}
