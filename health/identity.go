package health

import (
	"context"
	"time"
)

// identity names one process for good: a number alone is given again to
// another process, and both begin anew with the host.
type identity struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // as the kernel counts; only compared
	Boot  string `json:"boot"`
}

// fact is what the kernel tells of a process.
type fact struct {
	pid, ppid, group, session int
	start                     uint64
	zombie, stopped           bool
}

// lives tells whether the process still runs: not ended, and not another one
// under the same number.
func (id identity) lives() bool {
	now, err := factOf(id.PID)
	return err == nil && !now.zombie && now.start == id.Start && id.Boot == bootID()
}

func identify(pid int) (identity, error) {
	now, err := factOf(pid)
	if err != nil {
		return identity{}, err
	}
	return identity{PID: pid, Start: now.start, Boot: bootID()}, nil
}

// pollInterval is used only where the kernel cannot tell of an exit: before
// Linux 5.3, and in sandboxes without pidfd_open(2).
const pollInterval = 50 * time.Millisecond

func pollExit(ctx context.Context, id identity) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for id.lives() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
