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
type watch struct {
	turn  *turn
	timer *time.Timer

	mu       sync.Mutex
	on       bool          // a handler is at work
	bodyOver bool          // nothing but the next request may come
	due      bool          // the handler has been at work for watchAfter
	reading  chan struct{} // closed when the reader has ended; nil without one
}

// begin is called before the handler.
func (w *watch) begin(bodyOver bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.on, w.bodyOver, w.due = true, bodyOver, false
	if w.timer == nil {
		w.timer = time.AfterFunc(watchAfter, w.fire)
	} else {
		w.timer.Reset(watchAfter)
	}
}

// fire is called when it is time to look. It may come late, and find a younger
// request or none.
func (w *watch) fire() {
	w.mu.Lock()
	defer w.mu.Unlock()
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
	w.timer.Stop()
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
