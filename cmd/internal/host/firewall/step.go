package firewall

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Around is what the firewall must know of the rest.
type Around struct {
	Doors   []Door          // the ports of every [[site]] listen that is not on loopback
	Present account.Present // the login that must not be cut off
	// Listeners lists the sockets that wait for connections on the machine.
	Listeners func(context.Context) ([]host.Listener, error)
}

// power is what is wanted of the firewall as a whole.
type power int

const (
	asItIs power = iota
	on
	off
)

// Step changes the firewall. It is made by [New] for the table of the file, and
// by [Allow], [Deny], [Enable] and [Disable] by command.
type Step struct {
	around      Around
	power       power
	allow, deny []Spec
}

// New makes the step that brings the firewall into the state of the table, which
// must be a valid one.
func New(c Config, around Around) *Step {
	s := &Step{around: around, power: off}
	if c.Enable {
		s.power = on
	}
	for _, text := range c.Allow {
		if spec, err := ParseSpec(text); err == nil {
			s.allow = append(s.allow, spec)
		}
	}
	for _, text := range c.Deny {
		if spec, err := ParseSpec(text); err == nil {
			s.deny = append(s.deny, spec)
		}
	}
	return s
}

// Allow makes the step that lets something in.
func Allow(specs []Spec, around Around) *Step { return &Step{around: around, allow: specs} }

// Deny makes the step that keeps something out.
func Deny(specs []Spec, around Around) *Step { return &Step{around: around, deny: specs} }

// Enable makes the step that turns the firewall on, with the doors open.
func Enable(around Around) *Step { return &Step{around: around, power: on} }

// Disable makes the step that turns the firewall off, and keeps its rules.
func Disable(around Around) *Step { return &Step{around: around, power: off} }

// Name is "firewall".
func (*Step) Name() string { return "firewall" }

// Plan reads the firewall and says what is to be done.
func (s *Step) Plan(ctx context.Context, m host.Machine) (host.Plan, error) {
	if refusal, refused := unable(ctx, m); refused {
		return host.Plan{Refusals: []host.Refusal{refusal}}, nil
	}
	d := &draft{Step: s}
	if ready, err := d.look(ctx, m); err != nil || !ready {
		return d.plan, err
	}
	doors, notes, err := s.sshDoors(ctx, m)
	if err != nil {
		return d.plan, err
	}
	d.plan.Notes = append(d.plan.Notes, notes...)
	d.draw(ctx, m, doors)
	return d.plan, nil
}

// Ready looks for the doors of ssh again, after the step of sshd: a firewall must
// not be turned on around a sshd that has ended. Verify looks whether they are open.
func (s *Step) Ready(ctx context.Context, m host.Machine) error {
	if s.power != on {
		return nil
	}
	doors, _, err := s.sshDoors(ctx, m)
	if err == nil && len(doors) == 0 {
		err = errors.New("the port of ssh can't be told any more: look whether sshd runs")
	}
	return err
}

// Verify asks ufw whether it is what was wanted, and the rules whether every door
// is open. The exit status of ufw tells neither.
func (s *Step) Verify(ctx context.Context, m host.Machine) error {
	u, err := readUFW(ctx, m)
	if err != nil {
		return err
	}
	var failed []error
	if s.power == on && (!u.active || !u.enabled) {
		failed = append(failed, fmt.Errorf("ufw says that it is on, but it is not: `ufw status` and `journalctl -u ufw` tell more"))
	}
	if s.power == off && (u.active || u.enabled) {
		failed = append(failed, fmt.Errorf("ufw says that it is off, but it is not: `ufw status` tells more"))
	}
	if s.power == on {
		failed = append(failed, s.verifyDoors(ctx, m, u))
	}
	return errors.Join(append(failed, s.verifySpecs(u))...)
}

func (s *Step) verifyDoors(ctx context.Context, m host.Machine, u ufw) error {
	ssh, _, err := s.sshDoors(ctx, m)
	if err != nil {
		return err
	}
	var failed []error
	for _, door := range append(ssh, s.around.Doors...) {
		if status := u.door(door, s.around.Present); !status.Open && !status.Partly {
			failed = append(failed, fmt.Errorf("port %d (%s) is not open, although a rule was added: `ufw show added` lists them", door.Port, door.For))
		}
	}
	return errors.Join(failed...)
}

func (s *Step) verifySpecs(u ufw) error {
	var failed []error
	for _, wanted := range []struct {
		specs []Spec
		open  bool
	}{{s.allow, true}, {s.deny, false}} {
		for _, spec := range wanted.specs {
			switch {
			case !u.has(spec, wanted.open):
				failed = append(failed, fmt.Errorf("there is no rule for %s, although it was added: `ufw show added` lists them", spec))
			case u.shadowed(spec, wanted.open):
				failed = append(failed, fmt.Errorf("the rule for %s has no effect, as one in front of it says otherwise: `ufw status numbered` lists them", spec))
			}
		}
	}
	return errors.Join(failed...)
}

// has tells whether there is a rule for an entry in every family.
func (u ufw) has(spec Spec, open bool) bool {
	for _, family := range spec.families(u.ipv6) {
		if !slices.ContainsFunc(u.rules, func(r Rule) bool { return r.Family == family && r.is(spec) && r.opens() == open }) {
			return false
		}
	}
	return true
}

// unable tells why there can be no ufw on this machine.
func unable(ctx context.Context, m host.Machine) (host.Refusal, bool) {
	if m.OS != "linux" {
		return host.Refusal{
			What: "gateway sets no firewall on " + systemName(m.OS), Why: "its firewall knows programs, not ports",
			Instead: "switch it on in System Settings, Network, Firewall, or with `sudo /usr/libexec/ApplicationFirewall/socketfilterfw --setglobalstate on`",
		}, true
	}
	if account.Installed(m, "firewall-cmd") && running(ctx, m, "firewalld.service") {
		return host.Refusal{
			What: "firewalld is running", Why: "two firewalls on one host undo each other's rules",
			Instead: "open the ports there (`firewall-cmd --permanent --add-port=443/tcp`, then `firewall-cmd --reload`), or give firewalld up: `systemctl disable --now firewalld`",
		}, true
	}
	return host.Refusal{}, false
}

func systemName(system string) string {
	if system == "darwin" {
		return "macOS"
	}
	return system
}

func running(ctx context.Context, m host.Machine, unit string) bool {
	result, err := m.Run(ctx, host.Command{Argv: []string{"systemctl", "is-active", unit}})
	return err == nil && strings.TrimSpace(string(result.Stdout)) == "active"
}
