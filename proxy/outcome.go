package proxy

import "time"

// sent tells that a request which was let go has been written to the backend.
func (g *gate) sent(t *ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.markSent(t)
	g.pump(time.Now())
}

func (g *gate) markSent(t *ticket) {
	if t.sending {
		t.sending = false
		g.ramp.sending--
	}
}

// answered tells that the backend is done with a request that was let go, well
// or badly. reached: it was written to the backend, so the outage is over.
func (g *gate) answered(t *ticket, reached bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.markSent(t)
	g.ramp.unanswered--
	if reached {
		g.setback = setback{}
	}
	g.pump(time.Now())
}

// refused tells that a connection was not to be had, and reports whether it is of
// use for the request to wait for one.
func (g *gate) refused() (wait bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, a := time.Now(), g.ask()
	wait = g.bounds.time > 0 && !g.setback.outlasts(g.bounds.time, now, a.Changed)
	g.setback.refused(now, a.Changed)
	g.settle()
	return wait
}
