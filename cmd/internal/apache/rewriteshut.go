package apache

import (
	"slices"
	"strings"
)

// shutStep stands in for a rule with [F] that keeps out whoever does not come from
// some addresses or with some login, which gateway can't ask a rule: its paths
// are closed to all. Rules that keep out only some clients close nothing.
func (b *builder) shutStep(step rewriteStep) []*rule {
	others := slices.DeleteFunc(slices.Clone(step.conditions), asksWhoComes)
	if !step.has("F") || len(others) == len(step.conditions) || slices.ContainsFunc(step.conditions, func(d *Directive) bool { return hasFlag(d.arg(2), "OR", "ornext") }) {
		return nil
	}
	step.conditions = others
	c := b.judge(step)
	m, _, err := parsePattern(step.rule.arg(0), step.has("NC"))
	if err != nil || c.err != nil || c.never != "" {
		return nil
	}
	if c.only != nil {
		m, _ = b.narrow(m, "", *c.only, step)
	}
	r := b.refusal(m, rewriting, 403, step.rule)
	r.except = c.except
	b.ledger.lost(step.rule, "so that nobody gets in who should not, these paths are closed to all", "write allow or auth_file into a [[site.route]] for them")
	return []*rule{r}
}

// asksWhoComes reports a condition that lets in some clients and no others.
func asksWhoComes(d *Directive) bool {
	tested := strings.ToUpper(d.arg(0))
	who := strings.Contains(tested, "REMOTE_ADDR") || strings.Contains(tested, "REMOTE_HOST") || strings.Contains(tested, "REMOTE_USER") || strings.Contains(tested, "SSL_CLIENT")
	return who && strings.HasPrefix(d.arg(1), "!")
}
