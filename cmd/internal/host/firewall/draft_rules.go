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
	// ufw leaves a rule that it has in its place.
	i := slices.IndexFunc(d.ufw.rules, func(r Rule) bool { return r.is(spec) })
	shadowed := d.ufw.shadowed(spec, action == "allow")
	var acts []host.Act
	if shadowed && i >= 0 {
		acts = append(acts, host.Program{Do: host.Command{Argv: spec.argv("delete", d.ufw.rules[i].Action, "")}})
	}
	verb := ""
	if shadowed || action == "deny" && i < 0 {
		verb = "prepend"
	}
	d.add(host.Change{
		What: what, Why: why, Switch: action == "deny",
		Acts: append(acts, host.Program{Do: host.Command{Argv: spec.argv(verb, action, comment)}}),
	})
}

// shadowed tells whether a rule for everybody says the opposite before an entry's
// own rule is reached, which would then have no effect. A rule for some only is an
// exception that is meant; what lets everybody in to a port is never put in front.
func (u ufw) shadowed(spec Spec, opens bool) bool {
	if spec.App != "" || opens && !spec.From.IsValid() {
		return false
	}
	return slices.ContainsFunc(spec.families(u.ipv6), func(family int) bool {
		for _, r := range u.rules {
			switch {
			case r.Family != family:
			case r.is(spec):
				return false
			case r.everybody() && r.opens() != opens && (r.Proto == "any" || r.Proto == spec.Proto) && overlap(r.Ports, spec.Ports):
				return true
			}
		}
		return false
	})
}

// drawAllow lets in what is named, if no rule does yet.
func (d *draft) drawAllow(spec Spec) {
	if d.ufw.has(spec, true) && !d.ufw.shadowed(spec, true) || d.unknown(spec) {
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
	if (!d.ufw.has(spec, false) || d.ufw.shadowed(spec, false)) && !d.unknown(spec) {
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
