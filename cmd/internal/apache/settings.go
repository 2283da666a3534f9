package apache

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// settingsAt is all that holds for the paths of a node besides what answers: the
// server's own settings, then those of the sections in their order. Headers are
// apart, since those of a route come on top of those of the site.
func (b *builder) settingsAt(at matcher, r *rule, more ...*section) (*table, []*Directive) {
	t := &table{}
	scopes := [][]*Directive{settingsOf(b.host.main), settingsOf(b.host.own)}
	headers := b.host.mainFirst("Header", "RequestHeader")
	var access []*Directive
	if r != nil && r.kind == proxied {
		access = b.proxySections(r)
	}
	for _, s := range append(slices.Clone(b.sections), more...) {
		if !slices.Contains(more, s) && !s.holds(at, r) {
			continue
		}
		b.folders[s.from] = true
		scopes = append(scopes, s.from.Children)
		headers = append(headers, named(s.from.Children, "Header", "RequestHeader")...)
		if s.restricts() {
			access = append(access, s.from)
		}
	}
	all := slices.Concat(scopes...)
	b.body(t, all)
	b.folderSettings(t, all, r, at)
	b.errorPages(t, all)
	if r == nil || r.kind == proxied || r.kind == static {
		b.access(t, access, all)
	}
	return t, headers
}

// guards is what a table says about who may come.
func (t *table) guards() string {
	text := ""
	for _, key := range []string{"allow", "deny", "auth_file"} {
		if e := t.entry(key); e != nil {
			text += key + render(e.value)
		}
	}
	return text
}

// settingsOf leaves out what only sections within a scope say.
func settingsOf(scope []*Directive) []*Directive {
	return slices.DeleteFunc(slices.Clone(scope), func(d *Directive) bool { return d.Section })
}

// body is the largest request body.
func (b *builder) body(t *table, all []*Directive) {
	d := lastOf(all, "LimitRequestBody")
	if d == nil {
		return
	}
	n, err := strconv.ParseInt(d.arg(0), 10, 64)
	if err != nil || n < 0 {
		b.ledger.lost(d, "this is no size", "write a number of bytes")
		return
	}
	t.set("body", sizeText(n), d)
}

// sizeText writes bytes as gateway's file does.
func sizeText(n int64) string {
	for _, unit := range []struct {
		bytes int64
		name  string
	}{{1 << 30, "GB"}, {1 << 20, "MB"}, {1 << 10, "KB"}} {
		if n > 0 && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.name
		}
	}
	if n == 0 {
		return "0"
	}
	return strconv.FormatInt(n, 10) + "B"
}

// folderSettings are those of files.
func (b *builder) folderSettings(t *table, all []*Directive, r *rule, at matcher) {
	if r == nil || r.kind != static || r.whole {
		return
	}
	b.accessFiles(all, filepath.Join(r.target, strings.TrimPrefix(at.prefix, r.prefix)))
	if d := lastOf(all, "DirectoryIndex"); d != nil {
		b.index(t, d)
	}
	if d := indexing(all); d != nil && !strings.HasPrefix(optionOf(d, "indexes", "all"), "-") {
		t.set("listing", true, d)
	}
	d := lastOf(all, "FallbackResource")
	switch {
	case d != nil && strings.HasPrefix(d.arg(0), "/"):
		t.set("fallback", d.arg(0), d)
	case d != nil && strings.EqualFold(d.arg(0), "disabled"):
		b.ledger.differently(d, "its paths have no fallback")
	case d != nil:
		b.ledger.lost(d, "its path does not begin with a slash", "write fallback")
	default:
		b.singlePage(t, all)
	}
}

// index keeps the names that gateway can serve: not programs.
func (b *builder) index(t *table, d *Directive) {
	names, programs := []string{}, []string(nil)
	for _, name := range d.Args {
		switch {
		case strings.EqualFold(name, "disabled"), strings.HasPrefix(name, "/"):
		case isProgram(name):
			programs = append(programs, name)
		default:
			names = append(names, name)
		}
	}
	if len(programs) > 0 {
		b.ledger.differently(d, "gateway runs no programs, so it leaves out "+strings.Join(programs, " "))
	}
	t.set("index", names, d)
}

// isProgram reports files that httpd runs and does not send.
func isProgram(name string) bool {
	for _, end := range []string{".php", ".cgi", ".pl", ".py", ".shtml", ".phtml"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// indexing is the Options line that decides about listings.
func indexing(all []*Directive) *Directive {
	for _, d := range slices.Backward(all) {
		if d.Is("Options") && optionOf(d, "indexes", "all") != "" {
			return d
		}
		if d.Is("Options") && !strings.ContainsAny(d.Text, "+-") {
			return nil // it sets all options anew, without Indexes
		}
	}
	return nil
}

// optionOf is how an Options line writes one of the options.
func optionOf(d *Directive, options ...string) string {
	for _, word := range d.Args {
		if slices.Contains(options, strings.ToLower(strings.TrimLeft(word, "+-"))) {
			return word
		}
	}
	return ""
}

// singlePage knows the lines by which a program in the browser gets all paths:
// what is no file is answered with one page.
func (b *builder) singlePage(t *table, all []*Directive) {
	steps, _ := stepsOf(all)
	for _, step := range steps {
		if step.servesSinglePage() {
			t.set("fallback", "/"+strings.TrimPrefix(step.rule.arg(1), "/"), step.all()...)
			b.tellPassed(all, steps)
		}
	}
}

// tellPassed tells of the lines that usually stand beside the one for a single
// page: they let go through what is there.
func (b *builder) tellPassed(all []*Directive, steps []rewriteStep) {
	for _, step := range steps {
		if step.rule.arg(1) == "-" && len(step.conditions) == 0 {
			b.ledger.differently(step.rule, "fallback leaves files that are there alone")
		}
	}
	for _, d := range named(all, "RewriteEngine", "RewriteBase") {
		b.ledger.differently(d, "its rules become fallback")
	}
}

// servesSinglePage reports a rule that answers what is no file with one page.
func (s rewriteStep) servesSinglePage() bool {
	for _, d := range s.conditions {
		if !asksForNoFile(d) {
			return false
		}
	}
	page := s.rule.arg(1)
	return len(s.conditions) > 0 && strings.HasSuffix(page, ".html") && !strings.ContainsAny(page, "$%:")
}
