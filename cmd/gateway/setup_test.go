package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"gateway/cmd/internal/host"
)

// setupFake is a step that wants one file written.
type setupFake struct {
	path    string
	refuses bool
	risky   bool
}

func (s setupFake) Name() string                               { return "fake" }
func (s setupFake) Ready(context.Context, host.Machine) error  { return nil }
func (s setupFake) Verify(context.Context, host.Machine) error { return nil }

func (s setupFake) Plan(_ context.Context, m host.Machine) (host.Plan, error) {
	if s.refuses {
		return host.Plan{Refusals: []host.Refusal{{What: "it is not safe", Why: "it would break", Instead: "mend it first"}}}, nil
	}
	if _, err := m.Lstat(s.path); !errors.Is(err, fs.ErrNotExist) {
		return host.Plan{}, err
	}
	content := []byte("hello\x1b[2J\n")
	return host.Plan{Changes: []host.Change{{
		What: "write " + s.path, Why: "somebody must greet", Diff: host.Diff(s.path, nil, content), Switch: s.risky,
		Acts: []host.Act{host.File{Path: s.path, Data: content, Perm: 0o644, Owner: host.Owner{UID: os.Geteuid(), GID: os.Getegid()}}},
	}}}, nil
}

// setupDeadman counts what it is asked.
type setupDeadman struct{ armed, disarmed int }

func (d *setupDeadman) Arm(context.Context, host.Machine, time.Time) error   { d.armed++; return nil }
func (d *setupDeadman) Disarm(context.Context, host.Machine) error           { d.disarmed++; return nil }
func (d *setupDeadman) Prove(context.Context, host.Machine, time.Time) error { return nil }

// setupApply runs what every command does that applies, on a host in a folder.
func setupApply(t *testing.T, engine *host.Engine, step host.Step, in io.Reader, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	command := &cobra.Command{Use: "apply", SilenceErrors: true, SilenceUsage: true}
	flags := addApplyFlags(command)
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		return applySteps(cmd, engine, []host.Step{step}, flags)
	}
	var out, problems bytes.Buffer
	command.SetArgs(args)
	command.SetIn(in)
	command.SetOut(&out)
	command.SetErr(&problems)
	err := command.Execute()
	var usage usageError
	switch {
	case errors.As(err, &usage):
		code = exitUsage
	case err != nil:
		code = exitFailed
	}
	if err != nil {
		fmt.Fprintln(&problems, err)
	}
	return code, out.String(), problems.String()
}

func setupEngine(t *testing.T) (*host.Engine, string) {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	return host.NewEngine(host.Machine{Root: root, OS: "linux"}, "/var/lib/gateway"), filepath.Join(root, "etc/greeting")
}

func TestSetup_AppliesWithoutAskingWhenToldSo(t *testing.T) {
	engine, path := setupEngine(t)
	code, out, problems := setupApply(t, engine, setupFake{path: "/etc/greeting"}, nil, "--yes")
	want := `fake
  - write /etc/greeting
    somebody must greet
      --- /dev/null
      +++ /etc/greeting
      @@ -0,0 +1 @@
      +hello?[2J

fake: write /etc/greeting
Done. ` + "`sudo gateway setup undo` takes it back.\n"
	if code != exitDone || out != want || problems != "" {
		t.Errorf("exit code %d, %q\nprinted\n%s\nwant\n%s", code, problems, out, want)
	}
	if text, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(text), "hello") {
		t.Errorf("the file holds %q, error %v", text, err)
	}
	code, out, problems = setupApply(t, engine, setupFake{path: "/etc/greeting"}, nil)
	if code != exitDone || out != "fake\n  is as it shall be\n\nThere is nothing to do.\n" {
		t.Errorf("a second time: exit code %d, %q, printed %q", code, problems, out)
	}
}

func TestSetup_ChangesNothingWithoutATerminalOrAYes(t *testing.T) {
	engine, path := setupEngine(t)
	code, _, problems := setupApply(t, engine, setupFake{path: "/etc/greeting"}, strings.NewReader("y\n"))
	if code != exitUsage || problems != "nothing was changed, since there is no terminal to ask on: say --yes\n" {
		t.Errorf("exit code %d, printed %q", code, problems)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the file was written")
	}
}

func TestSetup_TellsARefusalAndFails(t *testing.T) {
	engine, _ := setupEngine(t)
	code, out, problems := setupApply(t, engine, setupFake{refuses: true}, nil, "--yes")
	if code != exitFailed || out != "fake\n  refused: it is not safe\n    it would break\n    mend it first\n\n" || problems != "nothing was changed: first do what the refusals say\n" {
		t.Errorf("exit code %d, %q, printed %q", code, problems, out)
	}
}

