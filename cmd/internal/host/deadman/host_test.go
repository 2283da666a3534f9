package deadman

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/hosttest"
)

// deadmanMark is where the program of these tests writes what it was started
// with. It is not gateway, so that each part is seen by itself; gateway's own
// tests have all of it.
const deadmanMark = "/var/log/deadman.mark"

// deadmanPart tells which part of TestSwitch_OnARealHost runs in the host.
const deadmanPart = "DEADMAN_PART"

// deadmanInside does one part in the host.
func deadmanInside(t *testing.T, part string) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "program")
	script := "#!/bin/sh\n[ \"$1\" = version ] || echo \"$@\" >>" + deadmanMark + "\n"
	if err := os.WriteFile(source, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	s := New("/var/lib/gateway")
	s.source = source
	for word := range strings.FieldsSeq(part) {
		var err error
		if left, parseErr := time.ParseDuration(word); parseErr == nil {
			err = s.Arm(t.Context(), host.This(), time.Now().Add(left))
		} else {
			err = s.Disarm(t.Context(), host.This())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestSwitch_OnARealHost(t *testing.T) {
	if hosttest.Inside() {
		deadmanInside(t, os.Getenv(deadmanPart))
		return
	}
	h := hosttest.Boot(t, hosttest.Options{})
	before := h.Tree(t)
	h.Self(t, t.Name(), deadmanPart+"=1h disarm")
	if diff := before.Diff(h.Tree(t)); diff != "" {
		t.Errorf("Disarm left behind:\n%s", diff)
	}
	if list := h.Run(t, "systemctl", "list-units", "--all", "--no-legend", "gateway-revert*"); list != "" {
		t.Errorf("Disarm left units behind: %s", list)
	}

	h.Self(t, t.Name(), deadmanPart+"=1h 1s")
	mark := h.Await(t, deadmanMark)
	if want := "setup undo --expired --config " + file + "\n"; mark != want {
		t.Errorf("the timer ran %q, want %q", mark, want)
	}
	if list := h.Run(t, "systemctl", "list-units", "--all", "--no-legend", timerPrefix+"*"); strings.Contains(list, ".timer") {
		t.Errorf("the first timer is still there: %s", list)
	}

	h.Self(t, t.Name(), deadmanPart+"=1h")
	h.Run(t, "rm", deadmanMark)
	h.Reboot(t)
	if mark, want := h.Await(t, deadmanMark), "setup undo --unconfirmed --config "+file+"\n"; mark != want {
		t.Errorf("the boot ran %q, want %q", mark, want)
	}
}
