package http1

import (
	"context"
	"slices"
	"time"
)

// waiter is a request that waits for one of the connections that are allowed.
type waiter struct {
	ctx     context.Context
	granted chan *conn // nil: it may make one
}

// nextWaiting takes out the request that has waited longest. t.mu is held.
func (t *Transport) nextWaiting() *waiter {
	if len(t.waiting) == 0 {
		return nil
	}
	w := t.waiting[0]
	t.waiting = slices.Delete(t.waiting, 0, 1)
	return w
}

// await gives a connection that another request is done with, or nil for the
// right to make one.
func (t *Transport) await(ctx context.Context, w *waiter) (*conn, error) {
	var late <-chan time.Time
	if limit := t.options.MaxConnsWait; limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case c := <-w.granted:
		return c, nil
	case <-late:
		return nil, t.giveUp(w, ErrBusy)
	case <-ctx.Done():
		return nil, t.giveUp(w, context.Cause(ctx))
	}
}

// giveUp ends a wait. What was granted meanwhile goes to the next.
func (t *Transport) giveUp(w *waiter, why error) error {
	t.mu.Lock()
	i := slices.Index(t.waiting, w)
	if i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
		t.mu.Unlock()
		return why
	}
	t.mu.Unlock()
	if c := <-w.granted; c != nil {
		t.release(c, true)
		return why
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.vacate()
	return why
}
