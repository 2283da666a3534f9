package proxy

import (
	"sync"
	"time"
)

// watchdog is the timer of a pace. It is set only if it would come too late, and
// is not stopped when the call that it was set for has ended: it then looks what
// there is to watch, if anything. So calls that end at once, which are nearly
// all, cost no timer, and neither do requests, since it is lent to one after the
// other.
type watchdog struct {
	mu    sync.Mutex
	timer *time.Timer
	at    time.Time // when it wakes; zero: it sleeps
	pace  *pace     // nil while it is not lent
}

// wake has it look at its pace then, or earlier.
func (w *watchdog) wake(now, then time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.at.IsZero() && !then.Before(w.at) {
		return
	}
	w.at = then
	if w.timer == nil {
		w.timer = time.AfterFunc(then.Sub(now), w.look)
	} else {
		w.timer.Reset(then.Sub(now))
	}
}

func (w *watchdog) look() {
	w.mu.Lock()
	watched := w.pace
	w.at = time.Time{}
	w.mu.Unlock()
	if watched != nil {
		watched.bark() // takes its own lock first, and then this one
	}
}

// watchdogs lends out watchdogs.
type watchdogs struct{ pool sync.Pool }

func (w *watchdogs) lend(to *pace) *watchdog {
	one, ok := w.pool.Get().(*watchdog)
	if !ok {
		one = new(watchdog)
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	one.pace = to
	return one
}

func (w *watchdogs) takeBack(one *watchdog) {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.pace = nil
	w.pool.Put(one)
}
