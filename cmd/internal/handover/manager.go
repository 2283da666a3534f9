// Package handover is gateway's side towards whatever starts it: the service
// manager, from which sockets come and which is told how gateway is, and the
// gateway that runs already, from which a newer one takes over.
package handover

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Manager is the service manager, as sd_notify(3) has it. Where none listens, its
// methods do nothing; that one listens and does not hear is logged and no
// reason to fail.
type Manager struct{ Log *slog.Logger }

// Ready tells that gateway serves; status is for `systemctl status`.
func (m Manager) Ready(status string) {
	m.tell(daemon.SdNotifyReady + "\nSTATUS=" + status)
}

// Reloading tells that gateway takes a changed file over. Ready must follow.
func (m Manager) Reloading() {
	m.tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// Stopping tells that gateway ends, which may take it so long.
func (m Manager) Stopping(within time.Duration) {
	m.tell(fmt.Sprintf("%s\nSTATUS=requests in flight may finish\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping, within.Microseconds()))
}

// Main tells that another process is gateway from now on.
func (m Manager) Main(pid int) { m.tell(fmt.Sprintf("MAINPID=%d", pid)) }

// Adopt tells that another process is gateway, and serves, of which the service
// manager has not heard; from this one alone does it hear anything. It is false, and
// nothing is told, if that process is none of the service in which this one runs.
func (m Manager) Adopt(pid int, status string) bool {
	if os.Getenv("NOTIFY_SOCKET") == "" || !besideUs(pid) {
		return false
	}
	// In one message: with the number of the other one, this one has had its say.
	m.tell(fmt.Sprintf("MAINPID=%d\n%s\nSTATUS=%s", pid, daemon.SdNotifyReady, status))
	return true
}

// besideUs tells whether a process is in our own control group.
func besideUs(pid int) bool {
	ours, err := os.ReadFile("/proc/self/cgroup")
	theirs, theirErr := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	return err == nil && theirErr == nil && bytes.Equal(ours, theirs)
}

// Alive tells that gateway works. It is due within every WatchdogInterval.
func (m Manager) Alive() { m.tell(daemon.SdNotifyWatchdog) }

// WatchdogInterval is how long gateway may stay silent before it is started
// anew; 0: for ever.
func (m Manager) WatchdogInterval() time.Duration {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		m.Log.Warn("the service manager's watchdog is not understood and goes without a sign of life", "error", err)
		return 0
	}
	return interval
}

func (m Manager) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		m.Log.Warn("the service manager does not hear", "error", err)
	}
}
