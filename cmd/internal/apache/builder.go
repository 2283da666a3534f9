package apache

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// builder makes the [[site]] of one host for one of its names.
type builder struct {
	*translation
	host     *host
	name     string // the name that the site is made for; "" if it has none
	rules    []*rule
	later    []*rule // rules that httpd looks at after the rewriting
	sections []*section
	closed   []*rule // what stands in for access rules that can't be carried
}

// node is a set of paths that httpd treats alike, and what becomes of them.
type node struct {
	matcher
	rule     *rule
	settings *table // allow, deny, body and their like
	headers  []*Directive
	from     []*Directive // of a pattern
}

// site is the whole [[site]] but for its names, addresses and certificate.
func (b *builder) site() *table {
	b.sections = b.findSections()
	b.later = slices.Concat(b.locationRules(), b.proxyRules(), b.redirectRules(), b.aliasRules(), b.documentRoot())
	b.closeTargets()
	b.rules = slices.Concat(b.closed, b.requiresTLS(), b.fileRules(), b.rewriteRules(), b.later)
	site := &table{header: "[[site]]"}
	nodes := b.nodes()
	root := nodes[0]
	b.fillSite(site, root)
	for _, n := range b.patternNodes(nodes) {
		b.addRoute(site, n, root)
	}
	for _, n := range nodes[1:] {
		parent := parentOf(n, nodes)
		if !b.redundant(n, parent) {
			b.addRoute(site, n, root)
		}
	}
	if !site.answers() {
		site.set("respond", 404, b.host.head()) // gateway wants to be told, httpd finds no file
	}
	b.unreached()
	b.sectionSockets()
	b.reverses()
	return site
}

// fillSite writes what "/" does into the site itself, or into a route of its own
// where it needs keys that only routes have.
func (b *builder) fillSite(site *table, root *node) {
	for _, e := range root.settings.entries {
		site.set(e.key, e.value, e.from...)
	}
	site.children = append(site.children, retitled(root.settings.children, "[[site.error_page]]")...)
	b.headers(site, root.headers)
	if root.rule == nil {
		return
	}
	action := b.act(root)
	if !action.has("strip") && !action.has("rewrite") {
		for _, e := range action.entries {
			site.set(e.key, e.value, e.from...)
		}
		return
	}
	route := &table{header: "[[site.route]]"}
	route.set("path", "/", root.rule.from...)
	for _, e := range action.entries {
		route.set(e.key, e.value, e.from...)
	}
	site.children = append(site.children, route)
}

// answers reports whether a site says what becomes of any request.
func (t *table) answers() bool {
	says := func(key string) bool { return t.has(key) }
	return slices.ContainsFunc([]string{"backend", "root", "redirect", "respond"}, says) || slices.ContainsFunc(t.children, func(c *table) bool { return c.header == "[[site.route]]" })
}

func retitled(children []*table, header string) []*table {
	for _, child := range children {
		child.header = header
	}
	return children
}

// addRoute writes a route for a node.
func (b *builder) addRoute(site *table, n, root *node) {
	route := &table{header: "[[site.route]]"}
	from := n.from
	if from == nil && n.rule != nil {
		from = n.rule.from
	}
	switch {
	case n.re != nil:
		route.set("match", n.pattern, from...)
	default:
		route.set("path", n.prefix, from...)
	}
	if n.exact {
		route.set("exact", true)
	}
	for _, e := range b.act(n).entries {
		route.set(e.key, e.value, e.from...)
	}
	b.settle(route, n, root)
	site.children = append(site.children, route)
}

// act is what a rule does at a node, as keys.
func (b *builder) act(n *node) *table {
	t, r := &table{}, n.rule
	if r == nil {
		t.set("respond", 404)
		return t
	}
	switch r.kind {
	case proxied:
		t.set("backend", r.backend.name(), r.from...)
		b.mapPath(t, n)
	case static:
		b.serve(t, n)
	case redirected:
		t.set("redirect", r.redirectAt(n.matcher), r.from...)
		t.set("redirect_status", r.status, r.from[0])
	case responded:
		t.set("respond", r.status, r.from...)
	}
	return t
}

