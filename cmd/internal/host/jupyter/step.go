package jupyter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Conda makes environments.
type Conda interface {
	// Command is the path of the program.
	Command() string
	// Make are the acts that make an environment of root at a path, readable by all.
	Make(at string, packages []string) []host.Act
	// Unmet are the packages that an environment lacks.
	Unmet(m host.Machine, at string, packages []string) ([]string, error)
}

// Step is the step jupyter of `gateway setup`.
type Step struct {
	config   Config
	conda    Conda
	coming   bool // conda is installed in the same run
	file     File
	problems []string // of the file before the step was applied
}

var _ host.Step = (*Step)(nil)

// New makes the step for a table that is valid. coming says that conda may not
// be there yet, since the step conda is applied before.
func New(c Config, conda Conda, coming bool, file File) *Step {
	c.Prefix = path.Clean(c.Prefix)
	return &Step{config: c, conda: conda, coming: coming, file: file}
}

// Name is "jupyter".
func (s *Step) Name() string { return "jupyter" }

// Plan looks at the environment, the hub's settings and gateway's file.
func (s *Step) Plan(ctx context.Context, m host.Machine) (host.Plan, error) {
	if m.OS != "linux" {
		return host.Plan{Refusals: []host.Refusal{{
			What: "JupyterHub is installed by gateway on Linux only", Why: "it logs people in by PAM, and starts their servers as they are there",
			Instead: "for yourself alone: brew install jupyterlab, and gateway setup jupyter password",
		}}}, nil
	}
	plan := host.Plan{Notes: []string{
		"Passwords of the accounts open JupyterHub, also where ssh takes keys only: who has none, or a locked one, can not log in there.",
	}}
	h, err := s.planHub(m, &plan)
	if err != nil {
		return host.Plan{}, err
	}
	planService(ctx, m, &plan)
	if err := s.planPeople(m, &plan); err != nil {
		return host.Plan{}, err
	}
	for _, part := range []func(host.Machine, hub, *host.Plan) error{s.planSettings, s.planFile} {
		if err := part(m, h, &plan); err != nil {
			return host.Plan{}, err
		}
	}
	return plan, nil
}

// planHub installs the hub where there is none.
func (s *Step) planHub(m host.Machine, plan *host.Plan) (hub, error) {
	h := hub{Config: s.config, conda: s.conda.Command()}
	present, ours, empty, err := look(m, h)
	h.ours = ours || !present
	switch {
	case err != nil:
		return h, err
	case !present && !empty:
		plan.Refusals = append(plan.Refusals, host.Refusal{
			What: h.Prefix + " is not empty, and has no bin/jupyterhub", Why: "what is there would be mixed with the files of the environment",
			Instead: "see what it is, and move it away, or write another prefix",
		})
	case !present:
		s.planInstall(m, plan)
	case !ours:
		plan.Notes = append(plan.Notes, "The JupyterHub in "+h.Prefix+" was installed by others: it is used as it is.")
	default:
		unmet, err := s.conda.Unmet(m, h.Prefix, versions())
		if err != nil || len(unmet) == 0 {
			return h, err
		}
		plan.Notes = append(plan.Notes, fmt.Sprintf("The environment %s was made for other versions; gateway knows %s. Bring it there with: %s install -p %s %s",
			h.Prefix, strings.Join(unmet, ", "), h.conda, h.Prefix, strings.Join(unmet, " ")))
	}
	return h, nil
}

// look tells whether a hub is at its prefix, whether it is in an environment of
// conda, and whether there is room for one.
func look(m host.Machine, h hub) (present, ours, empty bool, err error) {
	entries, err := m.ReadDir(h.Prefix)
	if errors.Is(err, fs.ErrNotExist) {
		return false, false, true, nil
	}
	if err != nil {
		return false, false, false, fmt.Errorf("look at %s: %w", h.Prefix, err)
	}
	_, err = m.Stat(h.bin("jupyterhub"))
	_, notOurs := m.Stat(path.Join(h.Prefix, "conda-meta/history"))
	return err == nil, notOurs == nil, len(entries) == 0, nil
}

func (s *Step) planInstall(m host.Machine, plan *host.Plan) {
	if _, err := m.Stat(s.conda.Command()); err != nil && !s.coming {
		plan.Refusals = append(plan.Refusals, host.Refusal{
			What: "there is no conda at " + s.conda.Command(), Why: "JupyterHub lives in an environment of its own, which conda makes",
			Instead: "add [setup.conda] to the file",
		})
		return
	}
	plan.Changes = append(plan.Changes, host.Change{
		What: fmt.Sprintf("make the environment %s with %s", s.config.Prefix, strings.Join(versions(), ", ")),
		Why:  "JupyterHub has an environment of its own, so that nothing else decides its versions",
		Acts: s.conda.Make(s.config.Prefix, versions()),
	})
}

