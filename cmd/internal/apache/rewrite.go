package apache

import (
	"fmt"
	"slices"
	"strings"
)

// rewriteStep is a RewriteRule with the conditions before it.
type rewriteStep struct {
	rule       *Directive
	conditions []*Directive
	flags      map[string]string
	target     string // of the rule, with the groups that its pattern has here
}

func (s rewriteStep) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { _, found := s.flags[name]; return found })
}

// all are the directives of the step.
func (s rewriteStep) all() []*Directive { return append([]*Directive{s.rule}, s.conditions...) }

// stepsOf are the rules of one scope, each with the conditions before it.
// Conditions that no rule follows are left.
func stepsOf(scope []*Directive) (steps []rewriteStep, left []*Directive) {
	for _, d := range named(scope, "RewriteCond", "RewriteRule") {
		left = append(left, d)
		if d.Is("RewriteRule") {
			last := len(left) - 1
			steps = append(steps, rewriteStep{d, left[:last:last], rewriteFlags(d.arg(2)), d.arg(1)})
			left = nil
		}
	}
	return steps, left
}

// rewriteSteps are the rules of one scope that are in effect. They hold in that
// scope alone, unless it says RewriteOptions Inherit.
func (b *builder) rewriteSteps(scope []*Directive) []rewriteStep {
	steps, left := stepsOf(scope)
	for _, d := range left {
		b.ledger.notNeeded(d, "no RewriteRule follows it")
	}
	if engine := lastOf(scope, "RewriteEngine"); engine != nil && strings.EqualFold(engine.arg(0), "on") {
		b.ledger.differently(engine, "its rules become redirects and routes")
		return steps
	}
	for _, step := range steps {
		b.notNeededAll(step, "RewriteEngine is not on here, so httpd does not look at it either")
	}
	return nil
}

// longFlags are the long names of flags.
var longFlags = map[string]string{
	"redirect": "R", "permanent": "R", "last": "L", "proxy": "P", "nocase": "NC", "forbidden": "F", "gone": "G", "qsappend": "QSA", "qsdiscard": "QSD",
	"qslast": "QSL", "passthrough": "PT", "noescape": "NE", "next": "N", "chain": "C", "skip": "S", "env": "E", "cookie": "CO", "type": "T", "handler": "H", "nosubreq": "NS", "end": "END", "discardpath": "DPI",
}

func rewriteFlags(written string) map[string]string {
	flags := map[string]string{}
	for flag := range strings.SplitSeq(strings.Trim(written, "[]"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(flag), "=")
		if short := longFlags[strings.ToLower(name)]; short != "" {
			name = short
		}
		flags[strings.ToUpper(name)] = value
	}
	delete(flags, "")
	return flags
}

// rewriteRules are the RewriteRules of the host as rules.
func (b *builder) rewriteRules() []*rule {
	scope := b.host.own
	if b.host.section == nil || inherits(b.host.own) {
		scope = append(slices.Clone(b.host.own), named(b.host.main, "RewriteCond", "RewriteRule")...)
		if b.host.section == nil {
			scope = b.host.main
		}
	}
	var rules []*rule
	steps := b.rewriteSteps(scope)
	for i, step := range steps {
		rules = append(rules, b.rewriteRule(step, steps[i+1:])...)
	}
	return rules
}

func inherits(scope []*Directive) bool {
	d := lastOf(scope, "RewriteOptions")
	return d != nil && slices.ContainsFunc(d.Args, func(option string) bool { return strings.HasPrefix(strings.ToLower(option), "inherit") })
}

// rewriteRule turns one step into a rule: none if it never applies here, or if it
// can't be carried, which is told. rest are the steps after it.
func (b *builder) rewriteRule(step rewriteStep, rest []rewriteStep) []*rule {
	if b.forbidsTrace(step) {
		b.notNeededAll(step, "gateway never passes TRACE on")
		return nil
	}
	if step.servesSinglePage() {
		return nil // a setting of the folder: see singlePage
	}
	m, except, groups, err := step.matcher()
	if err == nil && b.needsNoRule(step, m, rest) {
		return nil
	}
	c := b.judge(step)
	switch {
	case c.err != nil:
		b.lostStep(step, c.err.Error())
		return b.shutStep(step)
	case c.never != "":
		b.notNeededAll(step, c.never)
		return nil
	case err != nil:
		b.lostStep(step, err.Error())
		return nil
	}
	pattern, _ := leavingOut(step.rule.arg(0))
	_, step.target = rooted(pattern, step.rule.arg(1))
	if c.only != nil {
		m, groups = b.narrow(m, groups, *c.only, step)
	}
	r := &rule{matcher: m, except: append(except, c.except...), stage: rewriting, from: step.all()}
	b.tellFiles(c.files)
	if c.websocket {
		return b.websocketRule(r, step, groups)
	}
	return b.rewriteAction(r, step, groups, c.groups)
}

