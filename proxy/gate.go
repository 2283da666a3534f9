package proxy

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// gate stands before one backend. It lets requests pass, keeps them waiting
// while the backend is away and lets them go in order when it is back, and
// counts those that are with the backend.
//
// A request counts as being with the backend before the gate looks whether it
// may be. So whoever first makes the backend unavailable and then finds the count
// at zero knows that no request is under way and none will be.
type gate struct {
	ask    func() Availability // must not block
	bounds bounds

	inFlight atomic.Int64
	detour   atomic.Bool // requests must not pass without asking the queue
	drains   atomic.Int64

	mu      sync.Mutex
	queue   waitlist
	ramp    ramp
	setback setback
	shut    *shutting
	idle    chan struct{} // closed when inFlight becomes 0 while somebody drains
	timer   *time.Timer   // lets the next one go
}

// bounds are how long, how many and how large requests may wait.
type bounds struct {
	time     time.Duration // 0: none waits
	requests int
	bytes    int64
}

// shutting keeps the gate shut until there is news of the backend.
type shutting struct{ news <-chan struct{} }

func newGate(ask func() Availability, b bounds) *gate {
	return &gate{ask: ask, bounds: b, idle: make(chan struct{})}
}

// enter lets a request pass if nothing is in its way. It takes no lock.
func (g *gate) enter() bool {
	g.inFlight.Add(1)
	if !g.detour.Load() && g.ask().Up {
		return true
	}
	g.leave()
	return false
}

// leave is called once for every request that has passed.
func (g *gate) leave() {
	if g.inFlight.Add(-1) == 0 && g.drains.Load() > 0 {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.tellIdle()
	}
}

func (g *gate) tellIdle() {
	close(g.idle)
	g.idle = make(chan struct{})
}

// wait queues a request until it may pass. The error is an awayError, or why
// the request itself has ended.
func (g *gate) wait(ctx context.Context, p *ticket) error {
	g.join(p)
	timer := time.NewTimer(time.Until(p.until))
	defer timer.Stop()
	for {
		news, err := g.advance(p)
		if err != nil {
			return err
		}
		select {
		case <-p.turn:
			return nil
		case <-news:
		case <-timer.C:
		case <-ctx.Done():
			g.giveUp(p)
			return context.Cause(ctx)
		}
	}
}

func (g *gate) join(p *ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p.turn, p.going = make(chan struct{}), false
	g.queue.add(p)
	g.detour.Store(true)
}

// advance lets go whoever may, and judges whether it is of use for p to wait for
// more news.
func (g *gate) advance(p *ticket) (news <-chan struct{}, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, a := time.Now(), g.ask()
	if a.Watched && !a.Up {
		g.setback.met(now)
	}
	g.pump(now)
	if p.going {
		return nil, nil
	}
	if away := g.judge(p, a, now); away != nil {
		g.queue.remove(p)
		g.settle()
		return nil, away
	}
	return a.Changed, nil
}

// giveUp frees the place of a request whose client is gone.
func (g *gate) giveUp(p *ticket) {
	g.mu.Lock()
	going := p.going
	g.queue.remove(p)
	g.settle()
	g.mu.Unlock()
	if going {
		g.answered(p, false)
		g.leave()
	}
}

// judge says why a request must not wait any longer; nil: it may.
func (g *gate) judge(p *ticket, a Availability, now time.Time) *awayError {
	switch {
	case len(g.queue.tickets) > g.bounds.requests:
		return away("too many requests wait for the backend")
	case g.queue.bytes > g.bounds.bytes:
		return away("the bodies of the requests that wait for the backend are too large")
	case !a.Up && !a.Coming && !a.Watched:
		return away("the backend is away: " + a.Reason)
	case a.Coming && a.Next.After(p.until):
		return awayUntil(a.Next, now, "the backend will not be back in time: "+a.Reason)
	case !now.Before(p.until) && a.Up:
		return away("the backend was not reached in time")
	case !now.Before(p.until):
		return awayUntil(a.Next, now, "the backend was not back in time: "+a.Reason)
	}
	return nil
}

// pump lets requests go for as long as nothing is in the way of the first one.
// g.mu is held.
func (g *gate) pump(now time.Time) {
	for !g.queue.empty() {
		g.inFlight.Add(1) // before the look at the availability
		pause, blocked := g.obstacle(now)
		if pause > 0 || blocked {
			if g.inFlight.Add(-1) == 0 && g.drains.Load() > 0 {
				g.tellIdle()
			}
			if !blocked {
				g.wake(pause)
			}
			break
		}
		p := g.queue.next()
		p.going, p.sending = true, true
		g.ramp.letGo(now)
		close(p.turn)
	}
	g.settle()
}

// obstacle is what keeps the first of the queue from going: a pause, or that it
// takes news of the backend.
func (g *gate) obstacle(now time.Time) (pause time.Duration, blocked bool) {
	a := g.ask()
	if g.isShut() || !a.Up && !a.Watched {
		return 0, true
	}
	if g.setback.outlasts(g.bounds.time, now, a.Changed) {
		return 0, false // nobody waits any longer, so each tries for itself
	}
	return max(g.setback.pause(now, a.Changed), g.ramp.pause(now)), false
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

// settle decides whether requests may pass without a lock again. g.mu is held.
func (g *gate) settle() {
	if g.queue.empty() && g.timer != nil {
		g.timer.Stop()
	}
	g.detour.Store(!g.queue.empty() || g.ramp.sending > 0 || !g.setback.since.IsZero() || g.shut != nil)
}

// wake lets the next one go later.
func (g *gate) wake(after time.Duration) {
	if g.timer != nil {
		g.timer.Reset(after)
		return
	}
	g.timer = time.AfterFunc(after, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.pump(time.Now())
	})
}

// sent tells that a request which was let go has been written to the backend.
func (g *gate) sent(p *ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.markSent(p)
	g.pump(time.Now())
}

func (g *gate) markSent(p *ticket) {
	if p.sending {
		p.sending = false
		g.ramp.sending--
	}
}

// answered tells that the backend is done with a request that was let go, well
// or badly. reached: there was a connection, so the outage is over.
func (g *gate) answered(p *ticket, reached bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.markSent(p)
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
