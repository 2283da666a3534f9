package firewall

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// draft is a plan in the making.
type draft struct {
	*Step
	ufw       ufw
	plan      host.Plan
	apps      []App
	installed bool // ufw is to be installed first
	kept      bool // the files of ufw are in the journal
}

// look reads what there is. Without ufw there is nothing to turn off, and it is
// installed for everything else; ready is false when there is no more to plan.
func (d *draft) look(ctx context.Context, m host.Machine) (ready bool, err error) {
	if !account.Installed(m, "ufw") {
		return d.power != off && d.install(m), nil
	}
	if d.apps, err = Apps(m); err == nil {
		d.ufw, err = readUFW(ctx, m)
	}
	return err == nil, err
}

// draw adds everything that is wanted.
func (d *draft) draw(ctx context.Context, m host.Machine, ssh []Door) {
	if d.power == on && len(ssh) == 0 {
		d.refuse("the port of ssh can't be told", "you would be cut off once the firewall is on", `start sshd, or, if there is none on purpose, run `+"`ufw enable`"+` at the console`)
		return
	}
	if d.power == on {
		d.drawDefaults(m)
		d.drawDoors(ssh)
	}
	for _, spec := range d.deny {
		d.drawDeny(spec, ssh)
	}
	for _, spec := range d.allow {
		d.drawAllow(spec)
	}
	switch {
	case d.power == on:
		d.drawEnable()
		d.plan.Notes = append(d.plan.Notes, foreign(ctx, m)...)
	case d.power == off && (d.ufw.active || d.ufw.enabled):
		d.drawDisable()
	case d.power == asItIs && !d.ufw.active:
		d.plan.Notes = append(d.plan.Notes, "the firewall is off: rules count once it is on, by `gateway setup firewall enable`")
	}
	if len(d.plan.Changes) > 0 && d.power != off {
		d.plan.Notes = append(d.plan.Notes, d.cloud(ssh))
	}
}

func (d *draft) refuse(what, why, instead string) {
	d.plan.Refusals = append(d.plan.Refusals, host.Refusal{What: what, Why: why, Instead: instead})
}

// add adds a change. Before the first one the journal gets all files that ufw
// may write, so that undo puts back what was in them byte for byte, and then has
// ufw load it. Their writing here changes nothing.
func (d *draft) add(c host.Change) {
	if !d.kept && !d.installed {
		d.kept = true
		acts := []host.Act{host.Program{Undo: []host.Command{reload()}}}
		for _, name := range []string{confFile, defaultsFile, rulesFile, rules6File} {
			if f, found := d.ufw.files[name]; found {
				acts = append(acts, host.File{Path: name, Data: f.text, Perm: f.perm})
			}
		}
		c.Acts = append(acts, c.Acts...)
	}
	d.plan.Changes = append(d.plan.Changes, c)
}

// reload has ufw load the files as they are.
func reload() host.Command {
	// "enable" alone leaves the rules of a firewall that is on as they are.
	const script = `if grep -q '^ENABLED=yes' ` + confFile + `; then ufw --force enable && exec ufw reload; fi; exec ufw --force disable`
	return host.Command{Argv: []string{"sh", "-c", script}}
}

// install adds the installation of ufw. What it will bring is known: no rules,
// and IPv6 on.
func (d *draft) install(m host.Machine) bool {
	if !account.Installed(m, "apt-get") {
		d.refuse("there is no ufw on this host", "gateway sets the firewall with it", "install it with the package manager of this system")
		return false
	}
	d.installed, d.ufw = true, ufw{ipv6: true, input: "DROP", unit: "enabled"}
	d.plan.Changes = append(d.plan.Changes, host.Change{
		What: "install ufw", Why: "it is the firewall of Debian and Ubuntu that can be read and changed by hand, too",
		Acts: []host.Act{host.Program{
			Do:   host.Command{Argv: []string{"apt-get", "install", "--yes", "--no-install-recommends", "ufw"}},
			Undo: []host.Command{{Argv: []string{"apt-get", "purge", "--yes", "ufw"}}},
		}},
	})
	return true
}

// drawDefaults sees to it that what no rule is about is kept out, over IPv6 too.
func (d *draft) drawDefaults(m host.Machine) {
	if d.installed {
		return
	}
	was := d.ufw.files[defaultsFile]
	before := was.text
	after, why := before, []string(nil)
	if !d.ufw.ipv6 && kernelHasIPv6(m) {
		after, why = withSetting(after, "IPV6", "yes"), append(why, "over IPv6 nobody at all would be let in, not even to the open ports")
		d.ufw.ipv6 = true
	}
	if d.ufw.input == "ACCEPT" {
		after, why = withSetting(after, "DEFAULT_INPUT_POLICY", `"DROP"`), append(why, "what no rule is about would be let in, so that the firewall would close nothing")
	}
	if len(why) == 0 {
		return
	}
	d.add(host.Change{
		What: "change the defaults of ufw in " + defaultsFile, Why: strings.Join(why, "; "), Switch: true,
		Diff: host.Diff(defaultsFile, before, after),
		Acts: []host.Act{host.File{Path: defaultsFile, Data: after, Perm: was.perm}},
	})
}

