package apache

import (
	"strings"
)

// rewriteInternally is a rule that gives the request another path, with which
// the mappings after it go on.
func (b *builder) rewriteInternally(r *rule, step rewriteStep, target, groups string, conditions []string) []*rule {
	text, err := asTemplate(target, groups, conditions)
	switch {
	case err != nil:
		b.lostStep(step, err.Error())
		return nil
	case !strings.HasPrefix(text, "/"):
		b.lostStep(step, "its target is no path")
		return nil
	}
	sample, _, _ := strings.Cut(text, "{")
	next := decide(b.later, exactly(sample))
	switch {
	case next == nil || next.kind == static && !b.sitesOwn(next):
		b.lostStep(step, "no backend and no folder takes the new path")
		return nil
	case next.kind == proxied && (next.whole || next.re != nil):
		b.lostStep(step, "the new path meets another rule with a pattern")
		return nil
	case next.kind != proxied && next.kind != static:
		b.lostStep(step, "the new path meets a redirect or a refusal")
		return nil
	}
	out := *next
	out.matcher, out.except, out.stage = r.matcher, r.except, rewriting
	out.from = append(r.from, next.from...)
	out.whole, out.used, out.identity = true, false, false
	out.target = withQuery(text, step)
	if next.kind == proxied && !next.identity {
		out.target = joined(next.target, strings.TrimPrefix(out.target, next.prefix))
	}
	if next.kind == static {
		out.folder, out.target = next.target, text
	}
	return []*rule{&out}
}

// joined puts a path behind another, with one slash where both bring one.
func joined(path, rest string) string {
	if strings.HasPrefix(rest, "/") {
		path = strings.TrimSuffix(path, "/")
	}
	return path + rest
}

// sitesOwn reports whether a rule serves the site's own folder.
func (b *builder) sitesOwn(r *rule) bool { return r.stage == serving }

// exactly is the node of one path.
func exactly(path string) matcher { return matcher{prefix: path, exact: true} }

// sample is a path that the matcher takes.
func (m matcher) sample() string {
	if m.re == nil {
		return m.prefix
	}
	if literal := literalPrefix(strings.TrimPrefix(m.pattern, "^")); strings.HasPrefix(literal, "/") {
		return literal
	}
	return "/"
}
