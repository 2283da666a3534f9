package health

import (
	"context"
	"errors"
	"time"
)

// perform does what State.Next decided.
func (l *loop) perform(act Act) {
	switch act.Kind {
	case Spawn:
		l.spawn()
	case Ask:
		l.startProbe(act.Eager)
	case Drain:
		l.startDrain()
	case Terminate:
		l.options.Log.Info("ending the backend's process", "pid", l.pid(), "why", act.Cause)
		l.proc.terminate(act.Cause)
	case Kill:
		l.options.Log.Warn("the backend's process did not end in time, and is killed", "pid", l.pid())
		l.proc.kill()
	case Open:
		l.open(act.Cause)
	case Close:
		l.close()
	}
}

// background runs f beside the loop; what f returns is run in the loop, unless
// the loop has ended.
func (l *loop) background(f func() (post func())) {
	l.group.Go(func() { l.post(f()) })
}

// post hands f to the loop, unless the loop has ended.
func (l *loop) post(f func()) {
	select {
	case l.posts <- f:
	case <-l.work.Done():
	}
}

func (l *loop) spawn() {
	l.stopProbe()
	l.background(func() func() {
		proc, err := l.machine.start(l.work)
		return func() { l.started(proc, err) }
	})
}

func (l *loop) started(proc running, err error) {
	l.taken = nil
	if errors.As(err, &l.taken) {
		l.options.Log.Warn(err.Error())
		l.step(Taken{})
		return
	}
	if err != nil {
		l.step(SpawnFailed{Err: err})
		return
	}
	l.starts++
	l.adopted = false
	l.options.Log.Info("started the backend", "pid", proc.pid(), "command", commandLine(l.options.Config.Command))
	if l.state.Incident {
		l.options.Ledger.restarted(l.options.Name)
	}
	l.watch(proc)
	l.step(Spawned{})
}

func (l *loop) watch(proc running) {
	l.proc = proc
	l.background(func() func() {
		moved := func() { l.post(l.publishStatus) }
		exit, err := proc.wait(l.work, moved, func() { l.post(func() { l.step(Dying{}) }) })
		return func() { l.exited(exit, err) }
	})
}

func (l *loop) exited(exit Exit, err error) {
	if err != nil && l.work.Err() == nil {
		l.options.Log.Error("watching the backend's process", "error", err)
	}
	l.lastExit = &exit
	l.options.Log.Log(l.work, exitLevel(exit), "the backend's process is gone", "pid", l.pid(), "how", exit.String())
	l.proc = nil
	l.stopProbe()
	l.machine.forget()
	l.step(Exited{Exit: exit})
}

func (l *loop) startProbe(eager bool) {
	l.stopProbe()
	l.probeRound++
	round := l.probeRound
	ctx, cancel := context.WithCancel(l.work)
	l.stopProbe = cancel
	proc := l.proc
	l.background(func() func() {
		defer cancel()
		result := l.probe(ctx, eager)
		if result.Err == nil && proc != nil && l.options.Config.Probe.connects() && proc.frozen() {
			result.Err = errFrozen
		}
		return func() { l.probed(round, result) }
	})
}

func (l *loop) probed(round int, r Result) {
	if round != l.probeRound {
		return // a newer one is under way
	}
	l.lastProbe = &ProbeStatus{At: time.Now(), Good: r.Err == nil, Took: r.Took.Round(10 * time.Microsecond).String()}
	if r.Err != nil {
		l.lastProbe.Error = r.Err.Error()
	}
	l.step(Probed{Result: r})
}

func (l *loop) startDrain() {
	drain := l.drain
	ctx, cancel := context.WithCancel(l.work)
	l.stopDrain = cancel
	l.background(func() func() {
		defer cancel()
		var err error
		if drain != nil {
			err = drain(ctx)
		}
		return func() {
			if err != nil {
				l.options.Log.Warn("some requests did not finish before the backend is ended", "error", err)
			}
			l.step(Drained{})
		}
	})
}
