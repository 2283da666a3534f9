package health

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// starter is what the loop needs of the machine.
type starter interface {
	find(ctx context.Context) (running, error)  // nil: none runs
	start(ctx context.Context) (running, error) // *takenError: somebody else serves the address
	forget()                                    // the process is gone
}

// request is something asked for by hand.
type request struct {
	in      Input
	drain   func(context.Context) error
	settled func(*loop, request) (bool, error) // is it done, and how
	answer  chan error                         // holds one
	starts  int                                // of the loop when it was asked
}

// loop is one run of a Monitor. All fields are its goroutine's own; what is
// done elsewhere comes back through posts.
type loop struct {
	*Monitor
	machine starter
	probe   prober
	posts   chan func()
	work    context.Context // of all that the loop started; outlives ctx of run until the backend is stopped
	group   sync.WaitGroup

	state      State
	proc       running
	adopted    bool
	starts     int
	taken      *takenError
	lastExit   *Exit
	lastProbe  *ProbeStatus
	lastCause  string
	probeRound int // tells the answer of the latest probe from older ones
	stopProbe  context.CancelFunc
	drain      func(context.Context) error
	stopDrain  context.CancelFunc
	waiting    []request
}

func newLoop(m *Monitor, h *host) *loop {
	probe, err := newProber(m.options.Config.Probe, m.at, h.probeCommand)
	if err != nil { // New has tried it
		probe = func(context.Context, bool) Result { return Result{Err: err} }
	}
	return &loop{Monitor: m, machine: h, probe: probe, posts: make(chan func()), stopProbe: func() {}, stopDrain: func() {}}
}

// run is the loop. When ctx ends it goes on until the backend is stopped.
func (l *loop) run(ctx context.Context) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l.work = work
	defer l.group.Wait()
	defer cancel()
	l.begin()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(l.untilWake())
		select {
		case <-ctx.Done():
		case <-timer.C:
			l.step(Ticked{})
		case post := <-l.posts:
			post()
		case <-l.nudges:
			l.step(Nudged{})
		case r := <-l.asked:
			l.accept(r)
		}
	}
	if l.released.Load() {
		l.handOver()
		return nil
	}
	return l.shutDown(timer)
}

const never = 24 * time.Hour

func (l *loop) untilWake() time.Duration {
	wake := l.state.Wake(l.timing)
	if wake.IsZero() {
		return never
	}
	return time.Until(wake)
}

// unkillable is how long, past the stop grace, a process that survives KILL is
// waited for.
const unkillable = 10 * time.Second

func (l *loop) shutDown(timer *time.Timer) error {
	if !l.timing.Supervised || l.state.Foreign {
		return nil
	}
	l.drain = nil // the servers have drained before
	l.stopDrain()
	l.step(EndAsked{Leaving: true})
	giveUp := time.NewTimer(l.options.Config.EndsWithin())
	defer giveUp.Stop()
	for l.state.Phase != Stopped {
		timer.Reset(l.untilWake())
		select {
		case <-timer.C:
			l.step(Ticked{})
		case post := <-l.posts:
			post()
		case <-giveUp.C:
			return fmt.Errorf("backend %q: process %d could not be ended", l.options.Name, l.pid())
		}
	}
	return nil
}

func (l *loop) pid() int {
	if l.proc == nil {
		return 0
	}
	return l.proc.pid()
}

// begin looks for a process of an earlier gateway before anything is started.
func (l *loop) begin() {
	_, incident := l.options.Ledger.Current(l.options.Name)
	if !l.timing.Supervised {
		l.step(Began{Incident: incident})
		return
	}
	found, err := l.machine.find(l.work)
	if err != nil {
		l.options.Log.Warn("looking for a backend that runs already", "error", err)
	}
	if found != nil {
		l.adopted = true
		l.options.Log.Info("adopted the running backend", "pid", found.pid())
		l.watch(found)
	}
	l.step(Began{Adopted: found != nil, Incident: incident})
}

// step asks State.Next and does what it says. The proxy is told first: what
// comes after may take a while. Whoever reads in the log that the backend is up
// finds it so.
func (l *loop) step(in Input) {
	before := l.state
	var acts []Act
	l.state, acts = l.state.Next(l.timing, in, time.Now(), rand.Float64())
	l.publishStatus() // before those who wait for the availability look at it
	l.publish()
	if _, first := in.(Began); first {
		close(l.looked)
	}
	if before.Phase != l.state.Phase {
		l.options.Log.Info("the backend is "+l.state.Phase.String(), "was", before.Phase.String(), "pid", l.pid())
	}
	for _, act := range acts {
		l.perform(act)
	}
	l.publishStatus()
	l.answer()
}

func (l *loop) publish() {
	next, last := l.state.availability(l.timing), l.availability.Load()
	if next.same(*last) {
		return
	}
	changed := make(chan struct{})
	was := l.changed
	next.Changed, l.changed = changed, changed
	l.availability.Store(&next)
	close(was)
}

func (l *loop) accept(r request) {
	if err := l.refusal(r); err != nil {
		r.answer <- err
		return
	}
	r.starts = l.starts
	if r.drain != nil {
		l.drain = r.drain
	}
	l.waiting = append(l.waiting, r)
	l.step(r.in)
}

func (l *loop) refusal(r request) error {
	if !l.timing.Supervised {
		return errors.New("it has no command: gateway watches it and does not start or stop it")
	}
	if _, end := r.in.(EndAsked); end && l.state.Foreign && l.taken != nil {
		return l.taken
	}
	return nil
}

// answer tells those who asked for something that is now settled.
func (l *loop) answer() {
	l.waiting = slices.DeleteFunc(l.waiting, func(r request) bool {
		settled, err := r.settled(l, r)
		if settled {
			r.answer <- err
		}
		return settled
	})
}
