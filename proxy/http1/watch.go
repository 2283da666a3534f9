package http1

import (
	"context"
	"time"
)

// watchEvery is how soon it is noticed that the client of a new request has gone.
const watchEvery = 10 * time.Millisecond

// watch is how a connection is ended when its request is over before its time.
//
// Most requests are answered within milliseconds, and to have each of them wait
// for the end of its context would cost more than to send it. So one timer looks
// at all of them. A request that it has seen twice is slow enough to be told of
// the end of its context, and of the time for its answer, by timers of its own.
type watch struct {
	place int         // in Transport.busy, counted from 1; 0: it is not there
	since uint64      // the tick it came in
	stop  func() bool // ends the wait for the end of the context; nil: there is none
}

// watchOver begins to watch. t.mu is held.
func (t *Transport) watchOver(c *conn, ctx context.Context) {
	t.busy = append(t.busy, c)
	c.context = ctx
	c.watch = watch{place: len(t.busy), since: t.tick}
	switch {
	case t.ticking:
		return
	case t.ticker == nil:
		t.ticker = time.AfterFunc(watchEvery, t.look)
	default:
		t.ticker.Reset(watchEvery)
	}
	t.ticking = true
}

// lookAway ends the watch. t.mu is held.
func (t *Transport) lookAway(c *conn) {
	t.leaveBusy(c)
	if c.watch.stop != nil && !c.watch.stop() {
		c.gone.Store(true) // it is being abandoned
	}
	c.watch.stop, c.context = nil, nil
}

// leaveBusy fills the place with the last one. t.mu is held.
func (t *Transport) leaveBusy(c *conn) {
	if c.watch.place == 0 {
		return
	}
	last := len(t.busy) - 1
	t.busy[c.watch.place-1] = t.busy[last]
	t.busy[c.watch.place-1].watch.place = c.watch.place
	t.busy[last] = nil
	t.busy = t.busy[:last]
	c.watch.place = 0
}

// look is called every now and then while there are new requests.
func (t *Transport) look() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := len(t.busy) - 1; i >= 0; i-- {
		if c := t.busy[i]; c.context.Err() != nil || c.watch.since != t.tick {
			t.leaveBusy(c)
			c.watch.stop = context.AfterFunc(c.context, c.abandon)
			c.timing.slow()
		}
	}
	t.tick++
	t.ticking = len(t.busy) > 0
	if t.ticking {
		t.ticker.Reset(watchEvery)
	}
}
