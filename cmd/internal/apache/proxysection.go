package apache

import (
	"regexp"
	"slices"
	"strings"
)

// reach is how many of the URLs that a rule asks for a <Proxy> section is about.
type reach int

const (
	none reach = iota
	some
	every
)

// proxySections are the <Proxy> sections that say who may use a rule's backend.
func (b *builder) proxySections(r *rule) []*Directive {
	return slices.DeleteFunc(b.host.mainFirst("Proxy", "ProxyMatch"), func(d *Directive) bool {
		return len(authorization(d.Children)) == 0 || reachOf(d, r) != every
	})
}

// closeTargets stands in for <Proxy> sections that guard some of the URLs behind
// a ProxyPass: the paths that lead there are closed.
func (b *builder) closeTargets() {
	for _, d := range b.host.mainFirst("Proxy", "ProxyMatch") {
		s := &section{from: d}
		if !s.excludes() {
			continue
		}
		for _, r := range b.later {
			if r.kind != proxied || reachOf(d, r) != some {
				continue
			}
			for _, one := range append([]*Directive{d}, authorization(d.Children)...) {
				b.ledger.lost(one, "gateway guards the paths of clients and not URLs of a backend; so that nobody gets in who should not, the paths that lead there are closed to all", "write a [[site.route]] with allow or deny for the path")
			}
			b.closed = append(b.closed, b.refusal(leadingTo(d.arg(0), r), rewriting, 403, d))
		}
	}
}

// leadingTo are the paths of a rule that lead to a URL, or all of the rule.
func leadingTo(url string, r *rule) matcher {
	below, found := strings.CutPrefix(strings.TrimSuffix(url, "*"), r.backend.url+r.target)
	if !found || r.re != nil || r.whole || strings.ContainsAny(below, "*?") {
		return r.matcher
	}
	m, _, err := parsePattern("^"+regexp.QuoteMeta(r.prefix+below), false)
	if err != nil {
		return r.matcher
	}
	return m
}

// reachOf compares as httpd does: by the beginning of the URL, with wildcards, or
// by a pattern. A pattern that can't be read counts as meaning all.
func reachOf(d *Directive, r *rule) reach {
	asked := []string{r.backend.url + r.target + "/"}
	for _, word := range r.from[0].Args {
		if strings.Contains(word, "://") {
			asked = append(asked, word+"/")
		}
	}
	written := d.arg(0)
	literal, _, _ := strings.Cut(written, "*")
	re, err := regexp.Compile(d.arg(max(0, len(d.Args)-1)))
	switch {
	case d.Is("ProxyMatch"), written == "~":
		literal = ""
	case strings.ContainsAny(strings.TrimSuffix(written, "*"), "*?"):
		re, err = regexp.Compile("^" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(written)) + "$")
	default:
		re, err = regexp.Compile("^" + regexp.QuoteMeta(literal))
	}
	best := none
	for _, url := range asked {
		switch {
		case err != nil || re.MatchString(url):
			return every
		case strings.HasPrefix(literal, strings.TrimSuffix(url, "/")) || strings.HasPrefix(url, literal):
			best = some
		}
	}
	return best
}
