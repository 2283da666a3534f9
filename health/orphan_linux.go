package health

import "golang.org/x/sys/unix"

// AdoptOrphans makes gateway the parent of all processes below it whose own
// parent ends, instead of process 1 (prctl(2), PR_SET_CHILD_SUBREAPER). So a
// backend that goes into the background is still found, and tells how it ended.
// They must be reaped, see ReapOrphans. It holds for the whole process.
func AdoptOrphans() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// anyEndedChild tells whether there is a child that nobody has waited for yet.
func anyEndedChild() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}
