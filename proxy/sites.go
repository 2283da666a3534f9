package proxy

import (
	"fmt"
	"slices"
	"strings"
)

// site is one public name as requests meet it.
type site struct {
	name      string
	plain     string // what plain HTTP gets if the site has TLS: "redirect", "proxy" or "refuse"
	hasTLS    bool
	tlsPort   int // where plain-only endpoints send clients; 0 with TLS: the system chose it
	isDefault bool
	routes    []*route // in the order of matching
	response  []change // of the headers of answers that belong to no route
	pages     ownPages // for the same
}

// siteTable finds the site of a request. It is built once and only read.
type siteTable struct {
	endpoints map[string]*siteGroup // by the endpoint, as written and in its canonical spelling
	every     *siteGroup            // for requests that came by no known endpoint
}

// siteGroup is the sites that share an endpoint.
type siteGroup struct {
	exact     map[string]*site
	wildcards map[string]*site // "*.example.com" under ".example.com"
	fallback  *site
}

func newSiteGroup() *siteGroup {
	return &siteGroup{exact: map[string]*site{}, wildcards: map[string]*site{}}
}

func newSiteTable(cfg Config, upstreams map[string]*upstream) (*siteTable, error) {
	with := parts{upstreams, &userFiles{map[string]*gatekeeper{}}}
	table := &siteTable{endpoints: map[string]*siteGroup{}, every: newSiteGroup()}
	for _, s := range cfg.Sites {
		endpoints, err := parseEndpoints(s.Listen)
		if err != nil {
			return nil, err
		}
		one, err := newSite(s, cfg.Limits.Body, endpoints, with)
		if err != nil {
			return nil, err
		}
		table.every.add(one, s.hosts())
		for i, e := range endpoints {
			group, found := table.endpoints[e.String()]
			if !found {
				group = newSiteGroup()
				table.endpoints[e.String()] = group
			}
			table.endpoints[s.Listen[i]] = group
			group.add(one, s.hosts())
		}
	}
	return table, nil
}

func parseEndpoints(listen []string) ([]Endpoint, error) {
	endpoints := make([]Endpoint, 0, len(listen))
	for _, written := range listen {
		e, err := ParseEndpoint(written)
		if err != nil {
			return nil, err
		}
		endpoints = append(endpoints, e)
	}
	return endpoints, nil
}

func newSite(s Site, body Size, endpoints []Endpoint, with parts) (*site, error) {
	if s.Body == nil {
		s.Body = &body
	}
	one := &site{name: s.Name, plain: s.plainPolicy(), isDefault: s.Default}
	one.hasTLS = slices.ContainsFunc(endpoints, func(e Endpoint) bool { return !e.PlainOnly })
	one.tlsPort = tlsPort(endpoints)
	var err error
	if one.response, err = parseChanges(s.responseKeys()); err != nil {
		return nil, err
	}
	if one.pages, err = readPages(s.ErrorPages); err != nil {
		return nil, err
	}
	for _, r := range s.allRoutes() {
		compiled, err := newRoute(r, s, one.pages, with)
		if err != nil {
			return nil, fmt.Errorf("site %q: %w", s.Name, err)
		}
		one.routes = append(one.routes, compiled)
	}
	slices.SortStableFunc(one.routes, inOrderOfMatching)
	return one, nil
}

// tlsPort is 443 if the site has it, else its first port with TLS.
func tlsPort(endpoints []Endpoint) int {
	first := 0
	for _, e := range endpoints {
		switch {
		case e.PlainOnly:
		case e.Port() == 443:
			return 443
		case first == 0:
			first = e.Port()
		}
	}
	return first
}

// hosts is the name and the aliases of a site in the spelling of the table.
func (s Site) hosts() []string {
	var hosts []string
	for _, name := range append([]string{s.Name}, s.Aliases...) {
		hosts = append(hosts, canonicalName(name))
	}
	return hosts
}

// canonicalName spells a site's name as parseAuthority spells a client's Host.
func canonicalName(name string) string {
	if suffix, found := strings.CutPrefix(name, "*."); found {
		host, _ := hostName(suffix)
		return "*." + host
	}
	host, _ := hostName(bracketed(name))
	return host
}

// bracketed writes an IPv6 address as it stands in a Host.
func bracketed(name string) string {
	if strings.Contains(name, ":") && !strings.HasPrefix(name, "[") {
		return "[" + name + "]"
	}
	return name
}

func (g *siteGroup) add(s *site, hosts []string) {
	for _, host := range hosts {
		if suffix, found := strings.CutPrefix(host, "*"); found {
			g.wildcards[suffix] = s
		} else {
			g.exact[host] = s
		}
	}
	if g.fallback == nil || s.isDefault && !g.fallback.isDefault {
		g.fallback = s
	}
}

// find takes the exact name, else the wildcard one label above, as certificates
// have it (RFC 9525, section 6.3), else the default site, which is the first of
// the file unless one says default = true.
func (g *siteGroup) find(name string) *site {
	if s, found := g.exact[name]; found {
		return s
	}
	if dot := strings.IndexByte(name, '.'); dot > 0 {
		if s, found := g.wildcards[name[dot:]]; found {
			return s
		}
	}
	return g.fallback
}

// find takes the endpoint as the listener names it.
func (t *siteTable) find(endpoint, name string) *site {
	if group, found := t.endpoints[endpoint]; found {
		return group.find(name)
	}
	return t.every.find(name)
}