// planPeople tells of names that may be slips of the pen. The step user makes
// accounts in the same run, so that they are no reason to refuse.
func (s *Step) planPeople(m host.Machine, plan *host.Plan) error {
	accounts, err := account.Read(m)
	if err != nil {
		return err
	}
	for _, name := range slices.Concat(s.config.Users, s.config.Admins) {
		if _, known := accounts.Account(name); !known {
			plan.Notes = append(plan.Notes, fmt.Sprintf("There is no account %s yet, whom [setup.jupyter] names.", name))
		}
	}
	for _, name := range s.config.Groups {
		if _, known := accounts.Group(name); !known {
			plan.Notes = append(plan.Notes, fmt.Sprintf("There is no group %s yet, which [setup.jupyter] names.", name))
		}
	}
	return nil
}

// planService stops a hub that the system runs by itself, as Debian's package does,
// on all addresses and without TLS.
func planService(ctx context.Context, m host.Machine, plan *host.Plan) {
	const unit = "jupyterhub.service"
	if _, err := m.Run(ctx, host.Command{Argv: []string{"systemctl", "is-enabled", "--quiet", unit}}); err != nil {
		return // there is none, or it is off
	}
	plan.Changes = append(plan.Changes, host.Change{
		What: "stop and disable " + unit, Why: "gateway runs the hub, and there is to be one only",
		Acts: []host.Act{host.Program{
			Do:   host.Command{Argv: []string{"systemctl", "disable", "--now", "--quiet", unit}},
			Undo: []host.Command{{Argv: []string{"systemctl", "enable", "--now", "--quiet", unit}}},
		}},
	})
}

// planSettings writes the hub's own file and makes the folder for its state.
func (s *Step) planSettings(m host.Machine, h hub, plan *host.Plan) error {
	for _, folder := range []host.Folder{{Path: configFolder, Perm: 0o755}, {Path: stateFolder, Perm: 0o700}} {
		if _, err := m.Stat(folder.Path); errors.Is(err, fs.ErrNotExist) {
			plan.Changes = append(plan.Changes, host.Change{What: "make the folder " + folder.Path, Why: "JupyterHub keeps its settings and its state apart", Acts: []host.Act{folder}})
		}
	}
	changes, err := host.Edit(m, configFile, func(string) string { return h.settings() }, "write "+configFile,
		"the hub listens on 127.0.0.1 only, and lets in whom [setup.jupyter] names")
	plan.Changes = append(plan.Changes, changes...)
	return err
}

// planFile writes the hub into gateway's file.
func (s *Step) planFile(m host.Machine, h hub, plan *host.Plan) error {
	old, err := m.ReadFile(s.file.Path())
	if err != nil {
		plan.Refusals = append(plan.Refusals, host.Refusal{
			What: "gateway's file can't be read: " + err.Error(), Why: "the hub is reached by a [[site]] of it",
			Instead: "write one first (start from config.example.toml), and name it with -c FILE",
		})
		return nil
	}
	text, refusal, err := h.entry(s.file, string(old))
	if err != nil {
		return err
	}
	if refusal != nil {
		plan.Refusals = append(plan.Refusals, *refusal)
		return nil
	}
	changes, err := host.Edit(m, s.file.Path(), func(string) string { return text }, "write the backend "+backendName+" into "+s.file.Path(),
		"gateway starts the hub and leads to it; every other line of the file stays. It takes effect when gateway reads its file again")
	plan.Changes = append(plan.Changes, changes...)
	return err
}

// Ready notes what is wrong with gateway's file already, so that it is not taken
// for the fault of this step.
func (s *Step) Ready(ctx context.Context, m host.Machine) error {
	plan, err := s.Plan(ctx, m)
	if err != nil {
		return err
	}
	if err := plan.Refused(); err != nil {
		return err
	}
	s.problems = s.file.Problems()
	return nil
}

// Verify asks the hub for its version, and checks gateway's file.
func (s *Step) Verify(ctx context.Context, m host.Machine) error {
	h := hub{Config: s.config}
	if _, err := m.Run(ctx, host.Command{Argv: []string{h.bin("jupyterhub"), "--version"}, Dir: "/"}); err != nil {
		return fmt.Errorf("the installed JupyterHub does not start: %w", err)
	}
	for _, problem := range s.file.Problems() {
		if !slices.Contains(s.problems, problem) {
			return fmt.Errorf("gateway check finds fault with what was written: %s", problem)
		}
	}
	return nil
}
