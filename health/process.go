package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a backend that runs: our child, or one that an earlier gateway
// started. It moves on when the backend puts itself into the background.
type process struct {
	log    *slog.Logger
	mark   marker
	group  group
	stop   syscall.Signal
	grace  time.Duration
	fresh  bool           // just started, and not yet recorded
	moved  func(identity) // records that this process is the backend
	output func()         // takes the last of what was printed
	oom    func(identity) bool
	orphan func(ctx context.Context, after identity) (identity, bool) // serves the address, and bears no mark

	mu     sync.Mutex
	root   identity
	since  time.Time // that root is in the background; zero: it never went there
	ending string    // why gateway ended it; "" while it does not
	killed bool      // with KILL
}

// pid is the number of the process that is the backend now.
func (p *process) pid() int { return p.current().root.PID }

func (p *process) current() tree {
	p.mu.Lock()
	defer p.mu.Unlock()
	return tree{root: p.root, mark: p.mark, group: p.group}
}

// frozen tells whether the process cannot run because it was stopped (SIGSTOP).
func (p *process) frozen() bool { return frozen(p.current().root.PID) }

// terminate asks the process, and all that it started, to end.
func (p *process) terminate(why string) {
	p.mu.Lock()
	p.ending = why
	p.mu.Unlock()
	ids := identities(p.current().members())
	signalAll(ids, p.stop)
	signalAll(ids, syscall.SIGCONT) // one that is stopped would never see the signal
}

// kill ends them.
func (p *process) kill() {
	p.mu.Lock()
	p.killed = true
	p.mu.Unlock()
	p.group.kill()
	signalAll(identities(p.current().members()), syscall.SIGKILL)
}

// wait blocks until the process, and all that it started, is gone, and tells
// how it ended. When the process ended well and left others running that it
// started, it went into the background: the one it left is waited for instead.
// moved is called when it has; ended when the process has ended and the others
// have not.
func (p *process) wait(ctx context.Context, moved, ended func()) (Exit, error) {
	if p.fresh { // here, so that a slow disk does not keep the first probe waiting
		p.moved(p.current().root)
	}
	for {
		tree := p.current()
		if err := awaitExit(ctx, tree.root); err != nil {
			return Exit{}, err
		}
		exit := p.reap(tree.root)
		if next, found := p.background(ctx, exit, tree); found {
			p.move(next)
			moved()
			continue
		}
		ended()
		err := p.bury(ctx, tree)
		p.output()
		return exit, err
	}
}

// reap takes the exit status. Only a parent is given one: the process is our
// child, or an orphan that the kernel gave us (prctl(2), PR_SET_CHILD_SUBREAPER).
func (p *process) reap(root identity) Exit {
	var status syscall.WaitStatus
	now := time.Now()
	exit := Exit{At: now, Code: -1, Unknown: true}
	for {
		_, err := syscall.Wait4(root.PID, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil {
			exit = exitOf(status, now)
		}
		break
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	exit.ByGateway = p.ending
	switch {
	case p.ending != "" && p.killed:
		exit.ByGateway = fmt.Sprintf("%s, and it did not end within %v of signal %s", p.ending, p.grace, signalName(p.stop))
	case p.ending == "" && exit.Signal == syscall.SIGKILL:
		exit.OOM = p.oom(root)
	}
	return exit
}

// background finds what a process that ended well left running.
func (p *process) background(ctx context.Context, exit Exit, t tree) (identity, bool) {
	if !p.mayLeave(exit) {
		return identity{}, false
	}
	members := t.members()
	for look := 1; len(members) == 0; look++ {
		if next, found := p.orphan(ctx, t.root); found || look == looks {
			return next, found
		}
		if !pause(ctx, lookPause) {
			return identity{}, false
		}
		members = t.members()
	}
	top, _ := topmost(members, members[0].pid)
	return identities([]fact{top})[0], true
}

// A process in the middle of execve(2) has no environment to be known by, and
// its parent may be gone by then. So a process that ended well, and left nothing
// that can be seen, is looked after once more.
const (
	looks     = 3
	lookPause = 15 * time.Millisecond
)

// forkTime is how long the process in the middle of a double fork, as daemon(7)
// asks for, may live. It ends well, but where it was not gateway's child nobody
// tells us so.
const forkTime = time.Second

// mayLeave tells whether an end like this may be a step into the background.
func (p *process) mayLeave(exit Exit) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	middle := exit.Unknown && exit.At.Sub(p.since) < forkTime
	return p.ending == "" && exit.Code <= 0 && exit.Signal == 0 && (!exit.Unknown || middle)
}

func (p *process) move(next identity) {
	p.mu.Lock()
	was := p.root
	p.root, p.since = next, time.Now()
	p.mu.Unlock()
	p.log.Info("the backend went into the background, and is watched there", "was", was.PID, "pid", next.PID)
	p.moved(next)
}

// bury sees to it that nothing of the tree is left: after an end that gateway
// asked for the others have the rest of the grace, after any other they are
// killed at once, for they hold the port.
func (p *process) bury(ctx context.Context, t tree) error {
	for p.endingKindly() {
		left := identities(t.members())
		if len(left) == 0 {
			return nil
		}
		if err := awaitExit(ctx, left[0]); err != nil {
			return err
		}
	}
	if !killAll(ctx, t.group, t.members) && ctx.Err() == nil {
		p.log.Error("some processes of the backend cannot be killed; look at them with ps, and at the disk that they wait for", "count", len(t.members()))
	}
	return ctx.Err()
}

func (p *process) endingKindly() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ending != "" && !p.killed
}
