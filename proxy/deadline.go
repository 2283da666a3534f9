package proxy

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// readDeadline merges two wishes for one connection's read deadline: that of its
// guard, which bounds idle times and request heads, and that of net/http and the
// handlers, which bound bodies. The earlier one holds.
//
// Every request changes them several times, and setting the connection's is a
// matter of the runtime's timers. So it is set when it must come earlier; one that
// has become too early is moved when it has ended a read, which then goes on.
type readDeadline struct {
	conn net.Conn

	mu      sync.Mutex
	guard   time.Time // zero: none, as in net.Conn
	handler time.Time
	idle    bool      // guard's is that of an idle connection
	set     time.Time // the connection's: the one that holds, or an earlier one
}

// Read reads from the connection until the deadline that holds then.
func (d *readDeadline) Read(p []byte) (int, error) {
	for {
		n, err := d.conn.Read(p)
		if n > 0 || err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || !d.extend() {
			return n, err
		}
	}
}

// extend moves the connection's deadline to the one that holds. It reports whether
// that one is still to come, and the read has ended too early.
func (d *readDeadline) extend() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, holds := time.Now(), d.holds()
	if isOver(holds, now) || !isOver(d.set, now) {
		return false
	}
	d.set = holds
	return d.conn.SetReadDeadline(holds) == nil
}

func (d *readDeadline) setHandler(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.handler = t
	return d.apply()
}

// bound brings the handlers' deadline forward to t.
func (d *readDeadline) bound(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.handler.IsZero() && d.handler.Before(t) {
		return nil
	}
	d.handler = t
	return d.apply()
}

func (d *readDeadline) setGuard(t time.Time, idle bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.guard, d.idle = t, idle
	_ = d.apply() // a closed connection says so when it is read
}

// hasten brings an idle connection's deadline forward to t.
func (d *readDeadline) hasten(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.idle && (d.guard.IsZero() || t.Before(d.guard)) {
		d.guard = t
		_ = d.apply()
	}
}

// passed reports whether the guard's own deadline is over.
func (d *readDeadline) passed(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return isOver(d.guard, now)
}

// isOver reports whether a deadline, if it is one, has been reached.
func isOver(deadline, now time.Time) bool { return !deadline.IsZero() && !now.Before(deadline) }

// holds is the deadline that both wishes make. d.mu is held.
func (d *readDeadline) holds() time.Time {
	if d.handler.IsZero() || !d.guard.IsZero() && d.guard.Before(d.handler) {
		return d.guard
	}
	return d.handler
}

// apply sees to it that a read does not go on for too long. d.mu is held.
func (d *readDeadline) apply() error {
	holds := d.holds()
	if holds.IsZero() || !d.set.IsZero() && !holds.Before(d.set) {
		return nil
	}
	d.set = holds
	return d.conn.SetReadDeadline(holds)
}
