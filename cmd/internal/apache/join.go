package apache

import (
	"slices"
	"strings"
)

// joinPorts settles addresses that have hosts with TLS and hosts without: the
// first byte of a connection tells gateway which is meant, so both become one
// site. httpd itself can't do this, but many a configuration tries.
func (t *translation) joinPorts() {
	for _, s := range t.sites {
		if s.host.optional {
			s.plain = "proxy"
		}
	}
	for _, p := range slices.Clone(t.sites) {
		p.listen = slices.DeleteFunc(p.listen, func(e endpoint) bool { return !e.tls && t.joinPort(p, e) })
	}
	t.sites = slices.DeleteFunc(t.sites, func(s *site) bool { return len(s.listen) == 0 })
}

// joinPort gives the address of a site without TLS to the one with TLS there; it
// reports whether the address has one.
func (t *translation) joinPort(p *site, e endpoint) bool {
	var there []*site
	for _, s := range t.sites {
		if slices.ContainsFunc(s.listen, func(o endpoint) bool { return o.tls && o.address == e.address }) {
			there = append(there, s)
		}
	}
	if len(there) == 0 {
		return false
	}
	i := slices.IndexFunc(there, func(s *site) bool { return overlap(s.names, p.names) })
	switch {
	case i >= 0 && there[i].table.content() == p.table.content():
		t.joinPlain(there[i], p, e)
	case i >= 0 && sendsToTLS(p.table):
		there[i].table.absorb(p.table)
		t.tellAll(p, "plain HTTP on this port is sent to https with status 308, by plain = \"redirect\", which holds without being written")
	default:
		t.ledger.lost(p.host.head(), "the port has sites with TLS, and gateway answers plain HTTP there as those: with a redirect to https", `write plain = "proxy" into the site with TLS if it may answer plain HTTP too, or give this one a port of its own`)
	}
	return true
}

// joinPlain lets a site with TLS serve plain HTTP too.
func (t *translation) joinPlain(s, p *site, e endpoint) {
	s.plain = "proxy"
	s.host.plainFrom = append(s.host.plainFrom, e.from...)
	s.table.absorb(p.table)
	for _, d := range append(named(p.host.own, "ServerName", "ServerAlias"), p.host.head()) {
		t.ledger.differently(d, `the site with TLS on the same port serves plain HTTP too, by plain = "proxy"`)
	}
}

func (t *translation) tellAll(p *site, how string) {
	t.ledger.differently(p.host.head(), how)
	for _, d := range p.host.own {
		if d.Is("Redirect") || d.Is("RedirectPermanent") || d.Is("RewriteRule") || d.Is("RewriteCond") || d.Is("RewriteEngine") || d.Is("ServerName") || d.Is("ServerAlias") {
			t.ledger.differently(d, how)
		}
	}
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(name string) bool { return slices.Contains(b, name) })
}

// sendsToTLS reports a site that does nothing but send clients to https.
func sendsToTLS(t *table) bool {
	return len(t.children) == 0 && strings.HasPrefix(t.text("redirect"), "https://") && strings.HasSuffix(t.text("redirect"), "{path}")
}

// joinSites makes one site of those that differ in nothing but their addresses,
// as the virtual hosts of one name on two ports often do.
func (t *translation) joinSites() {
	var kept []*site
	for i, s := range t.sites {
		same := slices.IndexFunc(kept, func(k *site) bool { return t.alike(k, s) && t.keepsFirst(s, t.sites[:i]) })
		if same < 0 {
			kept = append(kept, s)
			continue
		}
		kept[same].listen = append(kept[same].listen, s.listen...)
		kept[same].also = append(kept[same].also, s.host)
		kept[same].table.absorb(s.table)
	}
	t.sites = kept
}

func (t *translation) alike(a, b *site) bool {
	return a.host.tls == b.host.tls && a.plain == b.plain && slices.Equal(a.names, b.names) && a.table.content() == b.table.content() &&
		(!a.host.tls || t.certificate(a.host).content() == t.certificate(b.host).content())
}

// keepsFirst reports whether no other site is before s on its addresses: moving
// s up would make it the one for unknown names there.
func (t *translation) keepsFirst(s *site, before []*site) bool {
	for _, other := range before {
		for _, e := range s.listen {
			if slices.ContainsFunc(other.listen, func(o endpoint) bool { return o.address == e.address }) {
				return false
			}
		}
	}
	return true
}

// finish puts names, addresses and certificate into a site.
func (t *translation) finish(s *site) *table {
	out := &table{header: "[[site]]", children: s.table.children}
	for _, h := range append([]*host{s.host}, s.also...) {
		t.finishNames(out, s, h)
	}
	for _, e := range s.listen {
		out.add("listen", []string{e.String()}, e.from...)
	}
	if s.plain != "" {
		out.set("plain", s.plain, append(slices.Clone(s.host.plainFrom), s.host.optionalFrom()...)...)
	}
	if s.host.tls {
		for _, e := range t.certificate(s.host).entries {
			out.set(e.key, e.value, e.from...)
			for _, h := range s.also {
				out.entry(e.key).come(t.certificate(h).entry(e.key).from)
			}
		}
	}
	for _, e := range s.table.entries {
		out.set(e.key, e.value, e.from...)
	}
	return out
}

func (t *translation) finishNames(out *table, s *site, h *host) {
	scope := h.own
	if h.section == nil {
		scope = h.main
	}
	name, aliases := named(scope, "ServerName"), named(scope, "ServerAlias")
	if out.has("name") {
		out.entry("name").come(name)
	} else {
		out.set("name", s.names[0], name...)
	}
	if len(s.names) > 1 {
		out.add("aliases", s.names[1:], aliases...)
	} else {
		out.entry("name").come(usedIn(s.names, aliases))
	}
}

// usedIn are the ServerAlias lines that have one of the names.
func usedIn(names []string, ds []*Directive) []*Directive {
	return slices.DeleteFunc(slices.Clone(ds), func(d *Directive) bool {
		return !slices.ContainsFunc(d.Args, func(alias string) bool { return slices.Contains(names, hostOf(alias)) })
	})
}
