package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Step makes gateway a service, as the table [setup.service] says.
type Step struct {
	config Config
	around Around
}

var _ host.Step = (*Step)(nil)

// New makes the step for a table that is valid.
func New(c Config, around Around) *Step { return &Step{config: c, around: around} }

// Name is "service".
func (*Step) Name() string { return "service" }

// Plan looks at the account, the rights, the unit and the ports.
func (s *Step) Plan(ctx context.Context, m host.Machine) (host.Plan, error) {
	if m.OS == "darwin" {
		return s.planDaemon(m)
	}
	if refusal, refused := unable(m); refused {
		return host.Plan{Refusals: []host.Refusal{refusal}}, nil
	}
	d := &draft{Step: s, Machine: m}
	if err := d.look(); err != nil {
		return d.plan, err
	}
	for _, part := range []func(context.Context) error{d.planAccount, d.planProgram, d.planReading, d.planState, d.planFolders, d.planUnit} {
		if err := part(ctx); err != nil {
			return d.plan, err
		}
	}
	return d.plan, nil
}

// unable tells why there can be no unit on a machine.
func unable(m host.Machine) (host.Refusal, bool) {
	if _, err := m.Stat("/run/systemd/system"); m.OS == "linux" && err == nil {
		return host.Refusal{}, false
	}
	return host.Refusal{
		What: "systemd does not run this host", Why: "the service is a unit of systemd",
		Instead: "have whatever starts the services of this host run: gateway run",
	}, true
}

// Ready has nothing to add: what this step rests on is tried out as a part of it.
func (*Step) Ready(context.Context, host.Machine) error { return nil }

// Verify looks whether the service is up. It has said so itself (sd_notify(3)).
func (s *Step) Verify(ctx context.Context, m host.Machine) error {
	if m.OS == "darwin" || unitOf(ctx, m, UnitName).active {
		return nil
	}
	return errors.New("gateway was started and has ended again: `journalctl -u gateway` tells why")
}

// draft is a plan in the making.
type draft struct {
	*Step
	host.Machine
	plan     host.Plan
	accounts account.Database
	who      account.Account // whom gateway runs as
	groups   []string        // its groups, by name, with those that the unit adds
	gids     []int           // the same by number
	program  string          // where gateway is, once the plan is applied
	start    bool            // it must be started, or started anew
}

// look reads who there is, and settles whom gateway runs as.
func (d *draft) look() error {
	var err error
	if d.accounts, err = account.Read(d.Machine); err != nil {
		return err
	}
	found := false
	if d.who, found = d.accounts.Account(d.config.User); !found {
		d.who = account.Account{Name: d.config.User}
	}
	return nil
}

func (d *draft) change(c host.Change) { d.plan.Changes = append(d.plan.Changes, c) }

func (d *draft) refuse(what, why, instead string) {
	d.plan.Refusals = append(d.plan.Refusals, host.Refusal{What: what, Why: why, Instead: instead})
}

// unseen turns "permission denied" for a plan that is not made as root into a note.
func (d *draft) unseen(what string, err error) error {
	if d.UID == 0 || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	note := what + " can only be seen by root: the plan of `sudo gateway setup plan service` is complete"
	if !slices.Contains(d.plan.Notes, note) {
		d.plan.Notes = append(d.plan.Notes, note)
	}
	return nil
}

// needs tells what the backends need of the service.
func (d *draft) needs() needs {
	n := needs{starts: len(d.around.Backends) > 0, homes: slices.ContainsFunc(append(d.around.Reads, d.around.File, d.around.State), underHome)}
	for _, device := range []string{"/dev/nvidiactl", "/dev/kfd"} {
		_, err := d.Lstat(device)
		n.cards = n.cards || err == nil
	}
	for _, b := range d.around.Backends {
		n.spare = n.spare || b.Spared
		n.homes = n.homes || underHome(b.Dir)
		if b.User == "" || b.User == d.config.User {
			continue
		}
		a, known := d.accounts.Account(b.User)
		n.others = true
		n.root = n.root || b.User == "root" || known && a.UID == 0
		n.homes = n.homes || !known || underHome(a.Home)
		if group := d.groupOf(b.User, a, known); !slices.Contains(n.groups, group) && group != "root" {
			n.groups = append(n.groups, group)
		}
	}
	slices.Sort(n.groups)
	return n
}

// groupOf is the primary group of a backend's user. An account that the same run
// makes has one of its own name.
func (d *draft) groupOf(user string, a account.Account, known bool) string {
	if g, found := d.accounts.ByGID(a.GID); known && found {
		return g.Name
	}
	return user
}

func quotedList(paths []string) string {
	if len(paths) > 4 {
		return strings.Join(paths[:3], ", ") + fmt.Sprintf(" and %d more", len(paths)-3)
	}
	return strings.Join(paths, ", ")
}
