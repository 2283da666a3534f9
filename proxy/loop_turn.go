package proxy

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"gateway/proxy/http1"
)

// turns lends out what serving one request takes. Idle connections have nothing of it.
type turns struct {
	pool    sync.Pool // of *turn
	writers *http1.ResponseWriters
}

// turn is one request of a loop while it is served, and for its response the
// client's connection.
type turn struct {
	guard   *wireGuard
	cancel  context.CancelFunc // of the request's context
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
	t.bounded.Store(false)
	return t
}

func (ts *turns) end(t *turn) {
	t.guard, t.cancel, t.body = nil, nil, nil
	ts.pool.Put(t)
}

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
