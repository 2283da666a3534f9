package health

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMonitor_GoesOnWhenTheLogHasFilledItsDisk(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a small disk cannot be mounted, which needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	m := monitor(t, "flood", func(o *Options) {
		o.Config.Env = append(o.Config.Env, "HEALTH_BYTES=8388608")
		o.Config.Log = filepath.Join(disk, "api.log")
	})
	m.waitUp(t)
	first := m.Status().LastProbe.At
	for !m.Status().LastProbe.At.After(first) {
		m.Nudge()
	}
	m.get(t)
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	if tail := string(m.Logs(3)); !strings.Contains(tail, "the flood is over") {
		t.Errorf("the last lines are %.200q", tail)
	}
	if info, err := os.Stat(m.options.Config.Log); err != nil || info.Size() < 512<<10 {
		t.Errorf("the log: %+v, %v", info, err)
	}
}
