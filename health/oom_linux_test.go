package health

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestOOMVictim_ReadsTheKernelsWords(t *testing.T) {
	for _, row := range []struct {
		record string
		pid    int
	}{
		{"3,1201,98765432,-;Out of memory: Killed process 4242 (python3) total-vm:1kB, anon-rss:2kB", 4242},
		{"3,1201,98765432,-;Memory cgroup out of memory: Killed process 77 (a (b) c) total-vm:1kB", 77},
		{"4,1,5,-;oom-kill:constraint=CONSTRAINT_MEMCG,task=x,pid=77,uid=0", 0},
		{"6,1,5,-;Killed process 12 (by hand)", 0},
		{"no record", 0},
	} {
		at, pid, ok := oomVictim(row.record)
		if ok != (row.pid != 0) || pid != row.pid || ok && at != 98765432 {
			t.Errorf("%q: %d at %d, %v", row.record, pid, at, ok)
		}
	}
}

func FuzzOOMVictim(f *testing.F) {
	f.Add("3,1201,98765432,-;Out of memory: Killed process 4242 (python3)")
	f.Fuzz(func(t *testing.T, record string) {
		if _, pid, ok := oomVictim(record); !ok && pid != 0 && !strings.Contains(record, "Killed process") {
			t.Errorf("%q: %d", record, pid)
		}
	})
}

// memoryGroup makes a control group that allows little memory, of whichever
// version the host has, and returns the file that processes are moved by.
func memoryGroup(t *testing.T, bytes int) string {
	t.Helper()
	for _, kind := range []struct{ root, limit string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
		{"/sys/fs/cgroup", "memory.max"},
	} {
		group := filepath.Join(kind.root, "gateway-test-"+strconv.Itoa(os.Getpid()))
		if os.Mkdir(group, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(group) }) // busy until the last process in it is reaped
		if os.WriteFile(filepath.Join(group, kind.limit), []byte(strconv.Itoa(bytes)), 0) == nil {
			return filepath.Join(group, "cgroup.procs")
		}
	}
	t.Skip("no control group of memory can be made: that needs root and the memory controller")
	return ""
}

func TestMonitor_TellsThatTheKernelKilledForWantOfMemory(t *testing.T) {
	if file, err := os.Open("/dev/kmsg"); err != nil {
		t.Skipf("the kernel's log cannot be read: %v", err)
	} else {
		file.Close()
	}
	procs := memoryGroup(t, 48<<20)
	m := monitor(t, "serve", nil)
	m.waitUp(t)
	if err := os.WriteFile(procs, []byte(strconv.Itoa(m.Status().PID)), 0); err != nil {
		t.Skipf("the backend cannot be moved into the group: %v", err)
	}
	touch(t, m.dir, "greedy")
	for want := "killed by the kernel: out of memory"; ; {
		select {
		case e := <-m.events: // its probes may fail before, for a while
			if e.Incident.Cause != want && e.Incident.Latest != want {
				continue
			}
		case <-limit(t).Done():
			t.Fatalf("it was not told that %q: %+v", want, m.Status())
		}
		break
	}
	if err := os.Remove(filepath.Join(m.dir, "greedy")); err != nil {
		t.Fatal(err)
	}
}
