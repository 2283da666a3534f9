package main

import (
	"context"
	"os"
	"time"
)

// starts is how often a contender is started in each round: the time that it
// takes varies more than anything else.
const starts = 5

// startup is a measurement of the time from exec to the first answer over TLS, in
// milliseconds, of the resident memory some seconds later, and of the program's
// size, both in MiB.
func startup() measurement {
	take := func(ctx context.Context, w *workshop, c contender) ([]float64, error) {
		var times []float64
		for range starts - 1 {
			s, err := w.start(ctx, c)
			if err != nil {
				return nil, err
			}
			s.stop()
			times = append(times, millis(s.startup))
		}
		s, err := w.start(ctx, c)
		if err != nil {
			return nil, err
		}
		defer s.stop()
		times = append(times, millis(s.startup))
		if err := pause(ctx, startCalm); err != nil {
			return nil, err
		}
		kib, err := treeMemory(s.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		program, err := os.Stat(c.program)
		if err != nil {
			return nil, err
		}
		return []float64{median(times), float64(kib) / (1 << 10), float64(program.Size()) / (1 << 20)}, nil
	}
	return measurement{key: "start", take: take, rows: []row{
		{key: "start", title: "start to first answer, ms", digits: 0},
		{key: "memory", title: "MiB resident at start", digits: 1},
		{key: "size", title: "MiB of the program's file", digits: 1},
	}}
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
