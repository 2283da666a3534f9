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

// load sends requests to a server for a while, and returns how many were answered.
type load func(ctx context.Context, w *workshop, s *server, time time.Duration) (int, error)

// cpuPerRequest is a measurement in microseconds of CPU time for each request of
// a load.
func cpuPerRequest(key, title string, send load) measurement {
	take := func(ctx context.Context, w *workshop, c contender) ([]float64, error) {
		s, err := w.start(ctx, c)
		if err != nil {
			return nil, err
		}
		defer s.stop()
		if _, err := send(ctx, w, s, min(time.Second, w.time/2)); err != nil {
			return nil, fmt.Errorf("warming up: %w", err)
		}
		var requests int
		used, err := s.cpuOf(func() (err error) {
			requests, err = send(ctx, w, s, w.time)
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
