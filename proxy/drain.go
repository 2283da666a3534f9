package proxy

import (
	"context"
	"time"
)

// shutting keeps the gate shut until there is news of the backend.
type shutting struct{ news <-chan struct{} }

// drain keeps further requests from the backend, and returns when those that
// are with it have been answered, or when ctx ends. The gate stays shut until
// there is news of the backend; without anybody who has news, until drain returns.
func (g *gate) drain(ctx context.Context) error {
	g.drains.Add(1)
	defer g.drains.Add(-1)
	shut := g.close()
	for {
		g.mu.Lock()
		idle := g.idle
		g.mu.Unlock()
		if g.inFlight.Load() == 0 {
			if shut.news == nil {
				g.open(shut)
			}
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			g.open(shut)
			return context.Cause(ctx)
		}
	}
}

// close shuts the gate.
func (g *gate) close() *shutting {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = &shutting{g.ask().Changed}
	g.settle()
	return g.shut
}

// open opens it again, unless it was shut anew.
func (g *gate) open(was *shutting) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut == was {
		g.shut = nil
		g.pump(time.Now())
	}
}

func (g *gate) isShut() bool {
	if g.shut == nil {
		return false
	}
	select {
	case <-g.shut.news:
		g.shut = nil
	default:
	}
	return g.shut != nil
}

// tellIdle wakes those who drain. g.mu is held.
func (g *gate) tellIdle() {
	close(g.idle)
	g.idle = make(chan struct{})
}
