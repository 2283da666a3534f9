package proxy

import (
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"gateway/proxy/socket"
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
	patience  time.Duration
	cut       deadline
	watchdogs *watchdogs

	mu       sync.Mutex
	watchdog *watchdog // lent from the first call on
	started  time.Time
	deadline time.Time // of the call that is under way, zero if none is
	blocked  time.Duration
	moved    int64
	expired  bool
	stopped  bool
}

// deadline is what sets the deadline of one direction.
type deadline interface{ set(time.Time) error }

type readDeadlineOf struct{ *http.ResponseController }

func (d readDeadlineOf) set(t time.Time) error { return d.SetReadDeadline(t) }

type writeDeadlineOf struct{ *http.ResponseController }

func (d writeDeadlineOf) set(t time.Time) error { return d.SetWriteDeadline(t) }

// init is for a pace that is part of something larger, and may have been another
// one before, whose watchdog can still be on its way.
func (p *pace) init(patience time.Duration, cut deadline, w *watchdogs) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.patience, p.cut, p.watchdogs, p.watchdog = patience, cut, w, nil
	p.started, p.deadline, p.blocked, p.moved = time.Time{}, time.Time{}, 0, 0
	p.expired, p.stopped = false, false
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
	if p.watchdog == nil {
		p.watchdog = p.watchdogs.lend(p)
	}
	p.watchdog.wake(p.started, p.deadline)
}

// end is called when the read or write has returned with n bytes moved. It tells
// how long that took.
func (p *pace) end(n int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deadline.IsZero() {
		return p.patience // nothing was watched
	}
	took := time.Since(p.started)
	p.blocked += took
	p.moved += int64(n)
	p.deadline = time.Time{}
	return took
}

// bark ends the call under way if its time is up. A watchdog that was woken for
// an earlier call finds another deadline, or none.
func (p *pace) bark() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped || p.deadline.IsZero() {
		return
	}
	if now := time.Now(); now.Before(p.deadline) {
		p.watchdog.wake(now, p.deadline)
		return
	}
	p.expired = true
	_ = p.cut.set(time.Unix(1, 0)) // fails only if the connection is gone, which ends the call too
}

// stop ends the watch. No deadline is set after it has returned, which matters
// because a ResponseWriter must not be touched after its handler.
func (p *pace) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if p.watchdog != nil {
		p.watchdogs.takeBack(p.watchdog)
		p.watchdog = nil
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
	controller http.ResponseController
	pace       pace
	status     int               // final status that was written, 0 if none was
	written    int64             // bytes of the body
	isBrisk    bool              // the client took the last piece at once
	hijacked   bool              // the connection belongs to somebody else now
	edit       func(http.Header) // the last change to a final response's header; may be nil
}

// init is for a writer that is part of a call.
func (w *pacedWriter) init(to http.ResponseWriter, patience time.Duration, watchdogs *watchdogs) {
	w.ResponseWriter, w.controller = to, *http.NewResponseController(to)
	w.status, w.written, w.isBrisk, w.hijacked, w.edit = 0, 0, false, false, nil
	w.pace.init(patience, writeDeadlineOf{&w.controller}, watchdogs)
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

const (
	// piece is the most that one watched write moves, so that a client which takes
	// it at the slowest rate is not cut: 16 KB a minute. It is also what fits in a
	// TLS record and an HTTP/2 frame.
	piece = 16 << 10

	// largePiece is for a client that took the last one within brisk. It costs a
	// quarter of the system calls. Only a client that falls below the rate of one
	// largePiece a minute from one piece to the next is cut where piece would not.
	largePiece = 64 << 10
	brisk      = 100 * time.Millisecond
)

func (w *pacedWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	written := 0
	for {
		n, err := w.writePiece(p[written:min(len(p), written+w.most())])
		if written += n; err != nil || written >= len(p) {
			return written, err
		}
	}
}

// most is how large the next piece may be.
func (w *pacedWriter) most() int {
	if w.isBrisk {
		return largePiece
	}
	return piece
}

// relay writes a piece that a pipe holds.
func (w *pacedWriter) relay(from *socket.Pipe) error {
	w.pace.begin()
	n, err := io.Copy(w.ResponseWriter, from)
	w.isBrisk = w.pace.end(int(n)) < brisk
	w.written += n
	return err
}

func (w *pacedWriter) writePiece(p []byte) (int, error) {
	w.pace.begin()
	n, err := w.ResponseWriter.Write(p)
	w.isBrisk = w.pace.end(n) < brisk
	w.written += int64(n)
	return n, err
}

// FlushError is what http.ResponseController calls for Flush.
func (w *pacedWriter) FlushError() error {
	w.pace.begin()
	defer w.pace.end(0)
	return w.controller.Flush()
}

// isComplete reports whether the whole response was written, going by the length
// that it has announced.
func (w *pacedWriter) isComplete(method string) bool {
	if w.status == 0 {
		return false
	}
	length := w.Header()["Content-Length"]
	return len(length) == 1 && (method == http.MethodHead || length[0] == strconv.FormatInt(w.written, 10))
}
