package apache

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// fileRules keep what httpd does not send as it is from being sent: files that a
// <Files> section closes, and programs, whose source nobody must see.
func (b *builder) fileRules() []*rule {
	var rules []*rule
	for _, scope := range b.fileScopes() {
		for _, d := range named(scope, "Files", "FilesMatch") {
			if r := b.fileRule(d); r != nil {
				rules = append(rules, r)
			}
		}
		for _, d := range named(scope, "AddHandler", "AddType") {
			if r := b.handlerRule(d); r != nil {
				rules = append(rules, r)
			}
		}
	}
	return rules
}

// fileScopes are the host's own scope, and the <Directory> sections within it.
func (b *builder) fileScopes() [][]*Directive {
	scopes := [][]*Directive{b.host.main, b.host.own}
	for _, d := range b.host.mainFirst("Directory", "Location") {
		scopes = append(scopes, d.Children)
	}
	return scopes
}

func (b *builder) fileRule(d *Directive) *rule {
	pattern, err := filePattern(d)
	switch {
	case hidesDotfiles(pattern):
		b.sectionNotNeeded(d, "gateway never sends files whose name begins with a dot")
		return nil
	case b.sendsNoFiles():
		b.sectionNotNeeded(d, "it is for files, and a backend answers for all paths")
		return nil
	case !closes(d.Children) && lastOf(d.Children, "SetHandler") == nil:
		return nil // see guardedFiles
	case err != nil:
		b.ledger.lost(d, err.Error(), "see that no such file lies below root")
		return nil
	}
	m, _, err := parsePattern(pattern, false)
	if err != nil {
		b.ledger.lost(d, err.Error(), "see that no such file lies below root")
		return nil
	}
	b.tellIndex(d, m)
	r := &rule{matcher: m, kind: responded, stage: rewriting, status: 403, from: append([]*Directive{d}, authorization(d.Children)...)}
	if handler := lastOf(d.Children, "SetHandler"); handler != nil {
		if strings.EqualFold(handler.arg(0), "none") || !b.servesFiles() {
			return nil
		}
		r.status, r.from = 404, []*Directive{d, handler}
		b.ledger.lost(handler, "gateway does not run such files; their paths are answered with 404, so that nobody sees the source", "let a program of its own serve them over HTTP, as a backend")
	}
	return r
}

// guardedFiles are the <Files> sections that say who may come, as sections for the
// paths of such files.
func (b *builder) guardedFiles() []*section {
	var all []*section
	for _, scope := range b.fileScopes() {
		for _, d := range named(scope, "Files", "FilesMatch") {
			pattern, err := filePattern(d)
			if err != nil || hidesDotfiles(pattern) || b.sendsNoFiles() || closes(d.Children) || len(authorization(d.Children)) == 0 {
				continue
			}
			if m, _, err := parsePattern(pattern, false); err == nil {
				b.tellIndex(d, m)
				all = append(all, &section{matcher: m, from: d})
			}
		}
	}
	return all
}

func (b *builder) sectionNotNeeded(d *Directive, why string) {
	for _, one := range append([]*Directive{d}, d.Children...) {
		b.ledger.notNeeded(one, why)
	}
}

// tellIndex tells of a guarded file that is also sent for its folder: a route for
// its own path does not guard that.
func (b *builder) tellIndex(d *Directive, m matcher) {
	names := []string{"index.html"}
	if index := b.host.last("DirectoryIndex"); index != nil {
		names = index.Args
	}
	s := &section{from: d}
	for _, name := range names {
		if s.excludes() && m.covers(exactly("/"+name)) {
			b.ledger.lost(d, name+" is also sent for its folder, where this does not hold", "leave "+name+" out of index, or write allow or deny for the folder")
		}
	}
}

// sendsNoFiles reports a host that asks a backend for every path.
func (b *builder) sendsNoFiles() bool {
	return !b.servesFiles() && !slices.ContainsFunc(b.proxyRules(), func(r *rule) bool { return r.kind == notProxied })
}

// closes reports sections that let nobody in.
func closes(children []*Directive) bool {
	if d := lastOf(children, "Require"); d != nil {
		return strings.EqualFold(d.Text, "all denied")
	}
	deny := lastOf(children, "Deny")
	return deny != nil && strings.EqualFold(deny.Text, "from all") && lastOf(children, "Allow") == nil
}

