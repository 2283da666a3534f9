package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"gateway/cmd/internal/config"
	"gateway/cmd/internal/host"
	"gateway/health"
	"gateway/proxy"
)

// backends are the monitors of all backends, and the ledger they write to. It is
// where the supervisor and the proxy meet.
type backends struct {
	ledger     *health.Ledger
	monitors   map[string]*health.Monitor
	supervised map[string]bool // those that gateway starts
	names      []string        // in the order of the file
}

// openLedger reads the record of incidents.
func openLedger(c *config.Config, log *slog.Logger) (*health.Ledger, error) {
	ledger, err := health.OpenLedger(filepath.Join(c.State, "incidents.json"), log)
	if err != nil {
		return nil, fmt.Errorf("the record of incidents: %w", err)
	}
	return ledger, nil
}

// newBackends makes a monitor for each backend. Each tells its events.
func newBackends(c *config.Config, ledger *health.Ledger, tell func(health.Event), log *slog.Logger) (*backends, error) {
	b := &backends{ledger: ledger, monitors: map[string]*health.Monitor{}, supervised: map[string]bool{}}
	for _, backend := range c.Backends {
		monitor, err := health.New(health.Options{
			Name: backend.Name, URL: backend.URL, Config: backend.Config,
			State: c.State, Log: log, Ledger: ledger, Holder: holderOf, Events: tell,
			Cgroup: health.DelegatedCgroup(),
		})
		if err != nil {
			return nil, fmt.Errorf("backend %q: %w", backend.Name, err)
		}
		b.monitors[backend.Name] = monitor
		b.supervised[backend.Name] = backend.Supervised()
		b.names = append(b.names, backend.Name)
	}
	return b, nil
}

// run supervises all backends until ctx ends and those that gateway started are
// gone, and then closes the ledger.
func (b *backends) run(ctx context.Context) error {
	return runLifetimes(ctx, []lifetime{{"ledger", b.ledger.Run}, {"supervision", b.supervise}})
}

// supervise lasts until ctx ends, also where there is no backend, as in front of
// files alone.
func (b *backends) supervise(ctx context.Context) error {
	if len(b.names) == 0 {
		<-ctx.Done()
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, name := range b.names {
		group.Go(func() error { return b.monitors[name].Run(ctx) })
	}
	return group.Wait()
}

// availability tells the proxy what the supervisor knows.
func (b *backends) availability(name string) proxy.Availability {
	monitor := b.monitors[name]
	if monitor == nil {
		return proxy.Availability{Up: true}
	}
	a := monitor.Availability()
	return proxy.Availability{
		Up: a.Up, Coming: a.Coming, Watched: !b.supervised[name],
		Next: a.Next, Reason: a.Reason, Changed: a.Changed,
	}
}

// nudge tells the supervisor that a request found the backend unreachable.
func (b *backends) nudge(name string) {
	if monitor := b.monitors[name]; monitor != nil {
		monitor.Nudge()
	}
}

// named finds the monitors that a command means: that of the name, or all.
func (b *backends) named(name string) ([]string, error) {
	if name == "" {
		return b.names, nil
	}
	if b.monitors[name] == nil {
		return nil, fmt.Errorf("there is no backend %q: the file has %s", name, strings.Join(b.names, ", "))
	}
	return []string{name}, nil
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
	monitor := b.monitors[name]
	if monitor == nil {
		return health.Status{Backend: name}, nil
	}
	return monitor.Status(), monitor.Logs(noticeLines)
}

// statuses are snapshots of the named backends.
func (b *backends) statuses(names []string) []health.Status {
	all := make([]health.Status, 0, len(names))
	for _, name := range names {
		all = append(all, b.monitors[name].Status())
	}
	return all
}

// commanded are the backends that a start, stop or restart means: that of the
// name, or all that gateway starts.
func (b *backends) commanded(name string) ([]string, error) {
	names, err := b.named(name)
	if err != nil {
		return nil, err
	}
	started := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !b.supervised[name] })
	switch {
	case len(started) > 0:
		return started, nil
	case name != "":
		return nil, fmt.Errorf("backend %q has no command in the file, so gateway only watches it: start and stop it where it is kept, or give it a command", name)
	default:
		return nil, errors.New("no backend has a command in the file, so gateway only watches them")
	}
}

// only is the one backend that a log is asked of.
func (b *backends) only(name string) (string, error) {
	names, err := b.named(name)
	if err != nil {
		return "", err
	}
	if len(names) != 1 {
		return "", fmt.Errorf("which backend? name one of %s", strings.Join(b.names, ", "))
	}
	return names[0], nil
}

// forEach does one thing to several backends side by side and joins what went
// wrong.
func (b *backends) forEach(names []string, do func(string, *health.Monitor) error) error {
	problems := make([]error, len(names))
	var working sync.WaitGroup
	for i, name := range names {
		working.Go(func() {
			if err := do(name, b.monitors[name]); err != nil {
				problems[i] = fmt.Errorf("backend %q: %w", name, err)
			}
		})
	}
	working.Wait()
	return errors.Join(problems...)
}
