package deadman

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gateway/cmd/internal/host"
)

// deadmanMachine is a machine with systemd in a folder, which keeps what is run.
func deadmanMachine(t testing.TB, answer func(argv []string) (string, error)) (host.Machine, *[]string) {
	t.Helper()
	var ran []string
	m := host.Machine{Root: t.TempDir(), OS: "linux", Run: func(_ context.Context, c host.Command) (host.Result, error) {
		ran = append(ran, strings.Join(c.Argv, " "))
		if answer == nil {
			return host.Result{}, nil
		}
		text, err := answer(c.Argv)
		return host.Result{Stdout: []byte(text)}, err
	}}
	for _, dir := range []string{"/run/systemd/system", "/etc/systemd/system/multi-user.target.wants", "/usr/local/lib"} {
		if err := os.MkdirAll(m.Path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return m, &ran
}

func deadmanWrite(t testing.TB, m host.Machine, path, text string) {
	t.Helper()
	at := m.Path(path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// deadmanSwitch copies a small file instead of the running program.
func deadmanSwitch(t testing.TB, now time.Time) *Switch {
	t.Helper()
	source := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(source, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &Switch{state: "/var/lib/gateway", source: source, pid: 100, now: func() time.Time { return now }, holder: func(context.Context, string) int { return 0 }}
}

func TestArm_SetsANewTimerBeforeItStopsTheOldOne(t *testing.T) {
	m, ran := deadmanMachine(t, func(argv []string) (string, error) {
		if argv[1] == "list-units" {
			return "gateway-revert-old.timer loaded active waiting x\n", nil
		}
		return "", nil
	})
	now := time.Unix(1000, 0)
	if err := deadmanSwitch(t, now).Arm(t.Context(), m, now.Add(1500*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	timer := slices.IndexFunc(*ran, func(s string) bool { return strings.HasPrefix(s, "systemd-run ") })
	stop := slices.Index(*ran, "systemctl stop gateway-revert-old.timer")
	if timer < 0 || stop < timer || !strings.Contains((*ran)[timer], "--on-active=2s") || !strings.Contains((*ran)[timer], "AccuracySec=100ms") {
		t.Errorf("ran %q", *ran)
	}
	if text, err := m.ReadFile(file); string(text) != "state = \"/var/lib/gateway\"\n" {
		t.Errorf("its file is %q, %v", text, err)
	}
	if info, err := m.Stat(program); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the copy: %v, %v", info, err)
	}
}

func TestArm_WithoutSystemdSaysWhatToDo(t *testing.T) {
	m, ran := deadmanMachine(t, nil)
	if err := os.Remove(m.Path("/run/systemd/system")); err != nil {
		t.Fatal(err)
	}
	err := deadmanSwitch(t, time.Now()).Arm(t.Context(), m, time.Now())
	if err == nil || !strings.Contains(err.Error(), "--confirm-within 0") || len(*ran) != 0 {
		t.Errorf("got %v, ran %q", err, *ran)
	}
}

func TestArm_FailsWhereItsCopyDoesNotRun(t *testing.T) {
	m, ran := deadmanMachine(t, func(argv []string) (string, error) {
		if argv[0] == program {
			return "", errors.New("permission denied")
		}
		return "", nil
	})
	s := deadmanSwitch(t, time.Now())
	if err := s.Arm(t.Context(), m, time.Now()); err == nil || !strings.Contains(err.Error(), "noexec") {
		t.Errorf("got %v", err)
	}
	if slices.ContainsFunc(*ran, func(c string) bool { return strings.HasPrefix(c, "systemd-run") }) {
		t.Errorf("ran %q", *ran)
	}
	if err := s.Disarm(t.Context(), m); err != nil || exists(m, folder) {
		t.Errorf("after Disarm: %v", err)
	}
}

func TestDisarm_OfNothingRunsNothing(t *testing.T) {
	m, ran := deadmanMachine(t, nil)
	if err := deadmanSwitch(t, time.Now()).Disarm(t.Context(), m); err != nil || len(*ran) != 0 {
		t.Errorf("got %v, ran %q", err, *ran)
	}
}

func TestUnitsIn_LeavesTheServiceAloneThatItRunsIn(t *testing.T) {
	list := "gateway-revert-ab.service loaded active running x\ngateway-revert-cd.timer loaded active waiting x\n\nother.timer x\n"
	for own, want := range map[string][]string{
		"0::/system.slice/ssh.service\n":               {"gateway-revert-ab.service", "gateway-revert-cd.timer"},
		"0::/system.slice/gateway-revert-ab.service\n": {"gateway-revert-cd.timer"},
		"0::/system.slice/gateway-revert.service\n":    {"gateway-revert-ab.service", "gateway-revert-cd.timer"},
	} {
		if got := unitsIn(list, own); !slices.Equal(got, want) {
			t.Errorf("%q: got %q", own, got)
		}
	}
}

// deadmanLogin is a process 100 (sudo's child) below a login that began so many
// seconds after the boot; it is 1000 seconds since the boot.
func deadmanLogin(t *testing.T, began int, connection string) host.Machine {
	t.Helper()
	m, _ := deadmanMachine(t, nil)
	stat := func(pid int, name string, parent, started int) {
		deadmanWrite(t, m, fmt.Sprintf("/proc/%d/stat", pid),
			fmt.Sprintf("%d (%s) S %d 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0\n", pid, name, parent, started*clockTicks))
		deadmanWrite(t, m, fmt.Sprintf("/proc/%d/status", pid), fmt.Sprintf("Name:\tx\nPPid:\t%d\nUid:\t1000\n", parent))
	}
	stat(100, "gateway", 99, 999)
	stat(99, "sudo) S 1 (x", 98, 999)
	stat(98, "bash", 97, began)
	stat(97, "sshd", 96, began)
	stat(96, "sshd", 1, 5) // the listener
	stat(200, "ssh", 98, 999)
	stat(201, "frpc", 1, 5)
	deadmanWrite(t, m, "/proc/98/environ", "A=b\x00SSH_CONNECTION="+connection+"\x00")
	deadmanWrite(t, m, "/proc/uptime", "1000.00 1.00\n")
	deadmanWrite(t, m, "/etc/passwd", "boss:x:1000:1000::/home/boss:/bin/bash\n")
	deadmanWrite(t, m, "/etc/group", "")
	return m
}

func TestProve_WantsALoginThatBeganAfterTheChange(t *testing.T) {
	now := time.Unix(100_000, 0)
	const outside, inside = "192.0.2.7 50000 192.0.2.1 22", "127.0.0.1 50000 127.0.0.1 22"
	for name, c := range map[string]struct {
		began      int
		since      time.Duration // before now
		connection string
		holder     int
		want       string
	}{
		"a new login":                   {950, 60 * time.Second, outside, 0, ""},
		"the login that has applied":    {930, 60 * time.Second, outside, 0, "this login began"},
		"a login by ssh localhost":      {950, 60 * time.Second, inside, 200, "another one on this same host"},
		"a login by ssh to one's own":   {950, 60 * time.Second, "192.0.2.1 50000 192.0.2.1 22", 200, "another one on this same host"},
		"a tunnel that ends here":       {950, 60 * time.Second, inside, 201, ""},
		"a connection that has no name": {950, 60 * time.Second, inside, 0, ""},
	} {
		s := deadmanSwitch(t, now)
		s.holder = func(context.Context, string) int { return c.holder }
		err := s.Prove(t.Context(), deadmanLogin(t, c.began, c.connection), now.Add(-c.since))
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestProve_RefusesWhatIsNoLoginOverSSH(t *testing.T) {
	m := deadmanLogin(t, 950, "")
	s := deadmanSwitch(t, time.Now())
	for _, pid := range []int{201, 12345} {
		s.pid = pid
		if err := s.Prove(t.Context(), m, time.Time{}); err == nil || !strings.Contains(err.Error(), "tmux") {
			t.Errorf("process %d: got %v", pid, err)
		}
	}
}

func FuzzParseStat_NeverPanics(f *testing.F) {
	f.Add("100 (a) b) S 99 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0\n")
	f.Add("1 (")
	f.Fuzz(func(t *testing.T, text string) {
		if p, ok := parseStat(text); ok && p.started < 0 {
			t.Errorf("%q: %+v", text, p)
		}
	})
}
