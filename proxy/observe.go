package proxy

import "time"

// Observation is what one request came to, for whoever counts.
type Observation struct {
	Site     string        // its name in the file; "" for a request that found none
	Protocol string        // "HTTP/1.1", "HTTP/2.0"
	Status   int           // 101 for a WebSocket, 499 for a client that left
	Took     time.Duration // until the last byte was handed to the system; for a WebSocket until it ended
	Held     time.Duration // of that, how long it waited for its backend
	Replayed bool          // it was sent to its backend a second time
}

// observe tells whoever counts what the request came to.
func (l *AccessLog) observe(t *transaction) {
	if l.Observe == nil {
		return
	}
	x := &t.exchange
	l.Observe(Observation{
		Site: x.site, Protocol: t.request.Proto, Status: t.status, Took: time.Since(t.start),
		Held: x.held, Replayed: x.tries > 1,
	})
}

// InFlight is how many requests are being served, WebSockets among them.
func (s *Server) InFlight() int64 { return s.running.Load() }
