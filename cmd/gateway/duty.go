package main

import (
	"context"
	"errors"
	"io"

	"gateway/health"
	"gateway/proxy"
)

// duty is what only one gateway at a time may do with a state folder: supervise
// the backends, tell admins, renew certificates. Whoever has the lock has it.
type duty struct {
	lock     io.Closer
	backends *backends
	notices  *notices
}

// loan is the handing over of the duty, which may come back.
type loan struct {
	released chan error    // nil: the duty may be taken
	back     chan struct{} // closed: nobody has taken it
	retaken  chan struct{} // closed when the duty is done again, or will not be
}

// duty is what this gateway does besides serving. It must have been taken.
func (g *gateway) duty() *duty { return g.held.Load() }

// lockDuty takes the state folder and the duty with it.
func (g *gateway) lockDuty() (err error) {
	lock, err := lockState(g.config().State, g.log)
	if err != nil {
		return err
	}
	defer closeUnlessServed(&err, lock)
	return g.takeDuty(lock)
}

// takeDuty reads what an earlier gateway has left in the state folder, whose lock
// this one has.
func (g *gateway) takeDuty(lock io.Closer) error {
	c := g.config()
	ledger, err := openLedger(c, g.log)
	if err != nil {
		return err
	}
	d := &duty{lock: lock}
	d.notices = newNotices(c, noticeDeps{
		ledger: ledger, certificates: g.noticedCertificates, log: g.log,
		look: func(backend string) (health.Status, []byte) { return d.backends.look(backend) },
	})
	d.backends, err = newBackends(c, backendDeps{ledger: ledger, state: c.State, tell: d.notices.tell, drain: g.drain, log: g.log})
	if err != nil {
		return err
	}
	g.held.Store(d)
	g.lent.Store(false)
	return nil
}

// runDuty does the duty until ctx ends. In between it may be lent to another
// gateway, and come back if that one fails.
func (g *gateway) runDuty(ctx context.Context) error {
	for {
		doing, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- g.do(doing, g.duty()) }()
		select {
		case err := <-done: // also when ctx has ended
			stop()
			return err
		case l := <-g.loans:
			g.lend(l, stop, done)
			if on, err := g.retake(ctx, l); !on {
				return err
			}
		}
	}
}

// retake takes the duty up again that comes back from a loan. It tells whether
// there is one to do.
func (g *gateway) retake(ctx context.Context, l *loan) (on bool, err error) {
	defer close(l.retaken)
	select {
	case <-ctx.Done():
		return false, nil
	case <-l.back:
	}
	if err := g.lockDuty(); err != nil {
		return false, err
	}
	return true, nil
}

func (g *gateway) do(ctx context.Context, d *duty) error {
	err := runLifetimes(ctx, []lifetime{
		{"outbox", d.notices.runOutbox},
		{"notices", d.notices.runNotifier},
		{"certificates", g.store.Run},
		{"backends", d.backends.run},
		{"comparison of certificates", g.compareCertificates},
	})
	return errors.Join(err, d.lock.Close())
}

// lend lets go of the duty. The backends run on, and requests try them by
// themselves from now on.
func (g *gateway) lend(l *loan, stop context.CancelFunc, done <-chan error) {
	g.lent.Store(true)
	g.duty().backends.release()
	stop()
	l.released <- <-done
}

// availability tells the proxy what the supervisor knows: nothing when that is
// another gateway's.
func (g *gateway) availability(backend string) proxy.Availability {
	if g.lent.Load() {
		return proxy.Availability{Up: true}
	}
	return g.duty().backends.availability(backend)
}

// nudge tells the supervisor that a request found the backend unreachable.
func (g *gateway) nudge(backend string) {
	if !g.lent.Load() {
		g.duty().backends.nudge(backend)
	}
}

// count adds to what the incident of a backend has cost.
func (g *gateway) count(backend string, held, failed int64) {
	if !g.lent.Load() {
		g.duty().backends.ledger.Count(backend, held, failed)
	}
}
