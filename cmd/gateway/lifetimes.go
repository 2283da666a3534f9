package main

import (
	"context"
	"errors"
	"fmt"
)

// lifetime is something that runs until it is told to stop, and has stopped
// when its Run returns.
type lifetime struct {
	name string
	run  func(context.Context) error
}

// started is a lifetime that runs.
type started struct {
	lifetime
	stop context.CancelFunc
	done chan struct{}
	err  error
}

// runLifetimes starts all, in order, and blocks until ctx ends or one of them
// returns. Then it stops them one after the other, the last started first, and
// waits for each before it stops the next: what a lifetime uses outlives it. The
// errors of all are joined.
func runLifetimes(ctx context.Context, all []lifetime) error {
	ended := make(chan struct{}, len(all))
	running := make([]*started, 0, len(all))
	for _, l := range all {
		running = append(running, start(ctx, l, ended))
	}
	select {
	case <-ctx.Done():
	case <-ended:
	}
	var problems []error
	for i := len(running) - 1; i >= 0; i-- {
		running[i].stop()
		<-running[i].done
		problems = append(problems, running[i].err)
	}
	return errors.Join(problems...)
}

// start runs one in a goroutine of its own. Its context is not ctx's child, as
// that would stop all at the same moment.
func start(ctx context.Context, l lifetime, ended chan<- struct{}) *started {
	own, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &started{lifetime: l, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		if err := l.run(own); err != nil && !errors.Is(err, context.Canceled) {
			s.err = fmt.Errorf("%s: %w", l.name, err)
		}
		ended <- struct{}{}
	}()
	return s
}
