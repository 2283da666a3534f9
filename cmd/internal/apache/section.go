package apache

import (
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// section is a <Location>, or a <Directory> as far as it is below a folder that
// is served: settings for some paths.
type section struct {
	matcher
	from   *Directive
	folder string // of a <Directory>; "" for a <Location>
}

// findSections are those of the host in the order in which httpd merges them.
func (b *builder) findSections() []*section {
	var all []*section
	for _, d := range b.host.mainFirst("Location", "LocationMatch") {
		if b.tellsStatus(d) {
			continue
		}
		if s := b.location(d); s != nil {
			all = append(all, s)
		}
	}
	return slices.Concat(b.directories(), b.guardedFiles(), all)
}

// tellsStatus knows the pages about httpd itself.
func (b *builder) tellsStatus(d *Directive) bool {
	handler := lastOf(d.Children, "SetHandler")
	if handler == nil || !slices.Contains([]string{"server-status", "server-info", "balancer-manager", "ldap-status"}, strings.ToLower(handler.arg(0))) {
		return false
	}
	for _, one := range append([]*Directive{d}, d.Children...) {
		b.ledger.notNeeded(one, "it is a page about httpd itself; see gateway status")
	}
	return true
}

func (b *builder) location(d *Directive) *section {
	written := d.arg(0)
	pattern := d.Is("LocationMatch")
	if written == "~" {
		written, pattern = d.arg(1), true
	}
	if !pattern {
		if strings.ContainsAny(written, "*?[") {
			return b.patterned(d, wildcards(written))
		}
		if !strings.HasPrefix(written, "/") {
			b.ledger.lost(d, "its path does not begin with a slash", "write <Location /path>")
			return nil
		}
		return &section{matcher: matcher{prefix: written}, from: d}
	}
	return b.patterned(d, written)
}

// patterned is a section for a pattern. If gateway can't have the pattern, and
// the section says who may come, all paths are closed that begin like it.
func (b *builder) patterned(d *Directive, pattern string) *section {
	m, _, err := parsePattern(pattern, false)
	if err == nil {
		return &section{matcher: m, from: d}
	}
	s := &section{from: d}
	if !s.excludes() {
		b.ledger.lost(d, err.Error(), "write a route for the paths that it means")
		return nil
	}
	literal := literalPrefix(strings.TrimPrefix(pattern, "^"))
	m = matcher{prefix: literal[:strings.LastIndexByte(literal, '/')+1]}
	if m.prefix == "" {
		m.prefix = "/"
	}
	b.ledger.lost(d, err.Error()+"; so that nobody gets in who should not, "+m.prefix+" is closed to all", "write routes for the paths that it means, with allow")
	b.closed = append(b.closed, b.refusal(m, rewriting, 403, d))
	return nil
}

// wildcards is the pattern of a path with *, ? and [...], none of which takes a
// slash.
func wildcards(path string) string {
	var out strings.Builder
	for _, c := range path {
		switch c {
		case '*':
			out.WriteString("[^/]*")
		case '?':
			out.WriteString("[^/]")
		case '[', ']', '-', '/':
			out.WriteRune(c)
		default:
			out.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return "^" + out.String() + "$"
}

// directories are the <Directory> sections, outermost first, at the paths where
// their folders show.
func (b *builder) directories() []*section {
	var all []*section
	for _, d := range b.host.mainFirst("DirectoryMatch") {
		b.closeFolders(d, d.arg(0))
	}
	for _, d := range b.host.mainFirst("Directory") {
		if d.arg(0) == "~" || strings.ContainsAny(d.arg(0), "*?[") {
			pattern := d.arg(1)
			if d.arg(0) != "~" {
				pattern = wildcards(d.arg(0))
			}
			b.closeFolders(d, pattern)
			continue
		}
		folder := b.absolute(d.arg(0))
		for _, path := range b.shownAt(folder) {
			all = append(all, &section{matcher: matcher{prefix: path}, from: d, folder: folder})
		}
	}
	slices.SortStableFunc(all, func(x, y *section) int { return len(x.folder) - len(y.folder) })
	return all
}

// closeFolders stands in for a <Directory> with a pattern that says who may come:
// its folders are closed where they show.
func (b *builder) closeFolders(d *Directive, pattern string) {
	s := &section{from: d}
	if !s.excludes() || hidesDotFolders(pattern) {
		return
	}
	for _, one := range append([]*Directive{d}, authorization(d.Children)...) {
		b.ledger.lost(one, "gateway guards folders by their paths and not by patterns; so that nobody gets in who should not, they are closed to all", "write a [[site.route]] with allow or deny for the path where the folder shows")
	}
	for _, m := range b.shownFor(pattern) {
		b.closed = append(b.closed, b.refusal(m, rewriting, 403, d))
	}
}

// shownFor are the paths at which folders of a pattern show, or more than these.
func (b *builder) shownFor(pattern string) []matcher {
	var all []matcher
	for at, folder := range b.shown() {
		if m, touches := folderMatcher(pattern, folder, at); touches {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(x, y matcher) int { return strings.Compare(x.shown(), y.shown()) })
	return all
}

// shown are the folders that are served, by the path where each shows.
func (b *builder) shown() map[string]string {
	folders := map[string]string{}
	for _, d := range slices.Backward(b.host.ownFirst("Alias")) {
		if len(d.Args) > 1 {
			folders[strings.TrimSuffix(d.arg(0), "/")] = b.absolute(d.arg(1))
		}
	}
	if root := b.host.last("DocumentRoot"); root != nil {
		folders[""] = b.absolute(root.arg(0))
	}
	return folders
}

// folderMatcher is where folders of a pattern show if a folder shows at a path.
// Where that can't be told, all of the folder is meant.
func folderMatcher(pattern, folder, at string) (m matcher, touches bool) {
	whole := matcher{prefix: at + "/"}
	if below, found := strings.CutSuffix(pattern, "$"); found {
		pattern = strings.TrimSuffix(below, "/") + "(/|$)"
	}
	re, err := regexp.Compile(pattern)
	if err != nil || re.MatchString(folder+"/") {
		return whole, true
	}
	rest, anchored := strings.CutPrefix(pattern, "^")
	for _, spelled := range endsOf(folder, anchored) {
		if below, found := strings.CutPrefix(rest, spelled+"/"); found {
			m, _, err = parsePattern("^"+regexp.QuoteMeta(at)+"/"+below, false)
			return m, err == nil
		}
	}
	if !anchored {
		m, _, err = parsePattern(pattern, false)
		return m, err == nil
	}
	literal := literalPrefix(rest)
	return whole, strings.HasPrefix(literal, folder+"/") || strings.HasPrefix(folder, literal)
}

// endsOf are a folder, and without whole its last parts too, as a pattern may
// spell them.
func endsOf(folder string, whole bool) []string {
	ends := []string{regexp.QuoteMeta(folder), folder}
	for i := 1; i < len(folder) && !whole; i++ {
		if folder[i] == '/' {
			ends = append(ends, regexp.QuoteMeta(folder[i:]), folder[i:], regexp.QuoteMeta(folder[i+1:]), folder[i+1:])
		}
	}
	return ends
}

// shownAt are the paths at which a folder below the DocumentRoot or an Alias
// shows. A folder above them has "", which makes no node of its own.
func (b *builder) shownAt(folder string) []string {
	paths := []string{""}
	add := func(root, at string) {
		below, err := filepath.Rel(b.absolute(root), folder)
		if err == nil && below != "." && !strings.HasPrefix(below, "..") {
			paths = append(paths, path.Join("/", at, filepath.ToSlash(below)))
		}
	}
	if root := b.host.last("DocumentRoot"); root != nil {
		add(root.arg(0), "")
	}
	for _, d := range b.host.ownFirst("Alias") {
		if len(d.Args) > 1 {
			add(d.arg(1), d.arg(0))
		}
	}
	if len(paths) > 1 {
		return paths[1:]
	}
	return paths
}

// holds reports whether the section's settings are in effect for a path that a
// rule answers.
func (s *section) holds(at matcher, r *rule) bool {
	if s.folder == "" {
		return s.covers(at)
	}
	if r == nil || r.kind != static {
		return false
	}
	served := r.target
	switch {
	case r.whole:
		served = r.folder
	default:
		served = filepath.Join(served, strings.TrimPrefix(at.prefix, r.prefix))
	}
	return within(served, s.folder)
}

// restricts reports whether the section says who may come.
func (s *section) restricts() bool { return len(authorization(s.from.Children)) > 0 }

// excludes reports whether the section lets not everybody in.
func (s *section) excludes() bool {
	return slices.ContainsFunc(authorization(s.from.Children), func(d *Directive) bool { return !strings.EqualFold(d.Text, "all granted") })
}

// setting is a directive of one value that <Location> may say for some paths.
func (b *builder) setting(name string, at matcher) *Directive {
	found := b.host.last(name)
	for _, s := range b.sections {
		if d := lastOf(s.from.Children, name); d != nil && s.folder == "" && s.covers(at) {
			found = d
		}
	}
	return found
}

// locationRules are the ProxyPass and Redirect lines within <Location>. Of several
// sections for a path the last counts.
func (b *builder) locationRules() []*rule {
	var rules []*rule
	for _, s := range slices.Backward(b.sections) {
		if s.folder != "" {
			continue
		}
		for _, d := range named(s.from.Children, "ProxyPass", "ProxyPassMatch") {
			if d.arg(0) == "" {
				continue
			}
			rules = append(rules, b.proxyRule(d, s.matcher, "", d.arg(0), locating, d.Args[1:])...)
		}
		for _, d := range named(s.from.Children, "Redirect", "RedirectPermanent", "RedirectTemp") {
			if r := b.redirect(d, s.prefix, locating); r != nil && s.re == nil {
				rules = append(rules, r)
			}
		}
	}
	return rules
}
