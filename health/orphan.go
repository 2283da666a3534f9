package health

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// claimTime is how long an ended child is left to whoever started it: that
// code waits for it already, and takes its exit status within milliseconds.
const claimTime = time.Second

// ReapOrphans takes the exit status of processes that the kernel gave to gateway
// because their parent has ended, and that nobody waits for: they would fill
// the table of processes. That happens after AdoptOrphans, and in a container
// where gateway is process 1. It blocks until ctx ends.
func ReapOrphans(ctx context.Context) error {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ended:
		}
		if pause(ctx, claimTime) && anyEndedChild() {
			reapUnclaimed(ctx)
		}
	}
}

// reapUnclaimed reaps the children that are still there after another claimTime.
func reapUnclaimed(ctx context.Context) {
	first := endedChildren()
	if !pause(ctx, claimTime) {
		return
	}
	for pid, start := range endedChildren() {
		if first[pid] == start {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil) // ECHILD: it was claimed after all
		}
	}
}

// endedChildren are gateway's zombies, each with its start time.
func endedChildren() map[int]uint64 {
	ended := map[int]uint64{}
	for _, f := range facts() {
		if f.zombie && f.ppid == os.Getpid() {
			ended[f.pid] = f.start
		}
	}
	return ended
}

// pause waits, and tells whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// orphan finds the process that serves the backend's address, if it comes from
// us though nothing on it says so: a server that writes its title over its
// environment, as nginx does, loses the mark when it goes into the background.
// The kernel gives such a one to gateway (see AdoptOrphans), and gives gateway no
// process that something else started.
func (h *host) orphan(ctx context.Context, after identity) (identity, bool) {
	holder, err := h.whoHolds(ctx)
	if err != nil {
		return identity{}, false
	}
	top, found := topmost(facts(), holder.PID)
	if !found || top.ppid != os.Getpid() || top.start < after.Start || markerOf(top.pid) != "" {
		return identity{}, false
	}
	return identities([]fact{top})[0], true
}
