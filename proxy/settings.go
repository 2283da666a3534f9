package proxy

import (
	"slices"
	"sync/atomic"
)

// settings are what connections go by. A connection keeps those that held when
// it came: a changed limit must not cut a request in half.
type settings struct {
	limits   Limits
	timeouts Timeouts
	http2    *http2Server
}

// Configure has everything that comes from now on go by other limits and
// timeouts. Connections that are open already keep theirs, but are counted
// against the new ones; how long stopping may take counts for all.
func (s *Server) Configure(limits Limits, timeouts Timeouts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.settings.Load()
	next := &settings{limits: limits, timeouts: timeouts}
	if before != nil && before.limits.Streams == limits.Streams && before.timeouts == timeouts && maxHeaderList(before.limits) == maxHeaderList(limits) {
		next.http2 = before.http2 // which nothing has changed for
	} else {
		next.http2 = newHTTP2Server(s, limits, timeouts)
		s.http2s = append(slices.DeleteFunc(s.http2s, (*http2Server).unused), next.http2)
	}
	s.clients.limit(limits)
	s.settings.Store(next)
}

// enlist has an http2Server that a connection is about to use drained with the
// others: it may have been replaced since the connection came.
func (s *Server) enlist(h *http2Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.begin()
	if !slices.Contains(s.http2s, h) {
		s.http2s = append(s.http2s, h)
	}
}

// drainHTTP2 has every HTTP/2 connection end after its last stream.
func (s *Server) drainHTTP2() {
	s.mu.Lock()
	all := slices.Clone(s.http2s)
	s.mu.Unlock()
	for _, h := range all {
		h.drain()
	}
}

// usage counts what goes by settings that may be replaced.
type usage struct{ n atomic.Int64 }

func (u *usage) begin()       { u.n.Add(1) }
func (u *usage) end()         { u.n.Add(-1) }
func (u *usage) unused() bool { return u.n.Load() == 0 }
