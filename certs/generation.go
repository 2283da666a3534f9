package certs

import (
	"crypto/tls"
	"fmt"
	"net"
	"slices"
)

// member is a site with where its certificates come from.
type member struct {
	site     Site
	source   Source
	problems []Problem // when it was loaded
}

// generation is everything made from one configuration. It is never changed.
type generation struct {
	members    []member
	everywhere *index            // all sites
	endpoints  map[string]*index // the sites of one address
}

// index finds the site for a name.
type index struct {
	byName   map[string]*member // canonical names, wildcards included
	members  []*member
	fallback *member
}

func newGeneration(members []member) *generation {
	g := &generation{members: members, everywhere: newIndex(), endpoints: make(map[string]*index)}
	for i := range members {
		m := &members[i]
		g.everywhere.add(m)
		for _, endpoint := range m.site.Endpoints {
			if g.endpoints[endpoint] == nil {
				g.endpoints[endpoint] = newIndex()
			}
			g.endpoints[endpoint].add(m)
		}
	}
	return g
}

func newIndex() *index { return &index{byName: make(map[string]*member)} }

// add takes a site in. Of two sites with one name the first answers, and without
// a named default the first site is it, as in Apache and nginx.
func (x *index) add(m *member) {
	x.members = append(x.members, m)
	for _, name := range m.site.names() {
		if x.byName[name] == nil {
			x.byName[name] = m
		}
	}
	if x.fallback == nil || m.site.Default && !x.fallback.site.Default {
		x.fallback = m
	}
}

// find returns the source of a site's predecessor: same name, and an address in
// common if both tell theirs; nil if there is none.
func (g *generation) find(site Site) Source {
	for _, m := range g.members {
		if m.site.Name == site.Name && shareEndpoint(m.site, site) {
			return m.source
		}
	}
	return nil
}

func shareEndpoint(a, b Site) bool {
	if len(a.Endpoints) == 0 || len(b.Endpoints) == 0 {
		return true
	}
	return slices.ContainsFunc(a.Endpoints, func(endpoint string) bool { return slices.Contains(b.Endpoints, endpoint) })
}

// sources returns every source once, in order.
func (g *generation) sources() []Source {
	var all []Source
	for _, m := range g.members {
		if !slices.Contains(all, m.source) {
			all = append(all, m.source)
		}
	}
	return all
}

func (g *generation) get(endpoint string, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	x := g.endpoints[endpoint]
	if x == nil {
		x = g.everywhere
	}
	if x == nil || x.fallback == nil {
		return nil, fmt.Errorf("%w: no site is served", ErrNoCertificate)
	}
	name := askedName(hello)
	if m := x.lookup(name); m != nil {
		return m.source.Get(withName(hello, name))
	}
	return x.fallback.source.Get(withName(hello, canonicalName(x.fallback.site.Name)))
}

// lookup returns the site for a name: the one that has it, or its wildcard, in the
// configuration, then the first whose certificate covers it.
func (x *index) lookup(name string) *member {
	if name == "" {
		return nil
	}
	if m := x.byName[name]; m != nil {
		return m
	}
	if m := x.byName[parentWildcard(name)]; m != nil {
		return m
	}
	for _, m := range x.members {
		if m.source.Covers(name) {
			return m
		}
	}
	return nil
}

// askedName is the name that the client asks for. Clients that connect to an
// address send none (RFC 6066 section 3 forbids it); then it is that address.
func askedName(hello *tls.ClientHelloInfo) string {
	if hello.ServerName != "" || hello.Conn == nil {
		return canonicalName(hello.ServerName)
	}
	host, _, err := net.SplitHostPort(hello.Conn.LocalAddr().String())
	if err != nil {
		return ""
	}
	return canonicalName(host)
}

func withName(hello *tls.ClientHelloInfo, name string) *tls.ClientHelloInfo {
	if hello.ServerName == name {
		return hello
	}
	renamed := *hello
	renamed.ServerName = name
	return &renamed
}
