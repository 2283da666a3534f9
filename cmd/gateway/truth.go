package main

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"gateway/certs"
)

// truthEvery is how often what is served is looked at from outside, and
// truthFirst when for the first time: connections are taken by then.
const (
	truthEvery = time.Hour
	truthFirst = time.Minute
)

// truth is what the last look from outside has found.
type truth struct {
	found atomic.Pointer[sighting]
}

// sighting is the differences of one moment.
type sighting struct {
	since       time.Time // when the first of them was seen
	differences []certs.Difference
}

// compareCertificates looks at what is really served, every hour until ctx ends.
func (g *gateway) compareCertificates(ctx context.Context) error {
	timer := time.NewTimer(truthFirst)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-timer.C:
			g.compareOnce(ctx, now)
			timer.Reset(truthEvery)
		}
	}
}

// compareOnce tells of differences once, and when they are gone.
func (g *gateway) compareOnce(ctx context.Context, now time.Time) {
	next := &sighting{since: now, differences: g.store.Compare(ctx, g.server.Addrs())}
	if ctx.Err() != nil {
		return
	}
	last := g.truth.found.Swap(next)
	if last == nil {
		last = &sighting{}
	}
	if len(last.differences) > 0 {
		next.since = last.since
	}
	for _, one := range next.differences {
		if !slices.Contains(last.differences, one) {
			g.log.Error("what is served is not what should be", "site", one.Site, "problem", one.Problem)
		}
	}
	if len(last.differences) > 0 && len(next.differences) == 0 {
		g.log.Info("what is served is again what should be")
	}
}

// add puts what was seen from outside among the problems of the certificates.
func (t *truth) add(all []certs.Status) []certs.Status {
	for i := range all {
		if seen, since := t.of(all[i].Site); len(seen) > 0 {
			all[i].Refused, all[i].Since = slices.Concat(all[i].Refused, seen), since
		}
	}
	return all
}

// of is what was seen from outside of one site.
func (t *truth) of(site string) (seen []certs.Problem, since time.Time) {
	found := t.found.Load()
	if found == nil {
		return nil, time.Time{}
	}
	for _, one := range found.differences {
		if one.Site == site {
			seen = append(seen, one.Problem)
		}
	}
	return seen, found.since
}
