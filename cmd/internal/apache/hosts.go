package apache

import (
	"slices"
	"strings"
)

// findHosts are the virtual hosts in the order of the configuration, with the
// addresses where they answer, and the main server last, if a Listen is left to
// it.
func (t *translation) findHosts() []*host {
	var hosts []*host
	for _, d := range t.tree.Directives {
		if d.Section && d.Is("VirtualHost") {
			hosts = append(hosts, t.virtualHost(d))
		} else {
			t.main = append(t.main, d)
		}
	}
	main := &host{addresses: []address{{}}}
	hosts = append(hosts, main)
	for _, h := range hosts {
		h.main = t.main
		t.readNames(h)
		h.tls, h.optional = h.on("SSLEngine"), h.engine("optional")
		h.tls = h.tls || h.optional
	}
	t.assignListens(hosts, main)
	return hosts
}

func (h *host) engine(value string) bool {
	d := h.last("SSLEngine")
	return d != nil && strings.EqualFold(d.arg(0), value)
}

func (t *translation) virtualHost(d *Directive) *host {
	h := &host{section: d, own: d.Children}
	for _, written := range d.Args {
		a, ok := parseAddress(written)
		switch {
		case !ok:
			t.ledger.lost(d, written+" is no address, and httpd does not start with it", "write the address as in <VirtualHost *:443>")
			continue
		case a.named:
			t.ledger.differently(d, written+" names a host instead of an address, so this site answers on all addresses")
		}
		h.addresses = append(h.addresses, a)
	}
	return h
}

// readNames takes the scheme and the port off a ServerName, which may have them.
func (t *translation) readNames(h *host) {
	scope := h.own
	if h.section == nil {
		scope = h.main
	}
	if d := lastOf(scope, "ServerName"); d != nil {
		h.name = hostOf(d.arg(0))
	}
	for _, d := range named(scope, "ServerAlias") {
		for _, alias := range d.Args {
			if alias = hostOf(alias); !slices.Contains(h.aliases, alias) && alias != h.name {
				h.aliases = append(h.aliases, alias)
			}
		}
	}
}

// listener is one Listen.
type listener struct {
	address
	from  *Directive
	taken bool // by a virtual host
}

// assignListens tells each host where its connections arrive. A file of a larger
// configuration has no Listen, and then the virtual hosts' own addresses count.
func (t *translation) assignListens(hosts []*host, main *host) {
	listens := t.listens(hosts)
	for i := range listens {
		l := &listens[i]
		specific := false
		for _, h := range hosts {
			if h == main {
				continue
			}
			for _, a := range h.addresses {
				if at, ok := a.meets(l.address); ok {
					l.taken = true
					specific = specific || at != l.address
					h.arrive(at, l.from)
				}
			}
		}
		if !l.taken && l.from != nil {
			main.arrive(l.address, l.from)
		}
	}
	t.widen(hosts)
}

func (h *host) arrive(at address, from *Directive) {
	if !slices.Contains(h.listen, at) {
		h.listen = append(h.listen, at)
	}
	if from != nil && !slices.Contains(h.listeners, from) {
		h.listeners = append(h.listeners, from)
	}
}

func (t *translation) listens(hosts []*host) []listener {
	var all []listener
	for _, d := range named(t.main, "Listen") {
		a, ok := parseAddress(d.arg(0))
		if !ok || a.named || a.port == 0 {
			t.ledger.lost(d, "this is no address to listen on", "write it as in Listen 443 or Listen 192.0.2.7:443")
			continue
		}
		all = append(all, listener{address: a, from: d})
	}
	if len(all) > 0 {
		return all
	}
	for _, h := range hosts {
		for _, a := range h.addresses {
			if a.port == 0 {
				a.port = 80
			}
			if h.section != nil && !slices.ContainsFunc(all, func(l listener) bool { return l.address == a }) {
				all = append(all, listener{address: a})
			}
		}
	}
	return all
}

// widen replaces an address by one that covers it and that another site listens
// on: the two cannot be bound side by side. Names keep the sites apart then.
func (t *translation) widen(hosts []*host) {
	var all []address
	for _, h := range hosts {
		all = append(all, h.listen...)
	}
	for _, h := range hosts {
		for i, a := range h.listen {
			wide := slices.IndexFunc(all, func(other address) bool { return other.covers(a) })
			if wide < 0 {
				continue
			}
			already := slices.Contains(h.listen, all[wide])
			h.listen[i] = all[wide]
			if h.section == nil || already {
				continue
			}
			t.tellWidened(h, a, all[wide])
		}
		h.listen = uniqueAddresses(h.listen)
	}
}

// tellWidened tells of clients that reach a site from where httpd keeps them out.
func (t *translation) tellWidened(h *host, from, to address) {
	becomes := from.String() + " becomes " + to.String() + ", which another site listens on; the sites are told apart by their names"
	if from.isAny() {
		t.ledger.differently(h.section, becomes)
		return
	}
	t.ledger.lost(h.section, becomes+", so that clients of all addresses reach this one by its name", "give the site a port of its own, or write allow into it if not everybody may come")
}

func uniqueAddresses(all []address) []address {
	var once []address
	for _, a := range all {
		if !slices.Contains(once, a) {
			once = append(once, a)
		}
	}
	return once
}
