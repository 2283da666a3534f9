package proxy

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// Next builds the handler of a changed configuration, to take h's place. What
// both have in common stays: a backend that has not changed keeps its open
// connections, the requests that wait for it, and what is known of it. Nothing
// of h changes, so Next may be given up. Requests in flight stay with h.
func (h *Handler) Next(cfg Config) (*Handler, error) {
	return newHandler(cfg, h.deps, h.upstreams)
}

// Retire is called when next has taken h's place, or another process if next is
// nil: the connections that next does not use are closed after their requests.
// Whoever has the backends then may stop them without a look at h.
func (h *Handler) Retire(next *Handler) {
	for name, u := range h.upstreams {
		if next == nil || next.upstreams[name] != u {
			u.retired.Store(true)
			u.dropIdle()
		}
	}
}

// recipe is all of a configuration that an upstream is made of.
type recipe struct {
	backend            Backend
	connect, firstByte time.Duration
	authorities        string // what ca_file held
}

// upstreamOf takes over the upstream of the handler before, or makes one.
func upstreamOf(b Backend, timeouts Timeouts, deps Deps, before *upstream) (*upstream, error) {
	authorities, err := b.authorities()
	if err != nil {
		return nil, fmt.Errorf("backend %q: ca_file: %w", b.Name, err)
	}
	made := recipe{b, timeouts.Connect, b.FirstByteOr(timeouts.FirstByte), string(authorities)}
	if before != nil && reflect.DeepEqual(before.recipe, made) {
		return before, nil
	}
	u, err := newUpstream(b, timeouts, deps)
	if err != nil {
		return nil, err
	}
	u.recipe = made
	if before != nil {
		u.elders = before.busy()
	}
	return u, nil
}

// generations are u's elders and u.
func (u *upstream) generations() []*upstream { return append(slices.Clone(u.elders), u) }

// busy are those of u and its elders that have requests in flight.
func (u *upstream) busy() []*upstream {
	var all []*upstream
	for _, one := range u.generations() {
		if one.gate.inFlight.Load() > 0 {
			all = append(all, one)
		}
	}
	return all
}

// drain keeps new requests from the backend and waits for those in flight, also
// for those that came before a reload. Then it closes the connections that nobody
// uses, which the backend may wait for when it is told to stop.
func (u *upstream) drain(ctx context.Context) error {
	drained := make(chan error, len(u.elders))
	for _, elder := range u.elders {
		go func() { drained <- elder.gate.drain(ctx) }()
	}
	err := u.gate.drain(ctx)
	for range u.elders {
		err = errors.Join(err, <-drained)
	}
	for _, one := range u.generations() {
		one.dropIdle()
	}
	return err
}

// inFlight is how many requests the backend has.
func (u *upstream) inFlight() (n int64) {
	for _, one := range u.generations() {
		n += one.gate.inFlight.Load()
	}
	return n
}
