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
	return measurement{key: "start", take: takeStartup, rows: []row{
		{key: "start", title: "start to first answer, ms", digits: 0},
		{key: "memory", title: "MiB resident at start", digits: 1},
		{key: "size", title: "MiB of the program's file", digits: 1},
	}}
}

func takeStartup(ctx context.Context, w *workshop, c contender) ([]float64, error) {
	var times []float64
	var kib int64
	for range starts {
		taken, memory, err := w.startOnce(ctx, c, len(times) == starts-1)
		if err != nil {
			return nil, err
		}
		times, kib = append(times, millis(taken)), memory
	}
	program, err := os.Stat(c.program)
	if err != nil {
		return nil, err
	}
	return []float64{median(times), float64(kib) / (1 << 10), float64(program.Size()) / (1 << 20)}, nil
}

// startOnce starts and stops a contender. Its memory, in KiB, is only read when
// that is wanted, since it takes a while to come to rest.
func (w *workshop) startOnce(ctx context.Context, c contender, memory bool) (taken time.Duration, kib int64, err error) {
	s, err := w.start(ctx, c)
	if err != nil {
		return 0, 0, err
	}
	defer s.stop()
	if memory {
		if err := pause(ctx, startCalm); err != nil {
			return 0, 0, err
		}
		kib, err = treeMemory(s.cmd.Process.Pid)
	}
	return s.startup, kib, err
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
