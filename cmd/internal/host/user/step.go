package user

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Step makes, changes or removes accounts. It is made by [New] for the tables of
// the file, and by [Add], [Change] and [Remove] for one account by command.
type Step struct {
	wishes []wish
}

// wish is what is wanted of one account.
type wish interface {
	// plan adds what is to be done.
	plan(ctx context.Context, s *sight, p *host.Plan) error
	// verify looks whether it was done.
	verify(ctx context.Context, m host.Machine) error
}

// New makes the step that brings accounts into the state of the tables.
func New(users []Config) *Step {
	step := &Step{}
	for _, c := range users {
		step.wishes = append(step.wishes, wanted{Config: c})
	}
	return step
}

// Add makes the step that makes one account, or brings one that is there into the
// state of the table. A password that is not nil is set in either case.
func Add(c Config, password []byte) *Step {
	return &Step{wishes: []wish{wanted{Config: c, password: password}}}
}

// Name is "user".
func (*Step) Name() string { return "user" }

// Plan reads who is there and says what is to be done.
func (s *Step) Plan(ctx context.Context, m host.Machine) (host.Plan, error) {
	var p host.Plan
	if len(s.wishes) == 0 {
		return p, nil
	}
	if refusal, refused := unable(m); refused {
		p.Refusals = append(p.Refusals, refusal)
		return p, nil
	}
	now, err := look(m)
	if err != nil {
		return p, err
	}
	for _, w := range s.wishes {
		if err := w.plan(ctx, now, &p); err != nil {
			return p, err
		}
	}
	rememberDatabase(&p)
	return p, nil
}

// rememberDatabase has the times of the account database, and the copies that
// its tools keep of it, put back with the accounts.
func rememberDatabase(p *host.Plan) {
	runsTool := func(act host.Act) bool { _, is := act.(host.Program); return is }
	for i, c := range p.Changes {
		if !slices.ContainsFunc(c.Acts, runsTool) {
			continue
		}
		var acts []host.Act
		for _, name := range []string{"passwd", "group", "shadow", "gshadow", "subuid", "subgid"} {
			file := "/etc/" + name
			acts = append(acts, host.Touched{Path: file}, host.Touched{Path: file + "-", With: file})
		}
		p.Changes[i].Acts = append(acts, c.Acts...)
		return // the tools of later changes are taken back before
	}
}

// Ready has nothing to add: no other step changes accounts.
func (*Step) Ready(context.Context, host.Machine) error { return nil }

// Verify looks whether every account is as it was wanted.
func (s *Step) Verify(ctx context.Context, m host.Machine) error {
	var failed []error
	for _, w := range s.wishes {
		failed = append(failed, w.verify(ctx, m))
	}
	return errors.Join(failed...)
}

// unable tells why accounts can't be made on this kind of machine.
func unable(m host.Machine) (host.Refusal, bool) {
	switch {
	case m.OS == "darwin":
		return host.Refusal{
			What: "gateway makes no accounts on macOS", Why: "its accounts are in Open Directory, which has other rules than Linux",
			Instead: "use `sudo sysadminctl -addUser NAME -password -`, then put the key into ~NAME/.ssh/authorized_keys",
		}, true
	case m.OS != "linux" || !account.Installed(m, "useradd"):
		return host.Refusal{
			What: "there is no useradd on this host", Why: "gateway makes accounts with the tools of the package shadow (on Debian and Ubuntu: passwd)",
			Instead: "install that package, or make the account with the tool of this system",
		}, true
	}
	return host.Refusal{}, false
}

// sight is the machine as it was when planning began, with the numbers that are
// spoken for by what is planned already.
type sight struct {
	host.Machine
	account.Database
	numbers numbers
}

func look(m host.Machine) (*sight, error) {
	d, err := account.Read(m)
	if err != nil {
		return nil, err
	}
	return &sight{Machine: m, Database: d, numbers: readNumbers(m, d)}, nil
}

// isRoot tells whether we may see everything.
func (s *sight) isRoot() bool { return s.UID == 0 }

// refuse adds a refusal to a plan.
func refuse(p *host.Plan, what, why, instead string) {
	p.Refusals = append(p.Refusals, host.Refusal{What: what, Why: why, Instead: instead})
}

// unseen turns "permission denied" for a plan that is not made as root into a note.
func (s *sight) unseen(p *host.Plan, what string, err error) error {
	if s.isRoot() || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	p.Notes = append(p.Notes, fmt.Sprintf("%s can only be seen by root: the plan of `sudo gateway setup plan user` is complete", what))
	return nil
}

// onlyIf runs a program if an account is there. Undo must succeed where there is
// nothing to undo, which most tools of shadow take for an error.
func onlyIf(name string, argv ...string) host.Command {
	const script = `getent passwd "$1" >/dev/null || exit 0; shift; exec "$@"`
	return host.Command{Argv: append([]string{"sh", "-c", script, "sh", name}, argv...)}
}

// onlyIfGroup is onlyIf for a group.
func onlyIfGroup(name string, argv ...string) host.Command {
	const script = `getent group "$1" >/dev/null || exit 0; shift; exec "$@"`
	return host.Command{Argv: append([]string{"sh", "-c", script, "sh", name}, argv...)}
}
