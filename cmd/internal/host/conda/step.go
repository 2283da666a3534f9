package conda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"gateway/cmd/internal/host"
)

// Folder is where the step keeps what it downloads, and what base was before an
// upgrade. It is root's own in a folder of root's: what lies there is run.
const Folder = "/var/lib/gateway-setup"

// Step is the step conda of `gateway setup`.
type Step struct {
	config    Config
	installer installer
	unknown   error // why there is no installer
	folder    string
	around    Surroundings
}

// Surroundings are what the step must know besides its table.
type Surroundings struct {
	Arch    string   // of the machine, as GOARCH
	Users   []string // who will be there when the step is applied, though they are not yet
	Kernels bool     // every environment of the table gets ipykernel, so that Jupyter offers it
}

var _ host.Step = (*Step)(nil)

// New makes the step for a table that is valid.
func New(c Config, around Surroundings) *Step {
	one, err := c.installer(around.Arch)
	c.Prefix = path.Clean(c.Prefix)
	return &Step{config: c, installer: one, unknown: err, folder: Folder, around: around}
}

// Name is "conda".
func (s *Step) Name() string { return "conda" }

// Plan looks at the prefix, the shells and the environments.
func (s *Step) Plan(_ context.Context, m host.Machine) (host.Plan, error) {
	if m.OS != "linux" {
		return host.Plan{Refusals: []host.Refusal{{
			What: "conda is installed by gateway on Linux only", Why: "what it would change is in other places here",
			Instead: "on macOS: brew install --cask miniforge",
		}}}, nil
	}
	var plan host.Plan
	if note := s.config.licence(); note != "" {
		plan.Notes = append(plan.Notes, note)
	}
	found, err := look(m, s.config.Prefix)
	if err != nil {
		return host.Plan{}, err
	}
	for _, part := range []func(host.Machine, base, *host.Plan) error{s.planBase, s.planRights, s.planFiles, s.planEnvs} {
		if err := part(m, found, &plan); err != nil {
			return host.Plan{}, err
		}
	}
	return plan, nil
}

// planBase installs what is not there, and leaves alone what is not ours.
func (s *Step) planBase(m host.Machine, found base, plan *host.Plan) error {
	missing, refusal, err := missingFolders(m, s.config.Prefix)
	if err != nil {
		return err
	}
	if refusal != nil {
		plan.Refusals = append(plan.Refusals, *refusal)
	}
	wanted := found.state != baseConda || found.sum == "" && s.config.Upgrade || found.sum != "" && found.sum != s.installer.sha256
	switch {
	case found.state == baseForeign:
		plan.Refusals = append(plan.Refusals, host.Refusal{
			What: s.config.Prefix + " is " + found.foul, Why: "what is there would be mixed with conda's files",
			Instead: "see what it is, and move it away, or write the prefix of another folder",
		})
	case wanted && s.unknown != nil:
		plan.Refusals = append(plan.Refusals, host.Refusal{
			What: s.unknown.Error(), Why: "nothing is run as root that is not known by its SHA-256",
			Instead: "write installer and sha256 of one for this machine in [setup.conda]",
		})
	case wanted && found.state == baseConda:
		condarc, err := m.ReadFile(path.Join(s.config.Prefix, condarcFile))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		plan.Changes = append(plan.Changes, s.upgrade(found, string(condarc)))
	case wanted:
		plan.Changes = append(plan.Changes, s.install(found, missing))
	case found.sum == "":
		plan.Notes = append(plan.Notes, "The conda in "+s.config.Prefix+" was installed by others: it stays as it is. "+
			"upgrade = true in [setup.conda] runs the installer over it.")
	}
	return nil
}

// planRights looks whose the files of a conda are that is there already.
func (s *Step) planRights(m host.Machine, found base, plan *host.Plan) error {
	if found.state != baseConda {
		return nil // the installation does it
	}
	trees, envs := []string{s.config.Prefix}, path.Join(s.config.Prefix, "envs")
	for _, env := range s.config.Envs {
		if at := path.Join(envs, env.Name); env.User == "" && isEnv(m, at) {
			trees = append(trees, at)
		}
	}
	wrong, err := wrongRights(m, trees, envs)
	if err == nil && len(wrong) > 0 {
		plan.Changes = append(plan.Changes, mendRights(s.config.Prefix, trees, wrong))
	}
	return err
}

// planFiles writes the settings of conda and of the shells.
func (s *Step) planFiles(m host.Machine, _ base, plan *host.Plan) error {
	ours := s.config.condarc()
	file := path.Join(s.config.Prefix, condarcFile)
	changes, err := host.Edit(m, file, func(old string) string { return mergeCondarc(old, ours) }, "write "+file,
		"packages come from "+strings.Join(s.config.Channels, ", ")+", and what users make goes to their homes")
	if err != nil {
		return err
	}
	plan.Changes = append(plan.Changes, changes...)
	if changes, err = s.shells(m); err != nil {
		return err
	}
	plan.Changes = append(plan.Changes, changes...)
	changes, refusal, err := s.link(m)
	plan.Changes = append(plan.Changes, changes...)
	if refusal != nil {
		plan.Refusals = append(plan.Refusals, *refusal)
	}
	return err
}

// planEnvs makes the environments of the table.
func (s *Step) planEnvs(m host.Machine, _ base, plan *host.Plan) error {
	for _, env := range s.config.Envs {
		if s.around.Kernels {
			env.Packages = withKernel(env.Packages)
		}
		changes, refusal, err := s.env(m, env)
		if err != nil {
			return err
		}
		plan.Changes = append(plan.Changes, changes...)
		if refusal != nil {
			plan.Refusals = append(plan.Refusals, *refusal)
		}
	}
	return nil
}

// Ready looks whether the prefix is still as free as it was.
func (s *Step) Ready(ctx context.Context, m host.Machine) error {
	plan, err := s.Plan(ctx, m)
	if err != nil {
		return err
	}
	return plan.Refused()
}

// nobody is a user who has no rights of his own: Debian's, and the kernel's
// overflow user.
const nobody = 65534

// Verify asks the conda that is there where it is, and a user without rights
// whether a login shell finds it.
func (s *Step) Verify(ctx context.Context, m host.Machine) error {
	result, err := m.Run(ctx, s.rootCommand(path.Join(s.config.Prefix, "bin/conda"), "info", "--json"))
	if err != nil {
		return fmt.Errorf("the installed conda does not work: %w", err)
	}
	if err := checkInfo(result.Stdout, s.config.Prefix); err != nil {
		return err
	}
	uid := nobody
	script := `. /etc/profile && command -v conda && conda --version`
	if _, err := m.Run(ctx, host.Command{Argv: []string{"sh", "-c", script}, UID: &uid, Dir: "/"}); err != nil {
		return fmt.Errorf("a login shell of a user without rights does not find a working conda: %w", err)
	}
	_, err = m.Run(ctx, s.tidy())
	return err
}

// checkInfo reads what `conda info --json` prints.
func checkInfo(out []byte, prefix string) error {
	var info struct {
		Root string `json:"root_prefix"`
	}
	if err := json.Unmarshal(out, &info); err != nil {
		return fmt.Errorf("conda info --json printed no JSON: %w", err)
	}
	if path.Clean(info.Root) != prefix {
		return errors.New("conda says that it lives in " + info.Root + ", not in " + prefix)
	}
	return nil
}
