package firewall

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"gateway/cmd/internal/host"
)

// addRule adds a change that adds one rule. A comment that a rule of the same
// kind has stays.
func (d *draft) addRule(action string, spec Spec, comment, what, why string) {
	for _, r := range d.ufw.rules {
		if r.is(spec) && r.Comment != "" {
			comment = r.Comment
		}
	}
	// A rule behind one that says the opposite would never be reached.
	first := action == "deny" && !slices.ContainsFunc(d.ufw.rules, func(r Rule) bool { return r.is(spec) })
	d.add(host.Change{
		What: what, Why: why, Switch: action == "deny",
		Acts: []host.Act{host.Program{Do: host.Command{Argv: spec.argv(action, comment, first)}}},
	})
}

// drawAllow lets in what is named, if no rule does yet.
func (d *draft) drawAllow(spec Spec) {
	if d.ufw.has(spec, true) || d.unknown(spec) {
		return
	}
	if spec.App == "" && !spec.From.IsValid() && spec.Proto == "tcp" {
		if rule, closed := d.closed(spec); closed {
			d.refuse(fmt.Sprintf("the rule %q stands before, and keeps %s closed", rule, spec), "a rule behind it would have no effect", "take it out: see its number with `ufw status numbered`, then `ufw delete NUMBER`")
			return
		}
	}
	d.addRule("allow", spec, "", "allow "+spec.String(), "it is asked for")
}

// closed finds a rule of another kind that keeps a port of the entry closed.
func (d *draft) closed(spec Spec) (Rule, bool) {
	for _, part := range strings.Split(spec.Ports, ",") {
		port, err := strconv.Atoi(part)
		if err != nil {
			continue // a range: each port of it may be decided by another rule
		}
		for _, family := range d.ufw.families() {
			if a := ask(d.ufw.rules, family, port, netip.Addr{}); a.decided && !a.open && !a.rule.is(spec) {
				return a.rule, true
			}
		}
	}
	return Rule{}, false
}

// drawDeny keeps out what is named, but not an admin, and not a site's clients.
func (d *draft) drawDeny(spec Spec, ssh []Door) {
	for _, door := range append(slices.Clone(ssh), d.around.Doors...) {
		hit := spec.App == "" && spec.Proto == "tcp" && portIn(spec.Ports, door.Port) || d.app(spec.App).opens(door.Port)
		cutsOff := !spec.From.IsValid() || spec.From.Contains(d.around.Present.Client.Addr())
		if hit && cutsOff {
			d.refuse(fmt.Sprintf("%s needs port %d", door.For, door.Port), spec.String()+" would close it", closeInstead(door))
			return
		}
	}
	if !d.ufw.has(spec, false) && !d.unknown(spec) {
		d.addRule("deny", spec, "", "deny "+spec.String(), "it is asked for")
	}
}

// unknown refuses the name of an application that ufw does not know.
func (d *draft) unknown(spec Spec) bool {
	if spec.App == "" || d.app(spec.App).Name != "" {
		return false
	}
	d.refuse(fmt.Sprintf("ufw knows no application %q", spec.App), "there is no port to open or close for it", "see the names with `gateway setup firewall apps`, or write the port")
	return true
}

// app finds an application; the zero one has no ports.
func (d *draft) app(name string) App {
	if i := slices.IndexFunc(d.apps, func(a App) bool { return a.Name == name }); i >= 0 {
		return d.apps[i]
	}
	return App{}
}

func closeInstead(door Door) string {
	if door.For == "ssh" {
		return "leave it out; passwords are turned off by `gateway setup apply sshd`"
	}
	return "take the port out of `listen` of that [[site]] first"
}
