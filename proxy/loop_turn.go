package proxy

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"gateway/proxy/http1"
)

// turns lends out what serving one request takes. Idle connections have nothing of it.
type turns struct {
	pool       sync.Pool // of *turn
	writers    *http1.ResponseWriters
	workspaces workspaces
}

// turn is one request of a loop while it is served, and for its response the
// client's connection.
type turn struct {
	guard   *wireGuard
	space   *workspace
	body    *requestBody
	watch   watch
	bounded atomic.Bool // a write deadline was set
}

func newTurns() *turns {
	return &turns{
		pool:    sync.Pool{New: func() any { return &turn{} }},
		writers: http1.NewResponseWriters(),
	}
}

func (ts *turns) begin(l *loop) *turn {
	t := ts.pool.Get().(*turn)
	t.guard, t.watch.turn = l.guard, t
	t.space = ts.workspaces.lend(l.context)
	t.bounded.Store(false)
	return t
}

// end takes back what a request has taken whose handler has returned. Of one that
// is being logged by somebody else the line is still made from it, and of one with
// a body the leg to the backend may still have it.
func (ts *turns) end(t *turn, w *http1.ResponseWriter, logged bool) {
	if logged && t.body == nil {
		ts.workspaces.takeBack(t.space)
	}
	if logged {
		ts.writers.Put(w)
	}
	t.guard, t.space, t.body = nil, nil, nil
	ts.pool.Put(t)
}

// log has the request logged, if it is to be, and reports that this is done: a
// server that stops may have begun with it elsewhere.
func (t *turn) log() bool {
	deferred := t.space.transaction.log != nil
	return t.guard.conn.answered() || !deferred
}

// cancel ends the request's context.
func (t *turn) cancel() { t.space.cancel() }

// Write writes to the client. A client that can't be written to is gone, and its
// request ends with it.
func (t *turn) Write(p []byte) (int, error) {
	n, err := t.guard.Write(p)
	if err != nil {
		t.cancel()
	}
	return n, err
}

// ReadFrom is Write for what may reach the client without a copy.
func (t *turn) ReadFrom(src io.Reader) (int64, error) {
	n, err := t.guard.relay(src)
	if err != nil {
		t.cancel()
	}
	return n, err
}

// SetReadDeadline bounds reading the request's body.
func (t *turn) SetReadDeadline(d time.Time) error { return t.guard.SetReadDeadline(d) }

// SetWriteDeadline bounds writing the response.
func (t *turn) SetWriteDeadline(d time.Time) error {
	t.bounded.Store(true)
	return t.guard.SetWriteDeadline(d)
}

// lift takes away the deadlines that the handler has set.
func (t *turn) lift() error {
	if t.bounded.Load() {
		if err := t.guard.SetWriteDeadline(time.Time{}); err != nil {
			return err
		}
	}
	return t.guard.SetReadDeadline(time.Time{})
}
