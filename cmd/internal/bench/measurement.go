package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// measurement is something that is measured of a contender. It fills one row of
// the table, or several at once.
type measurement struct {
	key  string // for the flag -rows
	rows []row
	take func(ctx context.Context, w *workshop, c contender) ([]float64, error)

	// possible says, before anything is measured, why this cannot be measured here;
	// nil: it always can.
	possible func(w *workshop) error

	// together, in the place of take, measures all contenders side by side. What
	// does not depend on what else the machine does is taken once and not each round.
	together func(ctx context.Context, w *workshop) (map[string][]float64, error)
}

// row is a line of the table. Less is better in all of them.
type row struct {
	key    string
	title  string // with the unit
	digits int    // behind the point
}

// measurements are all that there are, in the order of the table.
func measurements() []measurement {
	return []measurement{
		cpuPerRequest("h1-1k", "CPU us/request, HTTP/1.1, 1 KiB", wrk(1<<10)),
		cpuPerRequest("h1-10k", "CPU us/request, HTTP/1.1, 10 KiB", wrk(10<<10)),
		cpuPerRequest("h2-1k", "CPU us/request, HTTP/2, 1 KiB", h2load(1<<10)),
		cpuPerRequest("full", "CPU us, full handshake + request", handshakes(false)),
		cpuPerRequest("resumed", "CPU us, resumed handshake + request", handshakes(true)),
		cpuPerGiB("down", "CPU s/GiB down", download),
		cpuPerGiB("up", "CPU s/GiB up", upload),
		latency(),
		startup(),
		idleMemory(),
	}
}

func measurementKeys() []string {
	var keys []string
	for _, m := range measurements() {
		keys = append(keys, m.key)
	}
	return keys
}

// format is the values with their rows' digits.
func (m measurement) format(values []float64) string {
	var texts []string
	for i, v := range values {
		texts = append(texts, formatValue(v, m.rows[i].digits))
	}
	return strings.Join(texts, ", ")
}

// load sends requests to a server and returns how many were answered.
type load func(ctx context.Context, w *workshop, s *server, much effort) (int, error)

// effort is how much a load sends. It keeps to what its program can be told.
type effort struct {
	time     time.Duration
	requests int // about as many as fill the time
}

// warmUp is what a server is given before it is measured: connections to the
// backend, a heap of the right size, and the guess how many requests fill a second.
func (w *workshop) warmUp() effort {
	return effort{time: min(time.Second, w.time/2), requests: 32 * connections}
}

// limit is when a program that sends a load must have hung.
func (e effort) limit() time.Duration { return 10*e.time + time.Minute }

// cpuPerRequest is a measurement in microseconds of CPU time for each request of
// a load.
func cpuPerRequest(key, title string, send load) measurement {
	take := func(ctx context.Context, w *workshop, c contender) ([]float64, error) {
		s, err := w.start(ctx, c)
		if err != nil {
			return nil, err
		}
		defer s.stop()
		began := time.Now()
		requests, err := send(ctx, w, s, w.warmUp())
		if err != nil {
			return nil, fmt.Errorf("warming up: %w", err)
		}
		rate := float64(requests) / time.Since(began).Seconds()
		used, err := s.cpuOf(func() (err error) {
			requests, err = send(ctx, w, s, effort{time: w.time, requests: max(connections, int(rate*w.time.Seconds()))})
			return err
		})
		if err != nil {
			return nil, err
		}
		if requests == 0 {
			return nil, fmt.Errorf("no request was answered in %v", w.time)
		}
		return []float64{float64(used) / float64(time.Microsecond) / float64(requests)}, nil
	}
	return measurement{key: key, rows: []row{{key: key, title: title, digits: 1}}, take: take}
}

// cpuOf is the CPU time that the server takes while f runs.
func (s *server) cpuOf(f func() error) (time.Duration, error) {
	before, err := s.cpu()
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := s.cpu()
	return after - before, err
}
