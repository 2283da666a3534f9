package health

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// groupParent makes a control group of version 2 to work below.
func groupParent(t *testing.T) string {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err != nil {
			continue
		}
		dir := filepath.Join(root, "gateway-test-"+strconv.Itoa(os.Getpid()))
		if err := os.Mkdir(dir, 0o755); err == nil {
			t.Cleanup(func() { _ = os.Remove(dir) })
			return dir
		}
	}
	t.Skip("no control group of version 2 can be made: that needs root")
	return ""
}

// TestMonitor_EndsWhatHidesFromItsParent: a grandchild with a session of its
// own, no parent and an empty environment is still the backend's.
func TestMonitor_EndsWhatHidesFromItsParent(t *testing.T) {
	parent := groupParent(t)
	m := monitor(t, "", func(o *Options) {
		o.Cgroup = parent
		o.Config.Command = []string{"sh", "-c", `env -i setsid sh -c 'echo $$ > hidden; exec sleep 1000' & while ! test -s hidden; do :; done; exec env HEALTH_ROLE=serve ` + os.Args[0]}
	})
	m.waitUp(t)
	text, err := os.ReadFile(filepath.Join(m.dir, "hidden"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text[:len(text)-1]))
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := identify(pid)
	if err != nil || markerOf(pid) != "" {
		t.Fatalf("process %d: %v, marked %q", pid, err, markerOf(pid))
	}
	if err := syscall.Kill(m.Status().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	m.waitEvent(t, Recovered)
	if hidden.lives() {
		t.Errorf("process %d lives on", pid)
	}
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(parent, "backend-*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestDelegatedCgroup_IsOnlyWhatWasGiven(t *testing.T) {
	dir := DelegatedCgroup()
	if dir == "" {
		return // the usual case outside of a unit with Delegate=yes
	}
	if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err != nil {
		t.Error(err)
	}
}

func TestLaunch_JoinsTheGroupThatItIsTold(t *testing.T) {
	parent := groupParent(t)
	g := groupFor(parent, "joined")
	attr := &syscall.SysProcAttr{}
	attached, err := g.attach(attr)
	if err != nil {
		t.Fatal(err)
	}
	attached.Close()
	t.Cleanup(g.remove)
	cmd := exec.Command("cat", "/proc/self/cgroup")
	cmd.SysProcAttr, cmd.Env = &syscall.SysProcAttr{}, os.Environ()
	cmd, err = prepared(cmd, nil, g.dir)
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "/"+filepath.Base(parent)+"/backend-joined\n") {
		t.Errorf("it ran in %s, error %v", out, err)
	}
}