// filePattern is a pattern over paths for the names of a <Files> section.
func filePattern(d *Directive) (string, error) {
	name := d.arg(0)
	pattern := d.Is("FilesMatch")
	if name == "~" {
		name, pattern = d.arg(1), true
	}
	if !pattern {
		quoted := strings.NewReplacer(`\*`, `[^/]*`, `\?`, `[^/]`).Replace(regexp.QuoteMeta(name))
		return "/" + quoted + "$", nil
	}
	if _, err := regexp.Compile(name); err != nil {
		return "", fmt.Errorf("the pattern %s says something that gateway's regular expressions (RE2) can't", name)
	}
	name = withinName(name)
	switch {
	case strings.Contains(name, "|"):
		return "(?:" + name + ")[^/]*$", nil
	case strings.HasSuffix(name, "$"):
		return name, nil
	}
	return name + "[^/]*$", nil
}

// withinName makes a pattern over paths of one over names: the beginning of a
// name is a slash, and what stands for any letter stands for no slash.
func withinName(pattern string) string {
	var out strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '\\':
			out.WriteString(pattern[i:min(i+2, len(pattern))])
			i++
		case '^':
			out.WriteByte('/')
		case '.':
			out.WriteString("[^/]")
		case '[':
			end := i + classEnd(pattern[i:])
			class, negated := strings.CutPrefix(pattern[i:end], "[^")
			if negated {
				class = "[^/" + class
			}
			out.WriteString(class)
			i = end - 1
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// classEnd is the length of the class of letters that a pattern begins with.
func classEnd(pattern string) int {
	from := len(pattern) - len(strings.TrimPrefix(strings.TrimPrefix(pattern[1:], "^"), "]"))
	for i := from; i < len(pattern); i++ {
		switch {
		case pattern[i] == '\\':
			i++
		case strings.HasPrefix(pattern[i:], "[:"):
			i += max(0, strings.Index(pattern[i:], ":]"))
		case pattern[i] == ']':
			return i + 1
		}
	}
	return len(pattern)
}

// dotfiles is a pattern that fits only names with a dot before them: "^\.ht",
// "^[.]ht", "^\.(ht|git)", "^(\.ht|\.git)".
var dotfiles = regexp.MustCompile(`^/(?:(?:\\\.|\[\.\])(?:[^|()?*{][^|()]*)?(?:\([^()]*\)[^|()]*)?|\((?:\\\.|\[\.\])(?:[^|()?*{][^|()]*)?(?:\|(?:\\\.|\[\.\])(?:[^|()?*{][^|()]*)?)*\)(?:[^|()?*{][^|()]*)?)$`)

// hidesDotfiles knows the section that every configuration has.
func hidesDotfiles(pattern string) bool {
	pattern = strings.TrimSuffix(strings.TrimPrefix(pattern, "(?:"), ")[^/]*$")
	return dotfiles.MatchString(pattern)
}

// hidesDotFolders knows the pattern of a <DirectoryMatch> that is only about
// folders with a dot before their name.
func hidesDotFolders(pattern string) bool {
	pattern = strings.TrimPrefix(strings.TrimPrefix(pattern, "(^|/)"), "(?:^|/)")
	pattern = strings.TrimSuffix(strings.TrimSuffix(pattern, "(/|$)"), "(?:/|$)")
	return hidesDotfiles("/" + strings.TrimLeft(pattern, "^.*/"))
}

// servesFiles reports whether the host has a folder that something is sent from.
func (b *builder) servesFiles() bool {
	if len(b.host.ownFirst("Alias", "AliasMatch")) > 0 {
		return true
	}
	for _, r := range b.proxyRules() {
		if r.kind == proxied && r.prefix == "/" && r.re == nil && !r.exact {
			return false
		}
	}
	return b.host.last("DocumentRoot") != nil
}

// harmlessHandlers make no program of a file.
var harmlessHandlers = [...]string{"type-map", "send-as-is", "default-handler"}

// handlerRule closes endings of programs that AddHandler or AddType names.
func (b *builder) handlerRule(d *Directive) *rule {
	kind := strings.ToLower(d.arg(0))
	program := d.Is("AddHandler") && !slices.Contains(harmlessHandlers[:], kind) || strings.Contains(kind, "httpd-php") || strings.Contains(kind, "httpd-cgi")
	if !program || len(d.Args) < 2 || !b.servesFiles() {
		return nil
	}
	var endings []string
	for _, ending := range d.Args[1:] {
		endings = append(endings, regexp.QuoteMeta(strings.TrimPrefix(ending, ".")))
	}
	m, _, err := parsePattern(`\.(`+strings.Join(endings, "|")+`)$`, false)
	if err != nil {
		return nil
	}
	b.ledger.lost(d, "gateway does not run such files; their paths are answered with 404, so that nobody sees the source", "let a program of its own serve them over HTTP, as a backend")
	return b.refusal(m, rewriting, 404, d)
}
