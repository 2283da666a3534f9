package apache

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// redirectRules are the Redirect lines of the host, in httpd's order.
func (b *builder) redirectRules() []*rule {
	var rules []*rule
	for _, d := range b.host.ownFirst("Redirect", "RedirectPermanent", "RedirectTemp", "RedirectMatch") {
		if r := b.redirect(d, "", redirecting); r != nil {
			rules = append(rules, r)
		}
	}
	return rules
}

// redirectWords are the statuses that Redirect knows by name.
var redirectWords = map[string]int{"permanent": 301, "temp": 302, "seeother": 303, "gone": 410}

// redirect reads Redirect [status] [path] [URL]; location is the path of the
// <Location> around it, in which it has none of its own.
func (b *builder) redirect(d *Directive, location string, at stage) *rule {
	status, args := redirectStatus(d)
	var path, url string
	switch {
	case location != "" && len(args) < 2:
		path, url = location, argAt(args, 0)
	default:
		path, url = argAt(args, 0), argAt(args, 1)
	}
	r := &rule{matcher: matcher{prefix: path}, kind: redirected, stage: at, target: url, status: status, from: []*Directive{d}}
	groups := ""
	if d.Is("RedirectMatch") {
		path, r.except = leavingOut(path)
		path, url = rooted(path, url)
		var err error
		if r.matcher, groups, err = parsePattern(path, false); err != nil {
			b.ledger.lost(d, err.Error(), "write a route for the paths that it means")
			return nil
		}
	} else if !strings.HasPrefix(path, "/") {
		b.ledger.lost(d, "it redirects no path", "write Redirect /path URL")
		return nil
	}
	if status < 300 || status > 399 {
		r.kind, r.target = responded, ""
		return r
	}
	if d.Is("RedirectMatch") {
		text, err := asTemplate(url, groups, nil)
		if err != nil {
			b.ledger.lost(d, err.Error(), "write a route for the paths that it means")
			return nil
		}
		r.target, r.whole = text, true
	}
	if !r.whole && strings.HasSuffix(path, "/") && unsafeHost(r.target+"{rest}") {
		r.target += "/"
		b.ledger.differently(d, "its URL has no slash at its end, so httpd sends clients to a host of which the path is a part; gateway puts the slash there")
	}
	r.whole = r.whole || location != "" && len(args) < 2 // httpd appends nothing there
	switch {
	case !strings.Contains(r.target, "://") && !strings.HasPrefix(r.target, "/"):
		b.ledger.lost(d, fmt.Sprintf("%q is neither a URL nor a path", url), "write the whole URL")
		return nil
	case r.whole && unsafeHost(r.target):
		b.ledger.lost(d, "what a client writes would follow the host without a slash, and so could name another host", "write the slash")
		return nil
	}
	return r
}

func redirectStatus(d *Directive) (int, []string) {
	args := d.Args
	switch {
	case d.Is("RedirectPermanent"):
		return 301, args
	case d.Is("RedirectTemp"):
		return 302, args
	}
	if status := redirectWords[strings.ToLower(d.arg(0))]; status != 0 {
		return status, args[1:]
	}
	if first := d.arg(0); len(first) == 3 && isNumber(first) {
		return rewriteStatus(first), args[1:]
	}
	return 302, args
}

func argAt(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}

// aliasRules are the folders that Alias and its kind map into the paths.
func (b *builder) aliasRules() []*rule {
	var rules []*rule
	for _, d := range b.host.ownFirst("Alias", "AliasMatch", "ScriptAlias", "ScriptAliasMatch") {
		if r := b.alias(d); r != nil {
			rules = append(rules, r)
		}
	}
	return rules
}

func (b *builder) alias(d *Directive) *rule {
	if len(d.Args) < 2 {
		b.ledger.lost(d, "it names no folder", "write Alias /path /folder")
		return nil
	}
	m, groups, err := matcher{prefix: d.arg(0)}, "", error(nil)
	if strings.HasSuffix(strings.ToLower(d.Name), "match") {
		m, groups, err = parsePattern(d.arg(0), false)
	}
	folder := d.arg(1)
	if err == nil && groups != "" {
		folder = strings.TrimSuffix(folder, "$1")
	}
	if err == nil && strings.Contains(folder, "$") {
		err = fmt.Errorf("gateway has no folders that depend on a pattern")
	}
	if strings.HasPrefix(strings.ToLower(d.Name), "script") {
		b.ledger.lost(d, "gateway runs no CGI programs; their paths are answered with 404", "let a program of its own serve them, as a backend")
		return b.refusal(m, aliasing, 404)
	}
	if err != nil {
		b.ledger.lost(d, err.Error(), "write a route with root for each of the folders")
		return nil
	}
	return b.folderRule(m, b.absolute(folder), d)
}

// folderRule maps a folder, or the one file that the alias names.
func (b *builder) folderRule(m matcher, folder string, d *Directive) *rule {
	r := &rule{matcher: m, kind: static, stage: aliasing, target: folder, from: []*Directive{d}}
	if isFile(folder) || !isFolder(folder) && filepath.Ext(folder) != "" && filepath.Ext(m.prefix) != "" {
		r.exact, r.whole = true, true
		r.folder, r.target = filepath.Dir(folder), "/"+filepath.Base(folder)
	}
	return r
}

// absolute is a path of the configuration as gateway's file names it.
func (t *translation) absolute(path string) string {
	if !filepath.IsAbs(path) {
		path = filepath.Join(t.tree.Root, path)
	}
	if clean := filepath.Clean(path); clean != "/" && strings.HasSuffix(path, "/") {
		return clean
	}
	return filepath.Clean(path)
}

// documentRoot is the folder of all paths that nothing else takes.
func (b *builder) documentRoot() []*rule {
	d := b.host.last("DocumentRoot")
	if d == nil {
		return nil
	}
	folder := b.absolute(d.arg(0))
	if _, err := os.Stat(folder); err != nil {
		b.ledger.differently(d, folder+" "+plainError(err)+"; gateway wants it to be there")
	}
	return []*rule{{matcher: matcher{prefix: "/"}, kind: static, stage: serving, target: folder, from: []*Directive{d}}}
}
