package hosttest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nspawn is one boot of a host: the supervising process, and process 1 of the
// host as it is numbered here.
type nspawn struct {
	cmd    *exec.Cmd
	leader int
	ended  chan struct{} // closed once the supervisor has ended
}

// launch puts itself into the control group of the host before it becomes the
// supervisor: otherwise two hosts of one test would share a group, and one's
// end would be the other's.
const launch = `
for root in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
	if [ -f "$root/cgroup.procs" ]; then
		mkdir -p "$root/$0"
		echo $$ >"$root/$0/cgroup.procs"
	fi
done
exec systemd-nspawn "$@"`

// bootTime is how long a boot may take; it takes about a second.
const bootTime = time.Minute

// rebootStatus is how nspawn ends when the host wants to be booted again.
const rebootStatus = 133

// start boots the host and returns once its systemd says that it is up.
func (h *Host) start(t testing.TB) {
	t.Helper()
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(h.dir, "notify"), Net: "unixgram"})
	must(t, err)
	defer os.Remove(filepath.Join(h.dir, "notify"))
	defer told.Close()
	console, err := os.OpenFile(filepath.Join(h.dir, "console"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	must(t, err)
	defer console.Close()

	n := &nspawn{cmd: h.nspawnCommand(console), ended: make(chan struct{})}
	must(t, n.cmd.Start())
	h.boot = n
	go func() {
		_ = n.cmd.Wait()
		close(n.ended)
		_ = told.SetReadDeadline(time.Now())
	}()
	_ = told.SetReadDeadline(time.Now().Add(bootTime))
	if err := n.awaitReady(told); err != nil {
		t.Fatalf("the host did not boot: %v\n%s", err, h.consoleTail())
	}
}

func (h *Host) nspawnCommand(console *os.File) *exec.Cmd {
	cmd := exec.Command("/bin/sh", "-c", launch, h.name,
		"--quiet", "--boot", "--settings=no", "--register=no", "--keep-unit", "--notify-ready=yes",
		"--directory="+h.root(), "--machine="+h.name, "--hostname=gatewaytest",
		"--network-namespace-path=/run/netns/"+hostNetwork(h.name), "--capability=CAP_NET_ADMIN,CAP_NET_RAW", "--drop-capability=CAP_MKNOD,CAP_SYS_MODULE",
		"--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=pipe")
	cmd.Env = append(os.Environ(),
		"NOTIFY_SOCKET="+filepath.Join(h.dir, "notify"),
		"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1",      // whatever this machine has
		"SYSTEMD_NSPAWN_API_VFS_WRITABLE=network") // ufw sets sysctls of the network
	cmd.Stdout, cmd.Stderr = console, console
	return cmd
}

// awaitReady reads what nspawn tells about the host (sd_notify(3)) until it is up.
func (n *nspawn) awaitReady(told *net.UnixConn) error {
	buffer := make([]byte, 4096)
	for ready := false; !ready || n.leader == 0; {
		size, err := told.Read(buffer)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(buffer[:size])) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			switch key {
			case "READY":
				ready = true
			case "X_NSPAWN_LEADER_PID":
				if n.leader, err = strconv.Atoi(value); err != nil {
					return fmt.Errorf("systemd-nspawn named no process: %w", err)
				}
			}
		}
	}
	return nil
}

// Reboot reboots the host in good order and returns once it is up again.
func (h *Host) Reboot(t testing.TB) {
	t.Helper()
	h.Try(t, "systemctl", "reboot") // its connection may end before its answer
	h.awaitEnd(t)
	if code := h.boot.cmd.ProcessState.ExitCode(); code != rebootStatus {
		t.Fatalf("the host ended with %d instead of rebooting\n%s", code, h.consoleTail())
	}
	must(t, h.wire())
	h.start(t)
}

// PowerCycle stops the host from one moment to the next and boots it again.
func (h *Host) PowerCycle(t testing.TB) {
	t.Helper()
	h.kill()
	h.awaitEnd(t)
	must(t, h.wire())
	h.start(t)
}

func (h *Host) awaitEnd(t testing.TB) {
	t.Helper()
	select {
	case <-h.boot.ended:
	case <-time.After(bootTime):
		t.Fatalf("the host did not go down\n%s", h.consoleTail())
	}
	must(t, removeCgroups(h.name))
}

// kill ends process 1 of the host, and with it every process of the host.
func (h *Host) kill() {
	if h.boot == nil {
		return
	}
	if h.boot.leader != 0 {
		_ = syscall.Kill(h.boot.leader, syscall.SIGKILL)
	} else {
		_ = h.boot.cmd.Process.Kill()
	}
}

func (h *Host) takeDown(t testing.TB) {
	if t.Failed() {
		t.Logf("the console of the host:\n%s", h.consoleTail())
	}
	h.kill()
	if h.boot != nil {
		<-h.boot.ended
	}
	if err := remove(h.name); err != nil {
		t.Errorf("take the host down: %v", err)
	}
}

// consoleTail is the end of what the host printed on its console.
func (h *Host) consoleTail() string {
	text, _ := os.ReadFile(filepath.Join(h.dir, "console"))
	return string(text[max(0, len(text)-2000):])
}
