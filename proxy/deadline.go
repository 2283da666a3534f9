package proxy

import (
	"net"
	"sync"
	"time"
)

// readDeadline merges two wishes for one connection's read deadline: that of its
// guard, which bounds idle times and request heads, and that of net/http and the
// handlers, which bound bodies. The earlier one holds.
type readDeadline struct {
	conn net.Conn

	mu      sync.Mutex
	guard   time.Time // zero: none, as in net.Conn
	handler time.Time
	idle    bool // guard's is that of an idle connection
	set     time.Time
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
	return !d.guard.IsZero() && !now.Before(d.guard)
}

func (d *readDeadline) apply() error {
	earlier := d.handler
	if earlier.IsZero() || !d.guard.IsZero() && d.guard.Before(earlier) {
		earlier = d.guard
	}
	if earlier.Equal(d.set) {
		return nil
	}
	d.set = earlier
	return d.conn.SetReadDeadline(earlier)
}