// matcher is for the paths that fit the rule's pattern, but for some.
func (s rewriteStep) matcher() (m matcher, except []matcher, groups string, err error) {
	if s.has("C", "S", "N") {
		return m, nil, "", fmt.Errorf("rules that jump over others or begin anew have no like")
	}
	if strings.HasPrefix(s.rule.arg(0), "!") {
		return m, nil, "", fmt.Errorf("a pattern that must not fit has no like")
	}
	pattern, except := leavingOut(s.rule.arg(0))
	pattern, _ = rooted(pattern, s.rule.arg(1))
	m, groups, err = parsePattern(pattern, s.has("NC"))
	return m, except, groups, err
}

// tellFiles tells of files that httpd would look for before it asks a backend.
func (b *builder) tellFiles(conditions []*Directive) {
	for _, d := range conditions {
		b.ledger.lost(d, "gateway looks for no file first, and asks the backend for all of these paths", "if files must be sent from a folder, write a [[site.route]] with root for their paths")
	}
}

// narrow takes the pattern of a condition on the path in place of a rule's own
// that takes every path.
func (b *builder) narrow(m matcher, groups string, only matcher, step rewriteStep) (matcher, string) {
	if m.prefix == "/" && !m.exact {
		if groups == "{rest}" {
			groups = "{path}" // what the rule's own pattern took, but for the slash, which asTemplate mends
		}
		return only, groups
	}
	if !only.covers(exactly(m.literal())) {
		b.ledger.differently(step.rule, "its condition on the path is left out, since its own pattern is narrower")
	}
	return m, groups
}

func (b *builder) notNeededAll(step rewriteStep, why string) {
	for _, d := range step.all() {
		b.ledger.notNeeded(d, why)
	}
}

func (b *builder) lostStep(step rewriteStep, why string) {
	breaks := "requests for " + step.rule.arg(0) + " are not rewritten: " + why
	if step.has("E", "CO") && step.rule.arg(1) == "-" {
		for _, d := range step.all() {
			b.ledger.missed(d, "no variable or cookie is set: "+why, "let the backend do it")
		}
		return
	}
	for _, d := range step.all() {
		b.ledger.lost(d, breaks, "write a [[site.route]] for the paths that it means, or let the backend do it")
	}
}

// forbidsTrace knows the lines that every hardening guide has.
func (b *builder) forbidsTrace(step rewriteStep) bool {
	if !step.has("F") || len(step.conditions) != 1 {
		return false
	}
	tested, pattern := step.conditions[0].arg(0), strings.ToUpper(strings.Trim(step.conditions[0].arg(1), "^()$."))
	return strings.EqualFold(tested, "%{REQUEST_METHOD}") && slices.Contains([]string{"TRACE", "TRACK", "TRACE|TRACK", "TRACK|TRACE", "TRACE|TRACK|OPTIONS"}[:4], pattern)
}

// rewriteAction is what a rule does: refuse, send elsewhere, pass on, or change
// the path for what comes after.
func (b *builder) rewriteAction(r *rule, step rewriteStep, groups string, conditions []string) []*rule {
	target := step.target
	switch {
	case step.has("F"):
		r.kind, r.status = responded, 403
	case step.has("G"):
		r.kind, r.status = responded, 410
	case target == "-" && step.has("E", "CO", "T", "H"):
		b.lostStep(step, "gateway sets no such things for a request")
		return nil
	case target == "-" && step.has("L", "END", "PT") || target == "-" && len(step.flags) == 0:
		r.kind = passed
	case step.has("R"):
		return b.rewriteRedirect(r, step, target, groups, conditions)
	case step.has("P"):
		return b.rewriteProxy(r, step, target, groups, conditions)
	case strings.Contains(target, "://"):
		return b.rewriteRedirect(r, step, target, groups, conditions)
	default:
		return b.rewriteInternally(r, step, target, groups, conditions)
	}
	return []*rule{r}
}

// withSlash ends the host of a target such as http://localhost:3000$1, in which
// the variable brings the slash along.
func withSlash(target string) string {
	scheme, rest, found := strings.Cut(target, "://")
	end := strings.IndexAny(rest, "/$%")
	if !found || end < 0 || rest[end] == '/' {
		return target
	}
	return scheme + "://" + rest[:end] + "/" + rest[end:]
}

func (b *builder) rewriteProxy(r *rule, step rewriteStep, target, groups string, conditions []string) []*rule {
	target, more := b.balanced(step.rule, target)
	where, err := parseTarget(withSlash(target))
	if err == nil {
		where.path, err = asTemplate(where.path, groups, conditions)
	}
	if err != nil {
		b.lostStep(step, err.Error())
		return []*rule{b.refusal(r.matcher, rewriting, 502, step.rule)}
	}
	terms := b.terms(step.rule, r.matcher, where.url, more)
	r.kind, r.backend = proxied, b.backend(terms, step.rule)
	r.target, r.whole = withQuery(where.path, step), true
	return []*rule{r}
}