func TestSetup_PrintsItsPlanAndItsRunAsJSON(t *testing.T) {
	engine, _ := setupEngine(t)
	code, out, problems := setupApply(t, engine, setupFake{path: "/etc/greeting"}, nil, "--yes", "--json")
	var report applyReport
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitDone {
		t.Fatalf("exit code %d, %q, error %v, printed %s", code, problems, err, out)
	}
	if report.Run == nil || report.Run.State != host.StateApplied || report.Plan.Steps[0].Changes[0].What != "write /etc/greeting" {
		t.Errorf("printed %s", out)
	}
	if _, out, _ = setupApply(t, engine, setupFake{path: "/etc/greeting"}, nil, "--json"); !strings.Contains(out, `"run": null`) {
		t.Errorf("with nothing to do it printed %s", out)
	}
}

func TestSetup_ArmsTheDeadMansSwitchForWhatCouldCutOff(t *testing.T) {
	engine, _ := setupEngine(t)
	deadman := &setupDeadman{}
	engine.Deadman = deadman
	code, out, problems := setupApply(t, engine, setupFake{path: "/etc/greeting", risky: true}, nil, "--yes", "--confirm-within", "10m")
	if code != exitDone || deadman.armed == 0 || deadman.disarmed != 0 {
		t.Fatalf("exit code %d, %q, the switch: %+v", code, problems, deadman)
	}
	if !strings.Contains(out, "It is taken back after 10m0s unless you log in anew by ssh") || !strings.Contains(out, "\nUntil 20") {
		t.Errorf("printed %s", out)
	}
	code, _, problems = setupApply(t, engine, setupFake{path: "/etc/other"}, nil, "--yes")
	if code != exitFailed || !strings.Contains(problems, "run 1 waits until ") {
		t.Errorf("a second run: exit code %d, %q", code, problems)
	}
	run, err := engine.Confirm(t.Context())
	if err != nil || run.State != host.StateApplied || deadman.disarmed != 1 {
		t.Errorf("confirmed %+v, error %v, the switch: %+v", run, err, deadman)
	}
}

func TestSetup_UnderstandsItsCommandLine(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.toml")
	state := writeFile(t, t.TempDir(), "config.toml", fmt.Sprintf("state = %q\n", t.TempDir()))
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"setup", "aply"}, exitUsage, `unknown command "aply"`},
		{[]string{"setup", "plan", "sshd", "ssh"}, exitUsage, `"ssh" is no step of setup: write one or more of user, sshd, firewall, conda, jupyter, service`},
		{[]string{"setup", "plan", "-c", none}, exitFailed, "there is no such file"},
		{[]string{"setup", "plan", "-c", state}, exitDone, "declares nothing for setup"},
		{[]string{"setup", "plan", "user", "-c", state}, exitFailed, "the file declares nothing for the step user"},
		{[]string{"setup", "undo", "--expired", "--all"}, exitUsage, "--expired and --unconfirmed stand alone"},
		{[]string{"setup", "confirm", "now"}, exitUsage, "takes no arguments"},
	} {
		var out, problems bytes.Buffer
		if code := run(c.args, &out, &problems); code != c.code || !strings.Contains(out.String()+problems.String(), c.says) {
			t.Errorf("%q: exit code %d, printed %s%s", c.args, code, out.String(), problems.String())
		}
	}
}

func TestSetup_TellsRunsToRootAlone(t *testing.T) {
	state := t.TempDir()
	file := writeFile(t, t.TempDir(), "config.toml", fmt.Sprintf("state = %q\n", state))
	for args, want := range map[string]string{
		"setup status":             "setup has not changed anything on this machine\n",
		"setup status --json":      "[]\n",
		"setup undo":               "There is nothing to undo.\n",
		"setup undo --json":        "[]\n",
		"setup undo --unconfirmed": "",
	} {
		var out, problems bytes.Buffer
		code := run(append(strings.Fields(args), "-c", file), &out, &problems)
		if os.Geteuid() != 0 {
			if want := "gateway: only root can do this: sudo gateway " + strings.TrimSuffix(args, " --json"); code != exitFailed || !strings.HasPrefix(problems.String(), want) {
				t.Errorf("%s: exit code %d, %q", args, code, problems.String())
			}
		} else if code != exitDone || out.String() != want {
			t.Errorf("%s: exit code %d, printed %q, %q", args, code, out.String(), problems.String())
		}
	}
	if entries, err := os.ReadDir(state); err != nil || len(entries) > 0 {
		t.Errorf("something was written: %v, error %v", entries, err)
	}
}
