package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"
)

// Options are what a Monitor is made of.
type Options struct {
	Name   string // of the backend
	URL    string // where it listens: http://host:port, https://host:port or unix:/path
	Config Config
	State  string // folder of gateway's state; the monitor's files are in its folder backends
	Log    *slog.Logger
	Ledger *Ledger // nil: incidents are kept in memory only

	// Cgroup is the folder of a control group (version 2) below which gateway may
	// make its own, see DelegatedCgroup. "": none. There a backend's processes
	// are found and killed together, whatever they did to leave it.
	Cgroup string
	// Holder names the process that listens at an address, for messages and to
	// tell our own processes from others. It may be nil.
	Holder func(ctx context.Context, network, address string) (Holder, error)
	// Events is called in the monitor's own goroutine when an incident opens,
	// worsens or ends; it must not block. It may be nil.
	Events func(Event)
}

// Monitor keeps one backend alive: it starts the process, watches it, starts it
// again when it dies or hangs, and tells the proxy at every moment whether a
// request may be sent. One goroutine, Run, owns all that it knows; the methods
// are safe for concurrent use and may be called before, during and after Run.
//
// What holds at any time: at most one copy of the backend was started by this
// state folder; a backend that somebody else started is watched and never
// touched; and when gateway itself is killed the backend runs on, and the next
// Monitor adopts it.
type Monitor struct {
	options  Options
	at       target
	timing   Timing
	ring     *ring
	released atomic.Bool

	availability atomic.Pointer[Availability]
	changed      chan struct{} // Run's own: Changed of the availability that holds
	status       atomic.Pointer[Status]

	nudges chan struct{} // holds one: a nudge on its way says it all
	asked  chan request
	looked chan struct{} // closed when Run has found what runs already
	done   chan struct{} // closed when Run has returned
	began  atomic.Bool
}

// New makes a monitor and touches nothing yet. It fails when the URL or the
// probe cannot be understood; Config.Validate tells more. Its errors, and those
// of requests by hand, leave the backend's name to the caller; Run's tell it.
func New(o Options) (*Monitor, error) {
	at, err := parseTarget(o.URL)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	if _, err := newProber(o.Config.Probe, at, nil); err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	m := &Monitor{
		options: o, at: at, timing: o.Config.timing(), ring: newRing(),
		nudges: make(chan struct{}, 1), asked: make(chan request), looked: make(chan struct{}), done: make(chan struct{}),
	}
	m.options.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler)).With("backend", o.Name)
	if o.Ledger == nil {
		m.options.Ledger = &Ledger{log: m.options.Log, wake: make(chan struct{}, 1)}
	}
	m.changed = make(chan struct{})
	m.availability.Store(&Availability{Coming: true, Reason: "it is starting", Changed: m.changed})
	m.status.Store(&Status{Backend: o.Name, State: Starting.String(), Since: time.Now(), URL: o.URL, Command: o.Config.Command})
	return m, nil
}

// Run supervises until ctx ends. Then it stops the backend and all that it
// started, and returns when they are gone; after Release it leaves them running
// for the next gateway. Call it once. The error says what kept it from
// beginning, or that the backend could not be ended.
func (m *Monitor) Run(ctx context.Context) error {
	if m.began.Swap(true) {
		return errors.New("the monitor was run before")
	}
	defer close(m.done)
	machine, err := m.machine()
	if err != nil {
		return fmt.Errorf("backend %q: %w", m.options.Name, err)
	}
	l := newLoop(m, machine)
	if machine.output == nil {
		return l.run(ctx)
	}
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	drained := make(chan error, 1)
	go func() { drained <- machine.output.run(reading) }()
	err = l.run(ctx)
	stop()
	return errors.Join(err, <-drained, machine.output.close())
}

// machine prepares the files that supervising needs.
func (m *Monitor) machine() (*host, error) {
	o := m.options
	h := &host{
		cfg: o.Config, name: o.Name, at: m.at, holder: o.Holder, log: o.Log,
		places: places{dir: o.State, name: o.Name},
	}
	if !o.Config.Supervised() {
		return h, nil
	}
	if err := h.places.prepare(); err != nil {
		return nil, err
	}
	var err error
	if h.instance, err = h.places.instance(); err != nil {
		return nil, err
	}
	who, err := lookupAccount(o.Config.User)
	if err != nil {
		// Told at every start; the pipe then belongs to gateway.
		who = account{}
	}
	h.group = groupFor(o.Cgroup, filepath.Base(h.places.file("")))
	h.output, err = openOutput(o.Config, h.places.pipe(), m.logPath(), who, m.ring, o.Log)
	return h, err
}

