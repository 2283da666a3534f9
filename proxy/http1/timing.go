package http1

import (
	"net"
	"sync"
	"time"
)

// answerGrace is how long a failed write waits for the answer that may be the
// reason for it: a backend that refuses an upload answers and closes.
const answerGrace = 5 * time.Second

// timing bounds the wait for the head of a response. It begins when the request
// was sent, and sets a deadline only for requests that take long.
type timing struct {
	conn  net.Conn
	limit time.Duration // 0: none

	mu    sync.Mutex
	phase struct {
		sent, slow, armed, answered bool
	}
}

func (t *timing) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.phase.sent, t.phase.slow, t.phase.answered = false, false, false
	t.disarm()
}

// sent is told that the request was sent.
func (t *timing) sent() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.phase.sent = true
	t.arm()
}

// unsent is told that not all of the request was sent after all.
func (t *timing) unsent() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.phase.sent = false
	t.disarm()
}

// slow is told that the request takes long enough to be worth a deadline.
func (t *timing) slow() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.phase.slow = true
	t.arm()
}

// arm is called with mu held.
func (t *timing) arm() {
	if p := &t.phase; p.sent && p.slow && !p.armed && !p.answered && t.limit > 0 {
		t.set(time.Now().Add(t.limit))
	}
}

// grace is told that the rest of the request can't be sent.
func (t *timing) grace() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.phase.answered {
		t.set(time.Now().Add(answerGrace))
	}
}

// answered is told that the head is there. The body may take its time.
func (t *timing) answered() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.phase.answered = true
	t.disarm()
}

func (t *timing) set(deadline time.Time) {
	t.phase.armed = true
	_ = t.conn.SetReadDeadline(deadline) // fails only if the connection is closed, which ends the wait as well
}

// disarm is called with mu held.
func (t *timing) disarm() {
	if t.phase.armed {
		t.phase.armed = false
		_ = t.conn.SetReadDeadline(time.Time{})
	}
}