// drawDoors opens the port of ssh, and those of the sites.
func (d *draft) drawDoors(ssh []Door) {
	doors := slices.Clone(ssh)
	for _, door := range d.around.Doors {
		if !slices.ContainsFunc(doors, func(other Door) bool { return other.Port == door.Port }) {
			doors = append(doors, door)
		}
	}
	for _, door := range doors {
		d.drawDoor(door)
	}
}

// drawDoor opens one port to everybody, unless somebody has chosen before who
// may come in by it, in whatever family: that choice stays.
func (d *draft) drawDoor(door Door) {
	client := netip.Addr{}
	if door.For == "ssh" {
		client = d.around.Present.Client.Addr()
	}
	missing, chosen, cutOff := false, false, false
	for _, family := range d.ufw.families() {
		a := ask(d.ufw.rules, family, door.Port, client)
		if a.decided && !a.open {
			d.refuse(fmt.Sprintf("the rule %q keeps port %d closed", a.rule, door.Port), fmt.Sprintf("%s would not be reached", door.For), "take the rule out: see its number with `ufw status numbered`, then `ufw delete NUMBER`")
			return
		}
		missing = missing || !a.decided
		chosen = chosen || a.partly || a.rule.From.IsValid()
		cutOff = cutOff || !a.decided && client.IsValid() && client.Is4() == (family == 4)
	}
	switch {
	case chosen && cutOff:
		d.refuse(fmt.Sprintf("the rules let ssh in on port %d from elsewhere only, and this login comes from %s", door.Port, client), "you would be cut off",
			fmt.Sprintf("let it in first: `gateway setup firewall allow \"%d/tcp from %s\"`", door.Port, client))
	case chosen:
		d.plan.Notes = append(d.plan.Notes, fmt.Sprintf("port %d (%s) stays open for those only whom the rules that are there name", door.Port, door.For))
	case missing:
		d.addRule("allow", Spec{Ports: strconv.Itoa(door.Port), Proto: "tcp"}, "gateway: "+door.For, "open port "+strconv.Itoa(door.Port)+" for "+door.For, doorReason(door))
	}
}

func doorReason(door Door) string {
	if door.For == "ssh" {
		return "it is the way in for admins, and is let in before the firewall is on"
	}
	return "the site listens there"
}

// drawEnable turns the firewall on, now and after a boot.
func (d *draft) drawEnable() {
	if d.ufw.unit == "disabled" || d.ufw.unit == "masked" {
		d.drawUnit()
	}
	if d.ufw.active && d.ufw.enabled {
		return
	}
	d.add(host.Change{
		What: "turn the firewall on", Why: "all ports but the open ones are closed then, also after a reboot", Switch: true,
		Acts: []host.Act{host.Program{
			// Under ssh ufw asks a question without --force, and ends with 0 whatever the answer.
			Do:   host.Command{Argv: []string{"ufw", "--force", "enable"}},
			Undo: []host.Command{{Argv: []string{"sh", "-c", "command -v ufw >/dev/null || exit 0; exec ufw --force disable"}}},
		}},
	})
}

// drawUnit has systemd start the firewall at boot.
func (d *draft) drawUnit() {
	do, undo := []string{"systemctl", "enable", "ufw.service"}, []string{"systemctl", "disable", "ufw.service"}
	if d.ufw.unit == "masked" {
		do, undo = []string{"systemctl", "unmask", "ufw.service"}, []string{"systemctl", "mask", "ufw.service"}
	}
	d.add(host.Change{
		What: "let systemd start ufw at boot", Why: "ufw.service is " + d.ufw.unit + ": the firewall would be gone after a reboot",
		Acts: []host.Act{host.Program{Do: host.Command{Argv: do}, Undo: []host.Command{{Argv: undo}}}},
	})
}

func (d *draft) drawDisable() {
	d.add(host.Change{
		What: "turn the firewall off", Why: "every port that something listens on can be reached then; the rules are kept",
		Acts: []host.Act{host.Program{Do: host.Command{Argv: []string{"ufw", "--force", "disable"}}}},
	})
}

// cloud reminds of the firewall that ufw can't see.
func (d *draft) cloud(ssh []Door) string {
	var ports []string
	for _, door := range append(slices.Clone(ssh), d.around.Doors...) {
		if text := strconv.Itoa(door.Port); !slices.Contains(ports, text) {
			ports = append(ports, text)
		}
	}
	return "a cloud has a firewall of its own (security group) in front of this one: it must let in the same ports, TCP " + strings.Join(ports, ", ")
}
