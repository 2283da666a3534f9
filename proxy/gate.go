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

func newGate(ask func() Availability, b bounds) *gate {
	return &gate{ask: ask, bounds: b, idle: make(chan struct{}), ramp: ramp{patience: sendPatience}}
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

// wait queues a request until it may pass. The error is an awayError, or why
// the request itself has ended.
func (g *gate) wait(ctx context.Context, t *ticket) error {
	if err := g.join(t); err != nil {
		return err
	}
	timer := time.NewTimer(time.Until(t.until))
	defer timer.Stop()
	for {
		news, err := g.advance(t)
		if err != nil {
			return err
		}
		select {
		case <-t.turn:
			return nil
		case <-news:
		case <-timer.C:
		case <-ctx.Done():
			g.giveUp(t)
			return context.Cause(ctx)
		}
	}
}

// join takes a place in the queue. Newcomers find a bound, while one that comes
// back because it could not be sent has not lost its place.
func (g *gate) join(t *ticket) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	newcomer := t.number == 0
	t.turn, t.going = make(chan struct{}), false
	g.queue.add(t)
	g.pump(time.Now())
	if t.going || !newcomer {
		return nil
	}
	if full := g.full(); full != nil {
		g.remove(t)
		return full
	}
	return nil
}

func (g *gate) full() error {
	switch {
	case len(g.queue.tickets) > g.bounds.requests:
		return away("too many requests wait for the backend")
	case g.queue.bytes > g.bounds.bytes:
		return away("the bodies of the requests that wait for the backend are too large")
	}
	return nil
}

func (g *gate) remove(t *ticket) {
	g.queue.remove(t)
	g.settle()
}

// advance lets go whoever may, and judges whether it is of use for t to wait for
// more news.
func (g *gate) advance(t *ticket) (news <-chan struct{}, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, a := time.Now(), g.ask()
	if a.Watched && !a.Up {
		g.setback.met(now)
	}
	g.pump(now)
	if t.going {
		return nil, nil
	}
	if away := g.judge(t, a, now); away != nil {
		g.remove(t)
		return nil, away
	}
	return a.Changed, nil
}

// giveUp frees the place of a request whose client is gone.
func (g *gate) giveUp(t *ticket) {
	g.mu.Lock()
	going := t.going
	g.remove(t)
	g.mu.Unlock()
	if going {
		g.answered(t, false)
		g.leave()
	}
}

// judge says why a request must not wait any longer; nil: it may.
func (g *gate) judge(t *ticket, a Availability, now time.Time) *awayError {
	switch {
	case !a.Up && !a.Coming && !a.Watched:
		return away("the backend is away: " + a.Reason)
	case a.Coming && a.Next.After(t.until):
		return awayUntil(a.Next, now, "the backend will not be back in time: "+a.Reason)
	case !now.Before(t.until) && a.Up:
		return away("the backend was not reached in time")
	case !now.Before(t.until):
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
		t := g.queue.next()
		t.going, t.sending = true, true
		g.ramp.letGo(now)
		close(t.turn)
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
