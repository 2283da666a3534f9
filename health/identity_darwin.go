package health

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bootID changes with every boot.
func bootID() string {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return id
}

func factOf(pid int) (fact, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return fact{}, err
	}
	if int(info.Proc.P_pid) != pid {
		return fact{}, unix.ESRCH
	}
	return factFrom(info), nil
}

// States of a process (sys/proc.h): SSTOP and SZOMB.
const (
	stoppedState = 4
	zombieState  = 5
)

func factFrom(info *unix.KinfoProc) fact {
	start := info.Proc.P_starttime
	return fact{
		pid: int(info.Proc.P_pid), ppid: int(info.Eproc.Ppid), group: int(info.Eproc.Pgid),
		session: int(info.Eproc.Pgid), // the kernel does not tell; a backend's group is its session's first
		start:   uint64(start.Sec)*1e6 + uint64(start.Usec),
		zombie:  info.Proc.P_stat == zombieState,
		stopped: info.Proc.P_stat == stoppedState,
	}
}

// facts lists all processes but gateway itself.
func facts() []fact {
	infos, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil
	}
	found := make([]fact, 0, len(infos))
	for i := range infos {
		if f := factFrom(&infos[i]); f.pid != os.Getpid() {
			found = append(found, f)
		}
	}
	return found
}

// children lists the processes that this one started and that have not ended.
func children(pid int) []fact {
	var found []fact
	for _, f := range facts() {
		if f.ppid == pid && !f.zombie {
			found = append(found, f)
		}
	}
	return found
}

// markerOf: macOS shows the environment of other processes to nobody.
func markerOf(int) string { return "" }

// exitCheck bounds how long a cancelled awaitExit stays in kevent(2).
const exitCheck = 200 * time.Millisecond

// awaitExit blocks until the process ended, be it our child or not.
func awaitExit(ctx context.Context, id identity) error {
	queue, err := unix.Kqueue()
	if err != nil {
		return pollExit(ctx, id)
	}
	defer unix.Close(queue)
	var watch unix.Kevent_t
	unix.SetKevent(&watch, id.PID, unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
	watch.Fflags = unix.NOTE_EXIT
	changes := []unix.Kevent_t{watch}
	events := make([]unix.Kevent_t, 1)
	timeout := unix.NsecToTimespec(exitCheck.Nanoseconds())
	for {
		n, err := unix.Kevent(queue, changes, events, &timeout)
		switch {
		case errors.Is(err, unix.ESRCH), n > 0, err == nil && !id.lives():
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return pollExit(ctx, id)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if err == nil {
			changes = nil
		}
	}
}

func sendSignal(id identity, s syscall.Signal) error {
	if !id.lives() {
		return unix.ESRCH
	}
	return syscall.Kill(id.PID, s)
}
