package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"gateway/health"
)

// supervision is one monitor that runs.
type supervision struct {
	stop  context.CancelFunc
	ended chan struct{}
}

// supervise runs the monitors of the roster until ctx ends, or one of them fails.
func (b *backends) supervise(ctx context.Context) error {
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	b.mu.Lock()
	b.work = work
	first := b.roster.Load().monitors
	for _, monitor := range first {
		b.start(monitor)
	}
	b.mu.Unlock()
	b.group.Go(func() { b.awaitLook(work, first) })
	var err error
	select {
	case <-ctx.Done():
	case err = <-b.failed:
	}
	cancel()
	b.mu.Lock()
	b.over = true
	b.mu.Unlock()
	b.group.Wait()
	select {
	case late := <-b.failed:
		err = errors.Join(err, late)
	default:
	}
	return err
}

// awaitLook waits until the monitors know what runs already.
func (b *backends) awaitLook(ctx context.Context, monitors map[string]*health.Monitor) {
	defer close(b.looked)
	for _, monitor := range monitors {
		select {
		case <-monitor.Looked():
		case <-ctx.Done():
			return
		}
	}
}

// start runs a monitor, unless it runs; b.mu is held. When supervision is about to end the
// monitor ends at once, and takes the process along that it finds.
func (b *backends) start(monitor *health.Monitor) {
	if b.running[monitor] != nil {
		return
	}
	ctx, stop := context.WithCancel(b.work)
	s := &supervision{stop: stop, ended: make(chan struct{})}
	b.running[monitor] = s
	b.group.Go(func() {
		defer stop()
		if err := monitor.Run(ctx); err != nil {
			select {
			case b.failed <- err:
			default:
			}
		}
		b.mu.Lock()
		delete(b.running, monitor)
		b.mu.Unlock()
		close(s.ended)
	})
}

// finish ends a monitor's Run and waits for it.
func (b *backends) finish(monitor *health.Monitor) {
	if s := b.supervisionOf(monitor); s != nil {
		s.stop()
		<-s.ended
	}
}

func (b *backends) supervisionOf(monitor *health.Monitor) *supervision {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.running[monitor]
}

// settle has the roster in force supervised in place of the one before: what is
// not in the file any more is ended, what was changed gets another monitor, what
// is new is started. It returns at once, since a backend may take its time to
// end; vacate lets the requests finish that one has which is not in the file any
// more. What concerns one backend, or one address, is done in order, also over
// several reloads.
func (b *backends) settle(before *roster, vacate func(ctx context.Context, name string) error) {
	next := b.roster.Load()
	for _, name := range before.names {
		was, is := before.monitors[name], next.monitors[name]
		switch {
		case is == nil:
			b.inTurn(before, name, func(ctx context.Context) {
				b.end(ctx, name, was, before.supervised(name), func(ctx context.Context) error { return vacate(ctx, name) })
			})
		case is != was:
			b.inTurn(next, name, func(ctx context.Context) { b.replace(ctx, before, next, name) })
		}
	}
	for _, name := range next.names {
		if before.monitors[name] == nil {
			b.inTurn(next, name, func(context.Context) { b.begin(next.monitors[name]) })
		}
	}
}

// inTurn does something about a backend beside the caller, once everything is
// done that was asked for earlier about the same name or the same address.
func (b *backends) inTurn(of *roster, name string, do func(context.Context)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.work == nil || b.over {
		return
	}
	ctx, done := b.work, make(chan struct{})
	var earlier []chan struct{}
	for _, key := range []string{"name " + name, "address " + of.backends[name].URL} {
		if turn := b.turns[key]; turn != nil {
			earlier = append(earlier, turn)
		}
		b.turns[key] = done
	}
	b.group.Go(func() {
		defer close(done)
		for _, turn := range earlier {
			<-turn
		}
		do(ctx)
	})
}

// begin supervises a backend that is new in the file.
func (b *backends) begin(monitor *health.Monitor) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.start(monitor)
}

// end stops a backend that is not in the file any more.
func (b *backends) end(ctx context.Context, name string, monitor *health.Monitor, supervised bool, drain func(context.Context) error) {
	b.log.Info("the backend is not in the file any more", "backend", name)
	if supervised && b.supervisionOf(monitor) != nil {
		if err := monitor.Stop(ctx, drain); err != nil && ctx.Err() == nil {
			b.log.Warn("stopping a backend that is not in the file any more", "backend", name, "error", err)
		}
	}
	b.finish(monitor)
}

// replace has another monitor take a backend over: the process stays, unless the
// file starts it in another way now.
func (b *backends) replace(ctx context.Context, before, next *roster, name string) {
	before.monitors[name].Release()
	b.finish(before.monitors[name])
	b.begin(next.monitors[name])
	if !startedAnew(before.backends[name], next.backends[name]) {
		return
	}
	b.log.Info("the backend is restarted, since the file starts it in another way now", "backend", name)
	err := next.monitors[name].Restart(ctx, func(ctx context.Context) error { return b.drain(ctx, name) })
	if err != nil && ctx.Err() == nil {
		b.log.Warn("restarting a backend that the file starts in another way", "backend", name, "error", err)
	}
}

// release has the backends run on when supervision ends, for another gateway.
func (b *backends) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for monitor := range b.running {
		monitor.Release()
	}
}

// settled waits until everything is done that was asked for about any backend. A
// monitor that has not begun could not be told to let its backend run on.
func (b *backends) settled(ctx context.Context) error {
	b.mu.Lock()
	turns := append(slices.Collect(maps.Values(b.turns)), b.looked)
	b.mu.Unlock()
	for _, turn := range turns {
		select {
		case <-turn:
		case <-ctx.Done():
			return fmt.Errorf("a backend is still being replaced: %w", ctx.Err())
		}
	}
	return nil
}
