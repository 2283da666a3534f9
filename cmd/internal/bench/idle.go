package main

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

// ownDescriptors is how many files the benchmark needs beside them.
const ownDescriptors = 500

// startCalm is how long a server may come to rest after its first answer.
const startCalm = 2 * time.Second

// idleMemory is a measurement of what a TLS connection costs that has had its
// first request and is idle, in KiB. Where a garbage collector manages memory, it
// comes back only after a while: Go collects every two minutes if nothing is
// allocated. All contenders are given the same time, and since they do nothing in
// it, they spend it together.
func idleMemory() measurement {
	return measurement{
		key:      "idle",
		rows:     []row{{key: "idle", title: "KiB per idle TLS connection", digits: 1}},
		possible: func(w *workshop) error { _, err := w.crowdsAtATime(); return err },
		together: measureIdle,
	}
}

// measureIdle takes as many contenders at a time as there are descriptors for.
func measureIdle(ctx context.Context, w *workshop) (map[string][]float64, error) {
	batch, err := w.crowdsAtATime()
	if err != nil {
		return nil, err
	}
	all := map[string][]float64{}
	for start := 0; start < len(w.contenders); start += batch {
		some := w.contenders[start:min(start+batch, len(w.contenders))]
		if err := w.measureIdleOf(ctx, some, all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// crowdsAtATime is how many contenders there are descriptors for.
func (w *workshop) crowdsAtATime() (int, error) {
	limit, err := raiseDescriptors()
	if err != nil {
		return 0, err
	}
	batch := (limit - ownDescriptors) / w.idle
	if batch < 1 {
		return 0, fmt.Errorf("-idle %d: so many connections need more open files than the hard limit of %d allows (ulimit -Hn)", w.idle, limit)
	}
	return batch, nil
}

func (w *workshop) measureIdleOf(ctx context.Context, contenders []contender, all map[string][]float64) error {
	var crowds []*crowd
	for _, c := range contenders {
		crowded, err := w.newCrowd(ctx, c)
		if err != nil {
			return err
		}
		defer crowded.close()
		crowds = append(crowds, crowded)
	}
	if err := pause(ctx, w.settle); err != nil {
		return err
	}
	for i, crowded := range crowds {
		kib, err := crowded.perConnection()
		if err != nil {
			return fmt.Errorf("%s: %w", contenders[i].name, err)
		}
		all[contenders[i].name] = []float64{kib}
	}
	return nil
}

// crowd is a server with many idle connections.
type crowd struct {
	server  *server
	clients []*client
	before  int64 // KiB without them
}

func (w *workshop) newCrowd(ctx context.Context, c contender) (*crowd, error) {
	s, err := w.start(ctx, c)
	if err != nil {
		return nil, err
	}
	made := &crowd{server: s}
	if err = pause(ctx, startCalm); err == nil {
		made.before, err = treeMemory(s.cmd.Process.Pid)
	}
	if err == nil {
		made.clients, err = w.dialAll(ctx, s.address(), w.idle)
	}
	if err != nil {
		made.close()
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return made, nil
}

func (c *crowd) close() {
	closeAll(c.clients)
	c.server.stop()
}

// perConnection is the memory of one of the connections, in KiB. It is an error
// if the server has closed them: then there is nothing to compare.
func (c *crowd) perConnection() (float64, error) {
	after, err := treeMemory(c.server.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	for _, one := range c.clients[:min(10, len(c.clients))] {
		if err := one.ask(1<<10, false); err != nil {
			return 0, fmt.Errorf("a connection did not last: %w", err)
		}
	}
	return float64(after-c.before) / float64(len(c.clients)), nil
}

// dialAll opens connections and sends a request on each. What it returns is to be
// closed even if there is an error.
func (w *workshop) dialAll(ctx context.Context, address string, count int) ([]*client, error) {
	clients := make([]*client, count)
	settings := w.clientTLS()
	err := inParallel(ctx, handshakers, func(ctx context.Context, first int) (err error) {
		for i := first; i < count && ctx.Err() == nil; i += handshakers {
			if clients[i], err = dial(ctx, address, settings); err != nil {
				return err
			}
			if err = clients[i].ask(1<<10, false); err != nil {
				return err
			}
		}
		return nil
	})
	return clients, err
}

func closeAll(clients []*client) {
	for _, c := range clients {
		if c != nil {
			_ = c.Close() // nothing was in it that could be lost
		}
	}
}

// raiseDescriptors lets this process, and the servers that it starts from now on,
// open as many files as the hard limit allows.
func raiseDescriptors() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("the limit of open files: %w", err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("raising the limit of open files: %w", err)
	}
	return int(min(limit.Max, 1<<20)), nil
}

// pause waits, unless the benchmark is stopped.
func pause(ctx context.Context, length time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(length):
		return nil
	}
}
