package main

import (
	"context"
	"slices"
	"time"
)

// requestRate is the fixed rate, a second, that latencies are measured at: far
// from what any of the contenders can take.
const requestRate = 2000

// latency is a measurement of the time from when a request should have been sent
// to the end of its answer, in microseconds. Requests become due at a fixed rate
// whether or not earlier ones were answered, so that a stall counts for all that
// it kept waiting, and not for one.
func latency() measurement {
	take := func(ctx context.Context, w *workshop, c contender) ([]float64, error) {
		s, err := w.start(ctx, c)
		if err != nil {
			return nil, err
		}
		defer s.stop()
		clients, err := w.dialAll(ctx, s.address(), connections)
		defer closeAll(clients)
		if err != nil {
			return nil, err
		}
		if _, err := askAtRate(ctx, clients, min(time.Second, w.time/2)); err != nil {
			return nil, err
		}
		taken, err := askAtRate(ctx, clients, w.time)
		if err != nil {
			return nil, err
		}
		return []float64{micros(quantile(taken, 0.50)), micros(quantile(taken, 0.99))}, nil
	}
	return measurement{key: "latency", take: take, rows: []row{
		{key: "p50", title: "p50 us at 2,000 requests/s"},
		{key: "p99", title: "p99 us at 2,000 requests/s"},
	}}
}

// askAtRate lets the clients ask by turns and returns how long each request took.
func askAtRate(ctx context.Context, clients []*client, length time.Duration) ([]time.Duration, error) {
	total := int(length.Seconds() * requestRate)
	due := make(chan time.Time, total) // whoever makes requests due never waits
	taken := make([][]time.Duration, len(clients))
	pacer := len(clients)
	err := inParallel(ctx, pacer+1, func(ctx context.Context, i int) error {
		if i == pacer {
			pace(ctx, due, total)
			return nil
		}
		for at := range due {
			if err := clients[i].ask(1<<10, false); err != nil {
				return err
			}
			taken[i] = append(taken[i], time.Since(at))
		}
		return nil
	})
	return slices.Concat(taken...), err
}

// pace makes requests due, one after the other, at the fixed rate, and then says
// that there are no more.
func pace(ctx context.Context, due chan<- time.Time, total int) {
	defer close(due)
	start := time.Now()
	for i := 0; i < total && ctx.Err() == nil; i++ {
		at := start.Add(time.Duration(i) * time.Second / requestRate)
		sleepUntil(at)
		due <- at
	}
}

// quantile is the value that the part q of all values does not exceed. Of nothing
// it is 0.
func quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
