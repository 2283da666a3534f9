package proxy

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
)

func (s Site) validateRoutes(report Report) {
	seen := map[string]bool{}
	if s.own().answers() {
		seen["/"] = true
	}
	for i, r := range s.Routes {
		key := index("route", i)
		r.Validate(func(k, wrong, instead string) { report(key+"."+k, wrong, instead) })
		if !r.answers() && (!s.own().answers() || r.saysNothing()) {
			report(key+".backend", "is missing", "write the name of the [[backend]] that serves this path, or root, redirect or respond")
		}
		switch {
		case r.Match != "":
		case seen[r.where()] && r.where() == "/" && s.own().answers():
			report(key+".path", `is "/", which the site itself answers already`, "leave out what the site itself answers with, or this route")
		case seen[r.where()]:
			report(key+".path", fmt.Sprintf("%q stands in an earlier route of this site", r.Path), "write each path once")
		}
		seen[r.where()] = true
	}
}

// saysNothing reports a route that leaves its paths as they would be without it.
func (r Route) saysNothing() bool {
	r.Path, r.Match, r.Exact = "", "", false
	return reflect.ValueOf(r).IsZero()
}

// where tells apart the paths that two routes can't both have.
func (r Route) where() string {
	if r.Exact {
		return "=" + r.Path
	}
	return r.Path
}

