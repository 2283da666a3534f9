package apache

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// forWebSockets reports a condition that the client asks for a WebSocket.
func forWebSockets(d *Directive) bool {
	tested, pattern := strings.ToUpper(d.arg(0)), strings.ToLower(d.arg(1))
	return (tested == "%{HTTP:UPGRADE}" || tested == "%{HTTP:CONNECTION}") && (strings.Contains(pattern, "websocket") || strings.Contains(pattern, "upgrade"))
}

// needsNoRule reports a rule that sends WebSockets to where all requests for its
// paths go anyway, as documents of many programs have it: gateway needs none. What
// else the rule asks for does not matter then. rest are the rules after it.
func (b *builder) needsNoRule(step rewriteStep, m matcher, rest []rewriteStep) bool {
	if !step.has("P") || !slices.ContainsFunc(step.conditions, func(d *Directive) bool { return forWebSockets(d) && !strings.HasPrefix(d.arg(1), "!") }) {
		return false
	}
	where, err := parseTarget(withSlash(b.firstOf(step.rule)))
	if err != nil || !b.goesThere(step, where, m, rest) {
		return false
	}
	b.notNeededAll(step, "WebSockets go the way of all requests to "+where.url+" without a rule of their own")
	return true
}

// goesThere reports whether requests for the paths of a rule that ask for no
// WebSocket get to the same place.
func (b *builder) goesThere(step rewriteStep, where target, m matcher, rest []rewriteStep) bool {
	for _, other := range rest {
		taken, _, err := parsePattern(other.rule.arg(0), other.has("NC"))
		if err != nil || !other.has("P") || !taken.covers(m) {
			continue
		}
		there, err := parseTarget(withSlash(b.firstOf(other.rule)))
		return err == nil && there.url == where.url && there.path == where.path
	}
	next := decide(b.later, m)
	return next != nil && next.kind == proxied && next.backend.url == where.url && !leadsElsewhere(step, where.path, next, m.sample()+"x")
}

// leadsElsewhere reports a rule that asks for another path of a backend than the
// one that requests for a path get.
func leadsElsewhere(step rewriteStep, asked string, next *rule, requested string) bool {
	re, err := regexp.Compile(step.rule.arg(0))
	if err != nil || next.whole || next.identity || next.re != nil || strings.Contains(asked, "%") {
		return false
	}
	match := re.FindStringSubmatchIndex(requested)
	if match == nil {
		return false
	}
	got := re.ExpandString(nil, reference.ReplaceAllStringFunc(asked, func(ref string) string { return "${" + strings.TrimPrefix(ref, "$") + "}" }), requested, match)
	return path.Clean(string(got)) != path.Clean(next.target+"/"+strings.TrimPrefix(requested, next.prefix))
}

// sectionSockets are the rules for WebSockets within the sections for paths.
func (b *builder) sectionSockets() {
	for _, s := range b.sections {
		steps, _ := stepsOf(s.from.Children)
		for _, step := range steps {
			if s.folder == "" && b.needsNoRule(step, s.matcher, nil) && len(steps) == 1 {
				for _, d := range named(s.from.Children, "RewriteEngine") {
					b.ledger.notNeeded(d, "the rule after it is not needed")
				}
			}
		}
	}
}

// websocketRule is a rule for WebSockets alone. Where other requests for its paths
// go elsewhere, gateway can't tell the two apart.
func (b *builder) websocketRule(r *rule, step rewriteStep, groups string) []*rule {
	if !step.has("P") {
		b.lostStep(step, "gateway treats WebSockets like other requests")
		return nil
	}
	where, err := parseTarget(withSlash(b.firstOf(step.rule)))
	if err != nil {
		b.lostStep(step, err.Error())
		return nil
	}
	next := decide(b.later, r.matcher)
	if next == nil || next.kind != proxied {
		return b.rewriteProxy(r, step, step.rule.arg(1), groups, nil)
	}
	b.lostStep(step, "WebSockets would go to "+where.url+" and other requests for the same paths to "+next.backend.url)
	return nil
}

func (b *builder) firstOf(d *Directive) string {
	url, _ := b.balanced(d, d.arg(1))
	return url
}
