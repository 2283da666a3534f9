package proxy

import "gateway/proxy/http2"

// settings are what connections go by. A connection keeps those that held when
// it came: a changed limit must not cut a request in half.
type settings struct {
	limits   Limits
	timeouts Timeouts
	http2    *http2.Server
}

// Configure has everything that comes from now on go by other limits and
// timeouts. Connections that are open already keep theirs, but are counted
// against the new ones; how long stopping may take counts for all.
func (s *Server) Configure(limits Limits, timeouts Timeouts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := &settings{limits: limits, timeouts: timeouts, http2: s.newHTTP2(limits, timeouts)}
	s.clients.limit(limits)
	s.settings.Store(next)
}
