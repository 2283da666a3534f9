package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/host"
	"gateway/health"
	"gateway/proxy"
)

// backends are the monitors of all backends, and the ledger they write to. It is
// where the supervisor and the proxy meet. A reload replaces its roster.
type backends struct {
	backendDeps
	roster atomic.Pointer[roster]

	mu      sync.Mutex
	running map[*health.Monitor]*supervision // those whose Run was called and has not returned
	turns   map[string]chan struct{}         // closed when what was asked for last about a name or an address is done
	work    context.Context                  // of supervise; nil before
	over    bool                             // supervise ends: nothing new is taken on
	failed  chan error                       // the first failure of a monitor ends run
	looked  chan struct{}                    // closed when the first monitors know what runs, or run ends
	group   sync.WaitGroup
}

// backendDeps are what the monitors need.
type backendDeps struct {
	ledger *health.Ledger
	state  string                                       // folder
	tell   func(health.Event)                           // of every event
	drain  func(ctx context.Context, name string) error // lets a backend's requests finish
	log    *slog.Logger
}

// openLedger reads the record of incidents.
func openLedger(c *config.Config, log *slog.Logger) (*health.Ledger, error) {
	ledger, err := health.OpenLedger(filepath.Join(c.State, "incidents.json"), log)
	if err != nil {
		return nil, fmt.Errorf("the record of incidents: %w", err)
	}
	return ledger, nil
}

// newBackends makes a monitor for each backend.
func newBackends(c *config.Config, deps backendDeps) (*backends, error) {
	b := &backends{backendDeps: deps, running: map[*health.Monitor]*supervision{}, turns: map[string]chan struct{}{}, failed: make(chan error, 1), looked: make(chan struct{})}
	first, err := b.prepare(c)
	if err != nil {
		return nil, err
	}
	b.roster.Store(first)
	return b, nil
}

// prepare makes the roster of a configuration. Monitors of backends that have
// not changed are those of the roster that is in force.
func (b *backends) prepare(c *config.Config) (*roster, error) {
	before := b.roster.Load()
	next := newRoster()
	for _, backend := range c.Backends {
		if monitor := before.unchanged(backend); monitor != nil {
			next.add(backend, monitor)
			continue
		}
		monitor, err := health.New(health.Options{
			Name: backend.Name, URL: backend.URL, Config: backend.Config,
			State: b.state, Log: b.log, Ledger: b.ledger, Holder: holderOf, Events: b.tell,
			Cgroup: health.DelegatedCgroup(),
		})
		if err != nil {
			return nil, fmt.Errorf("backend %q: %w", backend.Name, err)
		}
		next.add(backend, monitor)
	}
	return next, nil
}

// run supervises all backends until ctx ends and those that gateway started are
// gone, and then closes the ledger.
func (b *backends) run(ctx context.Context) error {
	return runLifetimes(ctx, []lifetime{{"ledger", b.ledger.Run}, {"supervision", b.supervise}})
}

// availability tells the proxy what the supervisor knows.
func (b *backends) availability(name string) proxy.Availability {
	now := b.roster.Load()
	monitor := now.monitors[name]
	if monitor == nil {
		return proxy.Availability{Up: true}
	}
	a := monitor.Availability()
	return proxy.Availability{
		Up: a.Up, Coming: a.Coming, Watched: !now.supervised(name),
		Next: a.Next, Reason: a.Reason, Changed: a.Changed,
	}
}

// nudge tells the supervisor that a request found the backend unreachable.
func (b *backends) nudge(name string) {
	if monitor := b.roster.Load().monitors[name]; monitor != nil {
		monitor.Nudge()
	}
}

// holderOf tells the supervisor who listens at an address.
func holderOf(ctx context.Context, network, address string) (health.Holder, error) {
	found, err := host.Holder(ctx, network, address)
	if err != nil {
		return health.Holder{}, err
	}
	return health.Holder{PID: found.PID, User: found.User, Command: found.Command}, nil
}

// noticeLines is how much of a backend's output goes with a notice.
const noticeLines = 40

// look is how a backend is, and what it printed last.
func (b *backends) look(name string) (health.Status, []byte) {
	monitor := b.roster.Load().monitors[name]
	if monitor == nil {
		return health.Status{Backend: name}, nil
	}
	return monitor.Status(), monitor.Logs(noticeLines)
}
