package apache

import (
	"net"
	"slices"
	"strconv"
	"strings"
)

// Options are what Translate must be told from outside.
type Options struct {
	// CheckLogFormat reports why gateway can't write a log format.
	CheckLogFormat func(format string) error
	// Rehearsal makes a file that is served beside httpd for a moment: without
	// logs, and with a certificate made here where that of a site can't be read.
	Rehearsal bool
}

// Translation is gateway's file with the account of every directive.
type Translation struct {
	TOML   []byte
	Report Report
	Places Places
}

// translation is the work in progress.
type translation struct {
	tree     *Tree
	options  Options
	ledger   *ledger
	main     []*Directive // what stands outside of virtual hosts
	top      *table
	log      *table
	limits   *table
	timeouts *table
	acme     *table
	sites    []*site
	backends []*backend
	folders  map[*Directive]bool // <Directory> sections of which files are sent
	searches map[string]search   // for files of settings
}

// Translate makes gateway's file of a configuration. It is a function of the
// configuration and of the files that it names, so it gives the same bytes each
// time. The error is that nothing is left to serve.
func Translate(tree *Tree, options Options) (*Translation, error) {
	t := &translation{tree: tree, options: options, ledger: newLedger(), folders: map[*Directive]bool{}, searches: map[string]search{},
		top: &table{}, log: &table{header: "[log]"}, limits: &table{header: "[limits]"}, timeouts: &table{header: "[timeouts]"}, acme: &table{header: "[acme]"}}
	hosts := t.findHosts()
	for _, h := range hosts {
		t.addHost(h)
	}
	t.joinPorts()
	t.joinSites()
	if len(t.sites) == 0 {
		return nil, &Problem{Position{File: tree.Source.File}, "no virtual host and no server of this configuration answers anything", "name the first file of the whole configuration, or a file with a <VirtualHost>", nil}
	}
	t.globals(hosts)
	p := t.print()
	return &Translation{TOML: []byte(p.out.String()), Report: t.report(p), Places: t.places()}, nil
}

// site is a [[site]] with the host that it is made of.
type site struct {
	host   *host
	names  []string
	listen []endpoint
	table  *table // all but names, addresses and certificate
	plain  string
	also   []*host // that turned out to be the same site on other addresses
}

// endpoint is an address of a site.
type endpoint struct {
	address
	tls  bool
	from []*Directive
}

func (e endpoint) String() string {
	if e.tls {
		return e.address.String()
	}
	return "http://" + e.address.String()
}

// addHost makes the sites of one host: several if its names are treated in
// different ways.
func (t *translation) addHost(h *host) {
	if h.section == nil && !t.mainAnswers(h) {
		return
	}
	if len(h.listen) == 0 {
		if h.section != nil {
			t.ledger.notNeeded(h.section, "no Listen leads to its address, so no request gets to it in httpd either")
		}
		return
	}
	names := t.claim(h)
	if len(names) == 0 {
		t.ledger.notNeeded(h.head(), "an earlier virtual host has its address and its names, so no request gets to it in httpd either")
		return
	}
	from := len(t.sites)
	for _, name := range names {
		b := &builder{translation: t, host: h, name: name}
		made := &site{host: h, names: []string{name}, listen: h.endpoints(), table: b.site()}
		same := slices.IndexFunc(t.sites[from:], func(other *site) bool { return other.table.content() == made.table.content() })
		if same >= 0 {
			t.sites[from+same].names = append(t.sites[from+same].names, name)
			t.sites[from+same].table.absorb(made.table)
			continue
		}
		t.sites = append(t.sites, made)
	}
}

// mainAnswers reports whether the main server has a Listen to itself and
// something to say there.
func (t *translation) mainAnswers(h *host) bool {
	return len(h.listen) > 0 && len(named(t.main, "DocumentRoot", "ProxyPass", "ProxyPassMatch", "Redirect", "RewriteRule", "Location")) > 0
}

func (h *host) endpoints() []endpoint {
	all := make([]endpoint, len(h.listen))
	for i, at := range h.listen {
		all[i] = endpoint{at, h.tls, h.from()}
	}
	return all
}

// from are the directives that an address comes from.
func (h *host) from() []*Directive {
	from := slices.Clone(h.listeners)
	if h.section != nil {
		from = append(from, h.section)
	}
	return from
}

// claim are the names of a host that no earlier host of the same addresses has.
// A host without any gets one, since a site needs it: unknown names come to the
// first site of an address whatever it is called.
func (t *translation) claim(h *host) []string {
	wanted := t.validNames(h)
	if len(wanted) == 0 {
		wanted = []string{t.nameFor(h)}
	}
	var free []string
	for _, name := range wanted {
		if !slices.Contains(free, name) && !t.claimed(h, name) {
			free = append(free, name)
		}
	}
	return free
}

func (t *translation) claimed(h *host, name string) bool {
	return slices.ContainsFunc(t.sites, func(s *site) bool {
		meet := slices.ContainsFunc(s.listen, func(e endpoint) bool { return slices.Contains(h.listen, e.address) && e.tls == h.tls })
		return meet && slices.Contains(s.names, name)
	})
}

// print writes the whole file.
func (t *translation) print() *printer {
	p := &printer{root: t.tree.Root, landed: map[*Directive][]int{}}
	p.print("# Made from Apache's configuration by: gateway import apache")
	p.print("# Behind each line stands where it comes from, below " + strings.Map(printable, t.tree.Root) + ".")
	if t.options.Rehearsal {
		t.log.entries = nil
	}
	for _, one := range []*table{t.top, t.log, t.limits, t.timeouts, t.acme} {
		p.section(one)
	}
	for _, s := range t.sites {
		p.section(t.finish(s))
	}
	for _, b := range t.usedBackends() {
		p.section(b.table)
	}
	return p
}

// places are where the sites answer.
func (t *translation) places() Places {
	var all Places
	for _, s := range t.sites {
		for _, e := range s.listen {
			host := e.host
			if host == "" || e.isAny() {
				host = "localhost"
			}
			all = append(all, Place{Name: s.names[0], TLS: e.tls, Port: e.port, Address: net.JoinHostPort(host, strconv.Itoa(e.port)), Listen: e.String()})
		}
	}
	return all
}

// usedBackends leaves out those that no route names after all.
func (t *translation) usedBackends() []*backend {
	return slices.DeleteFunc(slices.Clone(t.backends), func(b *backend) bool {
		return !slices.ContainsFunc(t.sites, func(s *site) bool {
			return s.table.text("backend") == b.name() || slices.ContainsFunc(s.table.children, func(c *table) bool { return c.text("backend") == b.name() })
		})
	})
}