// mapPath tells which path the backend is asked for.
func (b *builder) mapPath(t *table, n *node) {
	r := n.rule
	target := r.target
	switch {
	case r.identity || !r.whole && target == r.prefix && r.re == nil:
		return
	case r.whole:
		target = r.deeper(n.matcher)
		if target == "{path}" || n.prefix == "/" && target == "/{rest}" {
			return
		}
	default:
		target = b.evened(r) + strings.TrimPrefix(n.prefix, r.prefix)
		if n.prefix == r.prefix && (target == "" || target == "/") {
			b.stripped(t, r, target)
			return
		}
		target += "{rest}"
	}
	t.set("rewrite", target, r.from...)
}

// stripped takes the prefix off. With "/app" and "http://backend/" httpd asks for
// "//x", which is not meant.
func (b *builder) stripped(t *table, r *rule, target string) {
	t.set("strip", true, r.from...)
	if target == "/" && !strings.HasSuffix(r.prefix, "/") {
		b.ledger.differently(r.from[0], "the path has no slash at its end and the target has one, so httpd asks for //x; gateway asks for /x")
	}
}

// evened is the target of a path with a slash at its end if the path has one, and
// without if it has none. Otherwise httpd glues two words together, or doubles
// the slash.
func (b *builder) evened(r *rule) string {
	bare := strings.TrimSuffix(r.target, "/")
	switch slash := strings.HasSuffix(r.prefix, "/"); {
	case bare == "" || slash == strings.HasSuffix(r.target, "/"):
		return r.target
	case slash:
		b.ledger.differently(r.from[0], "the path has a slash at its end and the target has none, so httpd asks for "+bare+"y; gateway asks for "+bare+"/y")
		return bare + "/"
	default:
		b.ledger.differently(r.from[0], "the path has no slash at its end and the target has one, so httpd asks for "+bare+"//y; gateway asks for "+bare+"/y")
		return bare
	}
}

// deeper is a template for a node below the rule's own prefix.
func (r *rule) deeper(at matcher) string {
	if r.re != nil && at.exact {
		return r.filled(at.prefix)
	}
	if r.re != nil || at.re != nil {
		return r.target
	}
	below := strings.TrimPrefix(at.prefix, r.prefix)
	if below == "" {
		return r.target
	}
	return strings.ReplaceAll(r.target, "{rest}", below+"{rest}")
}

// groupName is a group of a pattern in a template.
var groupName = regexp.MustCompile(`\{\d\}`)

// filled is the template of a pattern for one path: a route for that path has no
// groups.
func (r *rule) filled(path string) string {
	groups := r.re.FindStringSubmatch(path)
	return groupName.ReplaceAllStringFunc(r.target, func(name string) string { return argAt(groups, int(name[1]-'0')) })
}

// redirectAt is the redirect's target at a node.
func (r *rule) redirectAt(at matcher) string {
	target := r.deeper(at)
	if !r.whole {
		target = r.target + strings.TrimPrefix(at.prefix, r.prefix) + "{rest}"
	}
	if at.re == nil && at.prefix == "/" {
		target = strings.ReplaceAll(target, "/{rest}", "{path}")
	}
	return target
}

// serve is a folder: DocumentRoot is the folder of "/", an Alias that of its path.
func (b *builder) serve(t *table, n *node) {
	r := n.rule
	switch {
	case r.whole:
		t.set("root", r.folder, r.from...)
		t.set("rewrite", r.deeper(n.matcher), r.from...)
	case r.stage == serving:
		t.set("root", r.target, r.from...)
	default:
		b.serveAlias(t, n)
	}
}

// serveAlias is the folder of an Alias, or one below it. A path below that is no
// folder is looked for in the folder of the Alias, since root must be there.
func (b *builder) serveAlias(t *table, n *node) {
	r := n.rule
	below := strings.TrimPrefix(n.prefix, r.prefix)
	folder := filepath.Join(r.target, below)
	if strings.Trim(below, "/") != "" && isFolder(r.target) && !isFolder(folder) {
		t.set("root", r.target, r.from...)
		t.set("rewrite", "/"+strings.TrimPrefix(below, "/")+"{rest}", r.from...)
		return
	}
	t.set("root", folder, r.from...)
	t.set("strip", true, r.from...)
}
