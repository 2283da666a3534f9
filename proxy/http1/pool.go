package http1

import (
	"context"
	"slices"
	"time"
)

// reapEvery is how often kept connections are looked at: for how long they have
// been idle, and whether the backend has closed them.
const reapEvery = 5 * time.Second

// take gives a connection for a request: the one that was used last, because it
// is the least likely to be closed, or a new one. One that is asked finds out by
// itself whether it is fit.
func (t *Transport) take(ctx context.Context, out *outgoing, safe bool) (*conn, error) {
	for {
		c, w := t.reserve(ctx, safe)
		switch {
		case c != nil && (c.asks(out) || c.isFit()):
			return c, nil
		case c != nil:
			t.release(c, false)
			continue
		case w == nil:
			return t.dial(ctx)
		}
		c, err := t.await(ctx, w)
		if c != nil || err != nil {
			return c, err
		}
		return t.dial(ctx)
	}
}

// reserve gives a kept connection, or a place among those that wait for one;
// with neither, the right to make one.
func (t *Transport) reserve(ctx context.Context, safe bool) (*conn, *waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.newest(safe); c != nil {
		t.watchOver(c, ctx)
		return c, nil
	}
	if max := t.options.MaxConns; max > 0 && t.open >= max {
		if len(t.idle) == 0 {
			w := &waiter{ctx: ctx, granted: make(chan *conn, 1)}
			t.waiting = append(t.waiting, w)
			return nil, w
		}
		_ = t.idle[0].wire.Close() // too old for this request, and in its way
		t.idle = slices.Delete(t.idle, 0, 1)
		t.open--
	}
	t.open++
	return nil, nil
}

// newest takes the connection out of those that are kept that was used last,
// unless it is too old.
func (t *Transport) newest(safe bool) *conn {
	last := len(t.idle) - 1
	if last < 0 {
		return nil
	}
	c := t.idle[last]
	limit := t.options.IdleTimeoutUnsafe
	if safe {
		limit = t.options.IdleTimeout
	}
	if limit > 0 && time.Since(c.since) >= limit {
		return nil
	}
	t.idle[last] = nil
	t.idle = t.idle[:last]
	return c
}

// dial makes a connection for which there is room.
func (t *Transport) dial(ctx context.Context) (*conn, error) {
	c, err := t.connect(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.vacate()
		return nil, err
	}
	t.watchOver(c, ctx)
	return c, nil
}

// release takes a connection back, which its request does not use any more.
func (t *Transport) release(c *conn, keep bool) {
	if doomed := t.store(c, keep); doomed != nil {
		_ = doomed.net.Close()
	}
}

// store keeps a connection, or hands it to the next request that waits. It
// returns the one that is to be closed, if there is one.
func (t *Transport) store(c *conn, keep bool) (doomed *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lookAway(c)
	if !keep || t.closed || c.gone.Load() {
		t.vacate()
		return c
	}
	if w := t.nextWaiting(); w != nil {
		t.watchOver(c, w.ctx)
		w.granted <- c
		return nil
	}
	c.since = time.Now()
	t.idle = append(t.idle, c)
	t.reapLater()
	if most := t.options.MaxIdleConns; most > 0 && len(t.idle) > most {
		doomed = t.idle[0]
		t.idle = slices.Delete(t.idle, 0, 1)
		t.vacate()
	}
	return doomed
}

// vacate is told that there is a connection less. t.mu is held.
func (t *Transport) vacate() {
	if w := t.nextWaiting(); w != nil {
		w.granted <- nil
		return
	}
	t.open--
}

// CloseIdleConnections closes the connections that no request uses.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeIdle(func(*conn) bool { return true })
}

// Close closes the connections that no request uses, and the others when their
// requests end. Requests may still be sent.
func (t *Transport) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.closeIdle(func(*conn) bool { return true })
}

// closeIdle closes some of the connections that no request uses. It says farewell
// in TLS too, which could wait for the backend but for its own deadline, so only
// the system's connection is closed. t.mu is held.
func (t *Transport) closeIdle(which func(*conn) bool) {
	t.idle = slices.DeleteFunc(t.idle, func(c *conn) bool {
		if !which(c) {
			return false
		}
		_ = c.wire.Close()
		t.vacate()
		return true
	})
	if len(t.idle) == 0 && t.reaping {
		t.reaping = false
		t.reaper.Stop()
	}
}

// reapLater sees to it that kept connections are looked at. t.mu is held.
func (t *Transport) reapLater() {
	switch {
	case t.reaping:
		return
	case t.reaper == nil:
		t.reaper = time.AfterFunc(t.reapPeriod(), t.reap)
	default:
		t.reaper.Reset(t.reapPeriod())
	}
	t.reaping = true
}

func (t *Transport) reapPeriod() time.Duration {
	if idle := t.options.IdleTimeout; idle > 0 {
		return min(idle, reapEvery)
	}
	return reapEvery
}

func (t *Transport) reap() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reaping = false
	now, limit := time.Now(), t.options.IdleTimeout
	t.closeIdle(func(c *conn) bool { return limit > 0 && now.Sub(c.since) >= limit || !c.isFit() })
	if len(t.idle) > 0 {
		t.reapLater()
	}
}
