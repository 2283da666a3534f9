package proxy

import (
	"net/http"
	"sync"
	"time"
)

// slowest is the rate in bytes a second below which a client runs out of time,
// Apache's MinRate of RequestReadTimeout.
const slowest = 500

// pace bounds how long one direction of a request may keep gateway waiting for
// the client. It counts only the time in which a read or write is blocked, so a
// backend that thinks is not held against the client. A client may be blocked
// for patience in all, and longer by a second for each 500 bytes it has moved,
// but never for longer than patience at a stretch.
//
// Deadlines are set only when time is up: on HTTP/2 they are messages to the
// connection's loop and, once passed, final.
type pace struct {
	patience time.Duration
	cut      func(time.Time) error // sets the deadline of the direction

	mu       sync.Mutex
	timer    *time.Timer
	started  time.Time
	deadline time.Time // of the call that is under way, zero if none is
	blocked  time.Duration
	moved    int64
	expired  bool
	stopped  bool
}

func newPace(patience time.Duration, cut func(time.Time) error) *pace {
	return &pace{patience: patience, cut: cut}
}

// allowance is how long the next call may be blocked.
func allowance(patience, blocked time.Duration, moved int64) time.Duration {
	left := patience + time.Duration(moved)*(time.Second/slowest) - blocked
	return max(0, min(left, patience))
}

// begin is called before a read or write that may block.
func (p *pace) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped || p.expired {
		return
	}
	p.started = time.Now()
	allowed := allowance(p.patience, p.blocked, p.moved)
	p.deadline = p.started.Add(allowed)
	if p.timer == nil {
		p.timer = time.AfterFunc(allowed, p.fire)
	} else {
		p.timer.Reset(allowed)
	}
}

// end is called when the read or write has returned with n bytes moved.
func (p *pace) end(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deadline.IsZero() {
		return
	}
	p.timer.Stop()
	p.blocked += time.Since(p.started)
	p.moved += int64(n)
	p.deadline = time.Time{}
}

// fire ends the call under way. A timer that was late for an earlier call finds
// another deadline and does nothing.
func (p *pace) fire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped || p.deadline.IsZero() || time.Now().Before(p.deadline) {
		return
	}
	p.expired = true
	_ = p.cut(time.Unix(1, 0)) // fails only if the connection is gone, which ends the call too
}

// stop ends the watch. No deadline is set after it has returned, which matters
// because a ResponseWriter must not be touched after its handler.
func (p *pace) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if p.timer != nil {
		p.timer.Stop()
	}
}

func (p *pace) hasExpired() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.expired
}

// pacedWriter is the client's side of a response: each write is watched, and
// what was sent already is known when something fails.
type pacedWriter struct {
	http.ResponseWriter
	controller *http.ResponseController
	pace       *pace
	status     int               // final status that was written, 0 if none was
	hijacked   bool              // the connection belongs to somebody else now
	edit       func(http.Header) // the last change to a final response's header; may be nil
}

func newPacedWriter(w http.ResponseWriter, patience time.Duration) *pacedWriter {
	controller := http.NewResponseController(w)
	return &pacedWriter{ResponseWriter: w, controller: controller, pace: newPace(patience, controller.SetWriteDeadline)}
}

// Unwrap is for http.ResponseController.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader notes the final status. Informational responses go out at once
// and are watched for that.
func (w *pacedWriter) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.status = status
		if w.edit != nil {
			w.edit(w.Header())
		}
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.pace.begin()
	defer w.pace.end(0)
	w.ResponseWriter.WriteHeader(status)
}

// piece is the most that one watched write moves, so that a client which takes
// it at the slowest rate is not cut: 16 KB a minute. It is also what fits in a
// TLS record and an HTTP/2 frame.
const piece = 16 << 10

func (w *pacedWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	written := 0
	for {
		next := p[written:min(len(p), written+piece)]
		w.pace.begin()
		n, err := w.ResponseWriter.Write(next)
		w.pace.end(n)
		if written += n; err != nil || written >= len(p) {
			return written, err
		}
	}
}

// FlushError is what http.ResponseController calls for Flush.
func (w *pacedWriter) FlushError() error {
	w.pace.begin()
	defer w.pace.end(0)
	return w.controller.Flush()
}