func (m *Monitor) logPath() string {
	return cmp.Or(m.options.Config.Log, places{dir: m.options.State, name: m.options.Name}.log())
}

// Release makes the end of Run leave the backend running, for a gateway that
// takes over.
func (m *Monitor) Release() { m.released.Store(true) }

// handOver has everybody who waits for news of the backend ask again, and so ask
// whoever takes over.
func (l *loop) handOver() {
	l.availability.Store(&Availability{Coming: true, Reason: "another monitor takes it over", Changed: make(chan struct{})})
	close(l.changed)
}

// Nudge tells that a request found the connection refused: the backend is
// probed now. It never blocks.
func (m *Monitor) Nudge() {
	select {
	case m.nudges <- struct{}{}:
	default:
	}
}

// Availability is for the proxy to ask on every request; it takes no lock.
func (m *Monitor) Availability() Availability { return *m.availability.Load() }

// Wait blocks until the backend is up. It returns an error when ctx ends, or
// at once when waiting is of no use, with the reason.
func (m *Monitor) Wait(ctx context.Context) error {
	for {
		now := m.Availability()
		switch {
		case now.Up:
			return nil
		case !now.Coming:
			return errors.New(now.Reason)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", now.Reason, ctx.Err())
		case <-m.done:
			return errStopped
		case <-now.Changed:
		}
	}
}

// Looked is closed once Run knows whether the backend runs already, and Status
// tells of it. It is never closed when Run could not begin.
func (m *Monitor) Looked() <-chan struct{} { return m.looked }

// Status is a snapshot for people.
func (m *Monitor) Status() Status {
	s := *m.status.Load()
	if current, open := m.options.Ledger.Current(m.options.Name); open {
		s.Incident = &current // counted on since the snapshot
	}
	return s
}

// Logs returns the last lines that the backend printed, of 64 KiB at most; 0
// lines: all of them.
func (m *Monitor) Logs(lines int) []byte {
	text, _ := m.ring.tail(lines)
	return text
}

// FollowLogs copies the last lines to w, and then what the backend prints,
// until ctx ends or w fails.
func (m *Monitor) FollowLogs(ctx context.Context, lines int, w io.Writer) error {
	return m.ring.follow(ctx, lines, w)
}

// Start starts a backend that was stopped, or at once one that waits for its
// next start. It returns when the backend is up, has died, or ctx ends.
func (m *Monitor) Start(ctx context.Context) error {
	return m.ask(ctx, request{in: StartAsked{}, settled: settledUp})
}

// Stop lets the requests under way finish with drain, which may be nil and must
// end when its context does and within a bound of its own; then it ends the
// backend, and returns when it is gone. It stays down until Start, Restart
// or the next start of gateway.
func (m *Monitor) Stop(ctx context.Context, drain func(context.Context) error) error {
	return m.ask(ctx, request{in: EndAsked{}, drain: drain, settled: settledStopped})
}

// Restart lets the requests under way finish with drain, as Stop does, ends the
// backend and starts it again. New requests wait meanwhile, see
// Availability. It returns when the backend is up again, has died, or ctx ends;
// the restart goes on in that last case.
func (m *Monitor) Restart(ctx context.Context, drain func(context.Context) error) error {
	return m.ask(ctx, request{in: EndAsked{Restart: true}, drain: drain, settled: settledUp})
}

var errStopped = errors.New("gateway is stopping")

// ask hands a request to Run and waits for its answer.
func (m *Monitor) ask(ctx context.Context, r request) error {
	r.answer = make(chan error, 1)
	select {
	case m.asked <- r:
	case <-m.done:
		return errStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.answer:
		return err
	case <-m.done:
		return errStopped
	case <-ctx.Done():
		return fmt.Errorf("it is still %s: %w", m.Status().State, ctx.Err())
	}
}
