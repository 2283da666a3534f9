package main

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"gateway/cmd/internal/config"
	"gateway/health"
)

// roster is the backends of one configuration. It is never changed.
type roster struct {
	names    []string // in the order of the file
	backends map[string]config.Backend
	monitors map[string]*health.Monitor
}

func newRoster() *roster {
	return &roster{backends: map[string]config.Backend{}, monitors: map[string]*health.Monitor{}}
}

func (r *roster) add(backend config.Backend, monitor *health.Monitor) {
	r.names = append(r.names, backend.Name)
	r.backends[backend.Name], r.monitors[backend.Name] = backend, monitor
}

// unchanged is the monitor of a backend that the roster has in the same form; nil
// if it has not.
func (r *roster) unchanged(backend config.Backend) *health.Monitor {
	if r == nil {
		return nil
	}
	was, known := r.backends[backend.Name]
	if !known || was.URL != backend.URL || !reflect.DeepEqual(was.Config, backend.Config) {
		return nil
	}
	return r.monitors[backend.Name]
}

// supervised tells whether gateway starts a backend.
func (r *roster) supervised(name string) bool { return r.backends[name].Supervised() }

// named finds the backends that a command means: that of the name, or all.
func (r *roster) named(name string) ([]string, error) {
	if name == "" {
		return r.names, nil
	}
	if r.monitors[name] == nil {
		return nil, fmt.Errorf("there is no backend %q: the file has %s", name, strings.Join(r.names, ", "))
	}
	return []string{name}, nil
}

// statuses are snapshots of the named backends.
func (r *roster) statuses(names []string) []health.Status {
	all := make([]health.Status, 0, len(names))
	for _, name := range names {
		all = append(all, r.monitors[name].Status())
	}
	return all
}

// commanded are the backends that a start, stop or restart means: that of the
// name, or all that gateway starts.
func (r *roster) commanded(name string) ([]string, error) {
	names, err := r.named(name)
	if err != nil {
		return nil, err
	}
	started := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !r.supervised(name) })
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
func (r *roster) only(name string) (*health.Monitor, error) {
	names, err := r.named(name)
	if err != nil {
		return nil, err
	}
	if len(names) != 1 {
		return nil, fmt.Errorf("which backend? name one of %s", strings.Join(r.names, ", "))
	}
	return r.monitors[names[0]], nil
}

// forEach does one thing to several backends side by side and joins what went
// wrong.
func (r *roster) forEach(names []string, do func(string, *health.Monitor) error) error {
	problems := make([]error, len(names))
	var working sync.WaitGroup
	for i, name := range names {
		working.Go(func() {
			if err := do(name, r.monitors[name]); err != nil {
				problems[i] = fmt.Errorf("backend %q: %w", name, err)
			}
		})
	}
	working.Wait()
	return errors.Join(problems...)
}
