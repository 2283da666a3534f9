package proxy

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// flushAfter is how long a piece of a response of known length may wait for the
// next one. Responses of unknown length, events among them, are flushed at once.
const flushAfter = 50 * time.Millisecond

// copyBody sends the body of a backend's response. The error is the client's or
// the backend's.
func (h *Handler) copyBody(c *call, res *http.Response) error {
	if isBodiless(res) {
		return nil
	}
	buffer, w := h.buffers.Get(), c.w
	defer h.buffers.Put(buffer)
	if done, err := h.spliceBody(c, res, buffer); done {
		return err
	}
	if isEager(res) {
		return copyThrough(eagerFlusher{w}, res, buffer)
	}
	late := h.lateFlushers.lend(w)
	defer h.lateFlushers.takeBack(late)
	return copyThrough(late, res, buffer)
}

// isBodiless reports that there is nothing to copy, as is so for HEAD.
func isBodiless(res *http.Response) bool {
	source, ok := res.Body.(*backendBody)
	return ok && source.ReadCloser == http.NoBody
}

// isEager reports responses whose pieces must not wait for one another.
func isEager(res *http.Response) bool {
	if res.ContentLength == -1 {
		return true
	}
	kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "text/event-stream")
}

// flusher decides when what was written goes out.
type flusher interface {
	io.Writer
	// wait is called before the next piece is waited for.
	wait()
}

// copyThrough copies a body piece by piece.
func copyThrough(to flusher, res *http.Response, buffer []byte) error {
	for left := res.ContentLength; ; {
		if left != 0 && !isReady(res.Body) {
			to.wait()
		}
		n, err := res.Body.Read(buffer)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return err
			}
			left -= int64(n)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			to.wait() // an eager client gets what there was
			return err
		}
	}
}

// isReady reports whether a body knows that it can be read without waiting.
func isReady(body io.Reader) bool {
	known, ok := body.(interface{ Ready() bool })
	return ok && known.Ready()
}

// eagerFlusher lets nothing wait.
type eagerFlusher struct{ *pacedWriter }

func (f eagerFlusher) wait() { _ = f.FlushError() } // if it fails, so does the next write

// lateFlusher lets what was written wait for more, but not for long. It is lent to
// one response at a time, with its timer.
type lateFlusher struct {
	mu    sync.Mutex
	w     *pacedWriter // nil while it is not lent
	due   bool
	timer *time.Timer
}

// Write writes while nothing is being flushed.
func (f *lateFlusher) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.w.Write(p)
}

func (f *lateFlusher) wait() {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.due:
		return
	case f.timer == nil:
		f.timer = time.AfterFunc(flushAfter, f.flush)
	default:
		f.timer.Reset(flushAfter)
	}
	f.due = true
}

// flush may come late, for a response that is over, and then flushes nothing or
// what the next one has written so far.
func (f *lateFlusher) flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.w != nil && f.due {
		_ = f.w.FlushError()
		f.due = false
	}
}

// lateFlushers lends out flushers.
type lateFlushers struct{ pool sync.Pool }

func (l *lateFlushers) lend(w *pacedWriter) *lateFlusher {
	f, ok := l.pool.Get().(*lateFlusher)
	if !ok {
		f = new(lateFlusher)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.w = w
	return f
}

// takeBack returns when nothing is flushed any more.
func (l *lateFlushers) takeBack(f *lateFlusher) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.w, f.due = nil, false; f.timer != nil {
		f.timer.Stop()
	}
	l.pool.Put(f)
}
