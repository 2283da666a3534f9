package proxy

import (
	"errors"
	"os"
	"sync"
	"time"
)

// watchAfter is how long a request is served before anybody looks whether its
// client is still there. Most are answered before, and cost no second goroutine.
const watchAfter = 50 * time.Millisecond

// watch notices that the client of a request has gone: it reads from the
// connection while the handler works, until the next head is there, which is kept.
//
// Its timer is not stopped with a request, and is not set again while it runs: it
// looks by itself whether it has come too early.
type watch struct {
	turn *turn

	mu       sync.Mutex
	timer    *time.Timer
	running  bool          // the timer is
	on       bool          // a handler is at work
	since    time.Time     // and has been since then
	bodyOver bool          // nothing but the next request may come
	due      bool          // the handler has been at work for watchAfter
	reading  chan struct{} // closed when the reader has ended; nil without one
}

// begin is called before the handler.
func (w *watch) begin(bodyOver bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on, w.since, w.bodyOver, w.due = true, time.Now(), bodyOver, false
	if !w.running {
		w.fireIn(watchAfter)
	}
}

// fireIn sets the timer. w.mu is held.
func (w *watch) fireIn(d time.Duration) {
	w.running = true
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.fire)
	} else {
		w.timer.Reset(d)
	}
}

// fire is called when it is time to look, unless the request is a younger one
// than that for which the timer was set, or there is none.
func (w *watch) fire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = false
	if !w.on {
		return
	}
	if early := watchAfter - time.Since(w.since); early > 0 {
		w.fireIn(early)
		return
	}
	w.due = true
	w.read()
}

// bodyEnded is called when the whole body was read.
func (w *watch) bodyEnded() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bodyOver = true
	w.read()
}

// read starts the reader if it is due. w.mu is held.
func (w *watch) read() {
	if !w.on || !w.due || !w.bodyOver || w.reading != nil || len(w.turn.guard.in) > 0 {
		return
	}
	g, ended := w.turn.guard, make(chan struct{})
	w.reading = ended
	go func() {
		defer close(ended)
		if err := g.readHead(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			w.turn.cancel()
		}
	}()
}

// end is called after the handler. Nobody reads any more when it returns.
func (w *watch) end() {
	w.mu.Lock()
	reading := w.reading
	w.on, w.reading = false, nil
	w.mu.Unlock()
	if reading == nil {
		return
	}
	_ = w.turn.guard.SetReadDeadline(time.Unix(1, 0)) // turn.lift takes it away
	<-reading
}