// Validate reports what one [[site.route]] can't mean.
func (r Route) Validate(report Report) {
	switch {
	case r.Match != "":
		r.validateMatch(report)
	case !strings.HasPrefix(r.Path, "/"):
		report("path", fmt.Sprintf("%q does not start with a slash", r.Path), fmt.Sprintf("write %q", "/"+r.Path))
	case strings.ContainsAny(r.Path, "?#*%;\\") || strings.ContainsFunc(r.Path, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		report("path", fmt.Sprintf("%q holds a character that no path prefix has", r.Path), "write the path as it reads in a browser, without query, wildcards or escapes")
	case !isResolved(r.Path):
		report("path", fmt.Sprintf("%q can be read in more than one way", r.Path), `write it without "//", "." and ".."`)
	}
	if r.Body != nil {
		atLeastSize(report, "body", *r.Body)
	}
	r.validateRewrite(report)
	r.validateAnswer(report)
}

// longestMatch bounds the work of matching, which grows with the expression.
const longestMatch = 1000

func (r Route) validateMatch(report Report) {
	switch _, err := r.pattern(); {
	case r.Path != "":
		report("match", "stands beside path", "write one of the two")
	case r.Exact:
		report("exact", "stands beside match", "leave it out; ^ and $ bind a regular expression to both ends of the path")
	case r.Strip:
		report("strip", "stands beside match", `write what is asked for instead, such as rewrite = "/{1}"`)
	case len(r.Match) > longestMatch:
		report("match", fmt.Sprintf("has %d characters, and may have %d", len(r.Match), longestMatch), "write several routes")
	case err != nil:
		report("match", fmt.Sprintf("is no regular expression that gateway reads: %v", err), "write it in the syntax of RE2, which has neither lookaround nor backreferences")
	}
}

func (r Route) validateRewrite(report Report) {
	if r.Rewrite == "" {
		return
	}
	d, err := parseRewrite(r.Rewrite, r.placeholders())
	prefix, isPrefix := d.prefix()
	switch {
	case err != nil:
		reportError(report, "rewrite", err)
	case r.Strip:
		report("rewrite", "stands beside strip", `write one of the two; "/{rest}" takes the path off as strip does`)
	case r.Redirect != "" || r.Respond != 0:
		report("rewrite", "stands in a route that asks no backend and no folder", "leave it out")
	case isPrefix && strings.HasSuffix(prefix, "/") != strings.HasSuffix(r.Path, "/"):
		report("rewrite", fmt.Sprintf("%q and the path %q don't both end in a slash, so that slashes get lost or doubled", r.Rewrite, r.Path), "end both with a slash, or neither")
	}
}

// reportError takes an error apart whose text ends with what to write.
func reportError(report Report, key string, err error) {
	text := err.Error()
	at := strings.LastIndex(text, ": ")
	report(key, text[:at], text[at+len(": "):])
}

// validateAnswer checks what a site or a route answers with, and for whom.
func (r Route) validateAnswer(report Report) {
	r.validateChoice(report)
	r.validateFiles(report)
	if r.Redirect != "" {
		if _, err := parseRedirect(r.Redirect, r.placeholders()); err != nil {
			reportError(report, "redirect", err)
		}
	}
	if r.RedirectStatus != 0 && !slices.Contains([]int{301, 302, 303, 307, 308}, r.RedirectStatus) {
		report("redirect_status", fmt.Sprintf("is %d, which sends nobody anywhere", r.RedirectStatus), "write 301 or 308 for good, or 302, 303 or 307 for now")
	}
	r.validateRespond(report)
	validateAudience(report, "allow", r.Allow)
	validateAudience(report, "deny", r.Deny)
	r.validateLogin(report)
	r.Headers.validate(report)
	validatePages(report, r.ErrorPages)
}

func (r Route) validateRespond(report Report) {
	switch {
	case r.Respond == 0:
	case r.Respond < 400 || r.Respond > 599 || http.StatusText(r.Respond) == "":
		report("respond", fmt.Sprintf("is %d, which is no status of an error", r.Respond), "write one from 400 to 599, such as 404 or 410")
	case r.Respond == http.StatusUnauthorized || r.Respond == http.StatusProxyAuthRequired:
		report("respond", fmt.Sprintf("is %d, which asks for a password", r.Respond), "write 403, or auth_file")
	}
}

func (r Route) validateChoice(report Report) {
	first := ""
	for _, one := range []struct {
		key     string
		written bool
	}{{"backend", r.Backend != ""}, {"root", r.Root != ""}, {"redirect", r.Redirect != ""}, {"respond", r.Respond != 0}} {
		switch {
		case !one.written:
		case first != "":
			report(one.key, "stands beside "+first+", and only one of them can answer", "leave one of the two out")
			return
		default:
			first = one.key
		}
	}
	if r.RedirectStatus != 0 && r.Redirect == "" {
		report("redirect_status", "stands without redirect", "write where clients are sent, or leave it out")
	}
}

func (r Route) validateFiles(report Report) {
	if r.Root == "" {
		r.validateNoFiles(report)
		return
	}
	switch info, err := os.Stat(r.Root); {
	case err != nil:
		report("root", fmt.Sprintf("%s: %v", r.Root, plainCause(err)), "write the folder of the files that are served")
	case !info.IsDir():
		report("root", r.Root+" is no folder", "write the folder of the files that are served")
	}
	for i, name := range r.Index {
		if _, ok := fileName("/" + name); !ok || name == "" || strings.ContainsAny(name, "/%") {
			report(index("index", i), fmt.Sprintf("%q is not the name of a file that is served", name), `write a name such as "index.html"`)
		}
	}
	if _, ok := fileName(r.Fallback); r.Fallback != "" && (!ok || !strings.HasPrefix(r.Fallback, "/")) {
		report("fallback", fmt.Sprintf("%q is not the path of a file that is served", r.Fallback), `write it from root on, with a slash in front, such as "/index.html"`)
	}
}

func (r Route) validateNoFiles(report Report) {
	for _, one := range []struct {
		key     string
		written bool
	}{{"index", r.Index != nil}, {"listing", r.Listing}, {"fallback", r.Fallback != ""}} {
		if one.written {
			report(one.key, "stands without root", "write root, the folder of the files, or leave it out")
		}
	}
}

// plainCause is what the system says, without the call and the path.
func plainCause(err error) error {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		return inner.Err
	}
	return err
}

func validateAudience(report Report, key string, written []string) {
	for i, one := range written {
		if _, err := parseAudience([]string{one}); err != nil {
			report(index(key, i), fmt.Sprintf("%q is no address and no network", one), `write such as "10.0.0.5" or "10.0.0.0/8", or "all"`)
		}
	}
}

func isResolved(path string) bool {
	resolved, ok := resolveDots(path)
	return ok && resolved == path && !strings.Contains(path, "//")
}
