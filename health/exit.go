package health

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Exit is how a process ended.
type Exit struct {
	At        time.Time      `json:"at"`
	Code      int            `json:"code"`                // exit code; -1 when a signal ended it or when it is unknown
	Signal    syscall.Signal `json:"signal,omitempty"`    // the signal that ended it
	Core      bool           `json:"core,omitempty"`      // the kernel dumped its memory
	OOM       bool           `json:"oom,omitempty"`       // the kernel killed it for want of memory
	Unknown   bool           `json:"unknown,omitempty"`   // it was not our child, so nobody told us
	ByGateway string         `json:"bygateway,omitempty"` // why gateway ended it; "" if it did not
}

// String tells the end in words.
func (e Exit) String() string {
	var how string
	switch {
	case e.OOM:
		return "killed by the kernel: out of memory"
	case e.Unknown:
		how = "ended; its exit code is unknown, because an earlier gateway had started it"
	case e.Signal != 0:
		how = fmt.Sprintf("killed by signal %d (%s)", int(e.Signal), signalName(e.Signal))
		if e.Core {
			how += ", with a core dump"
		}
	default:
		how = fmt.Sprintf("exited with code %d%s", e.Code, shellMeaning(e.Code))
	}
	switch {
	case e.ByGateway != "":
		return how + ": " + e.ByGateway
	case e.Signal == syscall.SIGKILL || e.Signal == syscall.SIGTERM:
		return how + ", not by gateway"
	}
	return how
}

// shellMeaning explains the codes that POSIX gives to a shell (XCU 2.8.2):
// a run.sh passes them on, and the death was that of what it ran.
func shellMeaning(code int) string {
	switch {
	case code == 126:
		return " (a shell's: command found but not executable)"
	case code == 127:
		return " (a shell's: command not found)"
	case code > 128 && code <= 128+64 && signalName(syscall.Signal(code-128)) != "":
		return fmt.Sprintf(" (a shell's: killed by signal %d, %s)", code-128, signalName(syscall.Signal(code-128)))
	}
	return ""
}

func signalName(s syscall.Signal) string { return strings.TrimPrefix(unix.SignalName(s), "SIG") }

// exitOf reads the status that wait(2) gave.
func exitOf(status syscall.WaitStatus, at time.Time) Exit {
	if status.Signaled() {
		return Exit{At: at, Code: -1, Signal: status.Signal(), Core: status.CoreDump()}
	}
	return Exit{At: at, Code: status.ExitStatus()}
}
