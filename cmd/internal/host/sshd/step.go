package sshd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"strings"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Step makes sshd as the table [setup.sshd] says.
type Step struct {
	config   Config
	expected []string
	pid      int
	// offers tells whether the sshd at an address asks a user for a password.
	offers    func(ctx context.Context, address, user string) (bool, error)
	listeners func(ctx context.Context) ([]host.Listener, error)
}

// New is the step for a table. Of the users that are expected, an earlier step of
// the same run makes admins who can log in by key and become root; before
// anything is closed, the step looks whether that came true.
func New(c Config, expected []string) *Step {
	return &Step{config: c, expected: expected, pid: os.Getpid(), offers: offers, listeners: host.Listeners}
}

// Name is the one of the table.
func (s *Step) Name() string { return "sshd" }

// survey is what there is and what is wanted.
type survey struct {
	daemon  daemon
	pidFile string
	place   place
	trial   trial
}

// Plan compares what sshd would do with what it shall do.
func (s *Step) Plan(ctx context.Context, m host.Machine) (host.Plan, error) {
	if refusal := s.unsupported(m); refusal != nil {
		return host.Plan{Refusals: []host.Refusal{*refusal}}, nil
	}
	if m.UID != 0 {
		return s.planUnprivileged(m)
	}
	if result, err := m.Run(ctx, host.Command{Argv: account.SSHDCommand(m, "-t")}); err != nil {
		return brokenPlan(result, err)
	}
	v, err := s.survey(ctx, m)
	if err != nil {
		return host.Plan{}, err
	}
	j, err := s.newJudge(m, v.trial.settings, s.expected)
	if err != nil {
		return host.Plan{}, err
	}
	closing, err := v.changes(m)
	if err != nil {
		return host.Plan{}, err
	}
	plan := host.Plan{Changes: append(mendChanges(m, j.accounts), closing...), Refusals: v.place.refusals, Notes: v.notes()}
	if len(plan.Refusals) == 0 {
		plan.Refusals, err = j.unmet(ctx)
	}
	if err == nil && len(plan.Refusals) == 0 && len(closing) > 0 {
		plan.Refusals, err = j.refusals(ctx)
	}
	return plan, err
}

func (s *Step) survey(ctx context.Context, m host.Machine) (survey, error) {
	now, err := account.SSHD(ctx, m, "", netip.Addr{})
	if err != nil {
		return survey{}, err
	}
	v := survey{daemon: findDaemon(ctx, m), pidFile: now.Get("pidfile"), trial: trial{machine: m}}
	include, err := canInclude(ctx, m)
	if err != nil {
		return survey{}, fmt.Errorf("let sshd try its configuration: %w", err)
	}
	if include {
		v.place, err = placeIncluded(m, s.config.settings())
	} else {
		v.place, err = placeInMain(m, s.config.settings())
	}
	if err != nil {
		return survey{}, err
	}
	v.trial.whole, v.trial.text = !include, v.place.edits[0].text
	_, err = v.trial.sshd(ctx, "-t")
	if exit := (*host.ExitError)(nil); errors.As(err, &exit) {
		v.place.refusals = append(v.place.refusals, host.Refusal{
			What:    "sshd would not take the new settings: " + oneLine(exit.Stderr),
			Why:     "another line of its configuration needs what they forbid",
			Instead: "change that line, then run this again",
		})
		err = nil
	}
	return v, err
}

func (v survey) notes() []string {
	var notes []string
	for _, l := range v.place.overruled {
		notes = append(notes, fmt.Sprintf("%s:%d: %q for `Match %s` does not count any more: what is set here holds for everyone", l.file, l.number, l.keyword+" "+l.value, l.match))
	}
	if v.daemon.service != "" && !v.daemon.running && len(v.daemon.sockets) == 0 {
		notes = append(notes, "sshd is not running: the settings hold once it is started")
	}
	return notes
}

// changes are the files that are not as they shall be, between sshd's test and
// its reload: one in front, which is done when the files are taken back, and one
// behind.
func (v survey) changes(m host.Machine) ([]host.Change, error) {
	changes, err := fileChanges(m, v.place.edits)
	if err != nil || len(changes) == 0 {
		return nil, err
	}
	reload := v.daemon.reload(v.pidFile)
	changes[0].Acts = append([]host.Act{host.Program{Undo: []host.Command{reload}}}, changes[0].Acts...)
	return append(changes, host.Change{
		What:   "test the configuration with `sshd -t`, then " + v.daemon.reloading(),
		Why:    "no session is ended, and a configuration that sshd does not take changes nothing",
		Switch: true,
		Acts:   []host.Act{host.Program{Do: host.Command{Argv: account.SSHDCommand(m, "-t")}}, host.Program{Do: reload}},
	}), nil
}

func fileChanges(m host.Machine, edits []edit) ([]host.Change, error) {
	var changes []host.Change
	for _, e := range edits {
		before, err := m.ReadFile(e.path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err == nil && string(before) == e.text {
			continue
		}
		change := host.Change{What: "write " + e.path, Why: e.why, Diff: host.Diff(e.path, before, []byte(e.text)), Switch: true}
		if _, err := m.Lstat(path.Dir(e.path)); errors.Is(err, fs.ErrNotExist) {
			change.Acts = append(change.Acts, host.Folder{Path: path.Dir(e.path), Perm: 0o755})
		}
		change.Acts = append(change.Acts, fileAct(m, e))
		changes = append(changes, change)
	}
	return changes, nil
}

// fileAct keeps mode and owner of a file that is there.
func fileAct(m host.Machine, e edit) host.File {
	act := host.File{Path: e.path, Data: []byte(e.text), Perm: 0o644}
	if info, err := m.Stat(e.path); err == nil {
		act.Perm, act.Owner = info.Mode().Perm(), ownerOf(info, account.Account{})
	}
	return act
}

// Ready looks whether an admin can still come in, now that the accounts are made.
func (s *Step) Ready(ctx context.Context, m host.Machine) error {
	v, err := s.survey(ctx, m)
	if err != nil {
		return err
	}
	if err := describe(v.place.refusals); err != nil {
		return err
	}
	j, err := s.newJudge(m, v.trial.settings, nil)
	if err != nil {
		return err
	}
	refusals, err := j.refusals(ctx)
	if err != nil {
		return err
	}
	return describe(refusals)
}

// brokenPlan refuses to touch a configuration that sshd itself does not take.
func brokenPlan(result host.Result, err error) (host.Plan, error) {
	exit := (*host.ExitError)(nil)
	if !errors.As(err, &exit) {
		return host.Plan{}, fmt.Errorf("test the configuration of sshd: %w", err)
	}
	return host.Plan{Refusals: []host.Refusal{{
		What:    "the configuration of sshd is broken as it is: " + oneLine(string(result.Stderr)),
		Why:     "the running sshd would not take any change, and would not start again",
		Instead: "mend it until `sshd -t` says nothing, then run this again",
	}}}, nil
}

// oneLine makes of the lines that sshd prints a part of a sentence.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
