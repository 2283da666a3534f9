package apache

import (
	"fmt"
	"strings"
)

// balanced puts the member in place of balancer://name. gateway has one target
// a backend, so of several members the first that is no spare is taken. The
// options of the member come along.
func (b *builder) balanced(d *Directive, written string) (string, []string) {
	rest, found := cutScheme(written, "balancer://")
	if !found {
		return written, nil
	}
	name, path, slash := strings.Cut(rest, "/")
	members := b.members(name)
	if len(members) == 0 {
		return written, nil // parseTarget tells that it is no URL
	}
	var url string
	var options []string
	for i, member := range members {
		if i == 0 {
			url, options = member.url, member.options
			b.ledger.carried(member.from)
			continue
		}
		b.ledger.lost(member.from, fmt.Sprintf("gateway sends the requests of a route to one target, so this member of %s gets none; %s gets all", name, url), "see that one is enough, or keep a balancer between gateway and the members")
	}
	if slash {
		url = strings.TrimSuffix(url, "/") + "/" + path
	}
	return url, options
}

// member is one target of a balancer.
type member struct {
	url     string
	options []string
	from    *Directive
}

// members are those of a balancer, spares last.
func (b *builder) members(name string) []member {
	var active, spare []member
	for _, section := range b.host.ownFirst("Proxy") {
		if inside, found := cutScheme(section.arg(0), "balancer://"); !found || !strings.EqualFold(strings.TrimSuffix(inside, "/"), name) {
			continue
		}
		b.ledger.carried(section)
		for _, d := range named(section.Children, "BalancerMember") {
			m := member{d.arg(0), d.Args[min(1, len(d.Args)):], d}
			if isSpare(m.options) {
				spare = append(spare, m)
			} else {
				active = append(active, m)
			}
		}
	}
	return append(active, spare...)
}

func isSpare(options []string) bool {
	for _, option := range options {
		if rest, found := strings.CutPrefix(strings.ToLower(option), "status="); found && strings.ContainsAny(rest, "hdr") {
			return true
		}
	}
	return false
}
