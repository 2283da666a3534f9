package proxy

import (
	"fmt"
	"strings"
)

// Validate reports every problem of the proxy's tables, and of how they fit
// together. Keys are relative to the file: "site[0].listen[1]".
func (c Config) Validate(report Report) {
	c.Log.Validate(under("log", report))
	c.Limits.Validate(under("limits", report))
	c.Timeouts.Validate(under("timeouts", report))
	for i, written := range c.TrustedProxies {
		if _, err := parsePrefix(written); err != nil {
			report(index("trusted_proxies", i), fmt.Sprintf("%q is no address and no network", written), `write such as "10.0.0.5" or "10.0.0.0/8"`)
		}
	}
	for i, b := range c.Backends {
		b.Validate(under(index("backend", i), report))
	}
	c.uniqueBackends(report)
	for i, s := range c.Sites {
		s.Validate(under(index("site", i), report))
		c.knownBackends(s, under(index("site", i), report))
	}
	c.listening(report)
}

func under(table string, report Report) Report {
	return func(key, wrong, instead string) { report(table+"."+key, wrong, instead) }
}

func (c Config) uniqueBackends(report Report) {
	seen := map[string]bool{}
	for i, b := range c.Backends {
		if b.Name != "" && seen[b.Name] {
			report(index("backend", i)+".name", fmt.Sprintf("%q is the name of an earlier backend", b.Name), "give each backend its own name")
		}
		seen[b.Name] = true
	}
}

func (c Config) knownBackends(s Site, report Report) {
	c.knownBackend("backend", s.Backend, report)
	for i, r := range s.Routes {
		c.knownBackend(index("route", i)+".backend", r.Backend, report)
	}
}

func (c Config) knownBackend(key, name string, report Report) {
	if name == "" {
		return
	}
	names := make([]string, 0, len(c.Backends))
	for _, b := range c.Backends {
		if b.Name == name {
			return
		}
		names = append(names, b.Name)
	}
	report(key, fmt.Sprintf("there is no backend %q", name), remedyForName(name, names))
}

func remedyForName(name string, names []string) string {
	switch near := nearest(name, names); {
	case near != "":
		return fmt.Sprintf("did you mean %q?", near)
	case len(names) > 0:
		return "write one of: " + strings.Join(names, ", ")
	default:
		return fmt.Sprintf("add a [[backend]] table with name = %q", name)
	}
}

// nearest is the name that differs in the fewest letters, "" if each differs in
// more than a third of its own.
func nearest(name string, names []string) string {
	best, bestDistance := "", 0
	for _, candidate := range names {
		d := distance(strings.ToLower(name), strings.ToLower(candidate))
		if d <= max(1, len(candidate)/3) && (best == "" || d < bestDistance) {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete, replace or swap with
// their neighbour to get from a to b.
func distance(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j]+cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// listener is one element of one site's listen.
type listener struct {
	Endpoint
	key     string
	written string
	site    int
}

func (c Config) listeners() []listener {
	var all []listener
	for i, s := range c.Sites {
		for j, written := range s.Listen {
			if e, err := ParseEndpoint(written); err == nil {
				all = append(all, listener{e, index("site", i) + "." + index("listen", j), written, i})
			}
		}
	}
	return all
}

// listening checks what happens where sites share an address, and that no
// address is a backend's.
func (c Config) listening(report Report) {
	all := c.listeners()
	c.collisions(all, report)
	c.sharedNames(all, report)
	c.sharedDefaults(all, report)
	c.ownBackend(all, report)
}

// collisions finds addresses that can't both be listened on.
func (c Config) collisions(all []listener, report Report) {
	for i, l := range all {
		for _, earlier := range all[:i] {
			switch {
			case l.Endpoint == earlier.Endpoint || !l.Overlaps(earlier.Endpoint):
				continue
			case l.Address == earlier.Address:
				report(l.key, fmt.Sprintf("%q is plain HTTP only in one place and has TLS in another (%s)", l.Address, earlier.key),
					`write it the same way in both; a port with TLS serves plain HTTP too, see plain = "proxy"`)
			default:
				report(l.key, fmt.Sprintf("%q can't be listened on beside %q (%s)", l.written, earlier.written, earlier.key),
					fmt.Sprintf("write %q in both, or the addresses one by one", widest(l, earlier)))
			}
			break
		}
	}
}

func widest(a, b listener) string {
	if a.covers(b.addr()) {
		return a.written
	}
	return b.written
}

// claim is a name on an address; one site can have it.
type claim struct{ endpoint, host string }

// sharedNames finds names that two sites claim on one address. Each is reported
// once, on however many addresses they meet.
func (c Config) sharedNames(all []listener, report Report) {
	owners, told := map[claim]int{}, map[string]bool{}
	for _, l := range all {
		for i, host := range c.Sites[l.site].hosts() {
			owner, claimed := owners[claim{l.String(), host}]
			key := index("site", l.site) + "." + nameKey(i)
			switch {
			case !claimed:
				owners[claim{l.String(), host}] = l.site
			case owner != l.site && host != "" && !told[key]:
				told[key] = true
				report(key, fmt.Sprintf("%q belongs to %s on %s already", host, index("site", owner), l.written), "give each name of an address to one site")
			}
		}
	}
}

// nameKey is the key of the i-th of a site's hosts.
func nameKey(i int) string {
	if i == 0 {
		return "name"
	}
	return index("aliases", i-1)
}

// sharedDefaults finds addresses of which two sites are the default.
func (c Config) sharedDefaults(all []listener, report Report) {
	defaults, told := map[string]int{}, map[int]bool{}
	for _, l := range all {
		if !c.Sites[l.site].Default {
			continue
		}
		first, found := defaults[l.String()]
		if !found {
			defaults[l.String()] = l.site
		} else if first != l.site && !told[l.site] {
			told[l.site] = true
			report(index("site", l.site)+".default", fmt.Sprintf("%s is the default on %s already", index("site", first), l.written), "write default = true in one site of an address")
		}
	}
}

// ownBackend finds addresses at which gateway would talk to itself, or that the
// backend could no longer listen on.
func (c Config) ownBackend(all []listener, report Report) {
	for _, b := range c.Backends {
		address, err := parseBackendURL(b.URL)
		if err != nil {
			continue
		}
		for _, l := range all {
			for _, at := range address.endpoints() {
				if l.Overlaps(at) {
					report(l.key, fmt.Sprintf("%q is where backend %q listens (%s)", l.written, b.Name, b.URL), "give the site another port, or the backend")
					break
				}
			}
		}
	}
}
