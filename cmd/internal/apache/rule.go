package apache

import (
	"regexp"
	"strings"
)

// matcher tells which paths a rule or a section is for.
type matcher struct {
	prefix  string // segment by segment, as ProxyPass and <Location> match
	exact   bool   // prefix is the whole path
	pattern string // instead of a prefix: a regular expression, as gateway takes it
	re      *regexp.Regexp
}

// covers reports whether the matcher takes all paths of a node, which is an exact
// path or a prefix: one exact path is not all that is below it.
func (m matcher) covers(at matcher) bool {
	switch {
	case m.re != nil:
		return m.re.MatchString(at.sample())
	case m.exact:
		return at.exact && at.prefix == m.prefix
	}
	return within(at.sample(), m.prefix)
}

// within reports whether a path lies under a prefix, segment by segment.
func within(path, prefix string) bool {
	if !strings.HasPrefix(path, prefix) {
		return false
	}
	return strings.HasSuffix(prefix, "/") || len(path) == len(prefix) || path[len(prefix)] == '/' || prefix == ""
}

// disjoint reports whether no path can be in both, as far as the beginnings of
// their paths tell.
func (m matcher) disjoint(other matcher) bool {
	a, b := m.literal(), other.literal()
	if !strings.HasPrefix(a, b) && !strings.HasPrefix(b, a) {
		return true
	}
	return m.re != nil && !mayBegin(m.pattern, b) || other.re != nil && !mayBegin(other.pattern, a)
}

// literal is what every matching path begins with.
func (m matcher) literal() string {
	if m.re != nil {
		if rest, anchored := strings.CutPrefix(m.pattern, "^"); anchored {
			return literalPrefix(rest)
		}
		return ""
	}
	return m.prefix
}

// kind is what a rule does with a request.
type kind int

const (
	proxied    kind = iota // a backend answers
	static                 // files of a folder answer
	redirected             // the client is sent elsewhere
	responded              // a status answers
	notProxied             // ProxyPass /x !: what comes after the proxying decides
	passed                 // RewriteRule ... - [L]: what comes after the rewriting decides
)

// stage is when httpd looks at a rule; the first that fits decides. The order
// was seen in httpd 2.4: mod_rewrite, then mod_proxy, then mod_alias.
type stage int

const (
	rewriting stage = iota
	locating        // ProxyPass and Redirect within <Location>
	proxying
	redirecting
	aliasing
	serving
)

// rule is one mapping of the configuration.
type rule struct {
	matcher
	except   []matcher
	kind     kind
	stage    stage
	backend  *backend // proxied
	target   string   // proxied: path at the backend; static: folder; redirected: URL
	whole    bool     // target is a template of its own and does not stand for the prefix alone
	identity bool     // proxied: the backend is asked for the path as it is
	folder   string   // static with a template as its target: the folder
	status   int      // redirected, responded
	from     []*Directive
	used     bool
}

// applies reports whether the rule is for a node.
func (r *rule) applies(at matcher) bool {
	for _, m := range r.except {
		if m.covers(at) {
			return false
		}
	}
	return r.covers(at)
}

// decide finds the rule for a node as httpd does; nil if none is.
func decide(rules []*rule, at matcher) *rule {
	skipped := map[stage]bool{}
	for _, r := range rules {
		if skipped[r.stage] || !r.applies(at) {
			continue
		}
		r.used = true
		switch r.kind {
		case notProxied:
			skipped[proxying], skipped[locating] = true, true
		case passed:
			skipped[rewriting] = true
		default:
			return r
		}
	}
	return nil
}
