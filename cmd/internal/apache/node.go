package apache

import (
	"slices"
	"strings"
)

// nodes are the sets of paths that are told apart, "/" first. Every prefix that
// any rule or section names begins one, so httpd treats all paths of a node like
// its first.
func (b *builder) nodes() []*node {
	all := []*node{{matcher: matcher{prefix: "/"}}}
	add := func(m matcher) {
		known := slices.ContainsFunc(all, func(n *node) bool { return n.prefix == m.prefix && n.exact == m.exact })
		if m.re == nil && m.prefix != "" && !known {
			all = append(all, &node{matcher: matcher{prefix: m.prefix, exact: m.exact}})
		}
	}
	for _, r := range b.rules {
		add(r.matcher)
		for _, m := range r.except {
			add(m)
		}
	}
	for _, s := range b.sections {
		add(s.matcher)
	}
	prefixed := slices.DeleteFunc(slices.Clone(b.rules), func(r *rule) bool { return r.re != nil })
	for _, n := range all {
		rules := prefixed // a pattern has a route of its own, which goes before
		if n.exact {
			rules = b.rules
		}
		n.rule = decide(rules, n.matcher)
		n.settings, n.headers = b.settingsAt(n.matcher, n.rule)
	}
	return all
}

// patternNodes are the patterns among the rules and sections, in httpd's order.
// gateway tries them before all prefixes.
func (b *builder) patternNodes(nodes []*node) []*node {
	var all []*node
	for i, r := range b.rules {
		if r.re == nil || b.shadowed(r, b.rules[:i]) {
			continue
		}
		r.used = true
		n := &node{matcher: r.matcher, rule: r, from: r.from}
		if r.kind == notProxied || r.kind == passed {
			n.rule = b.beyond(r)
		}
		n.settings, n.headers = b.settingsAt(matcher{prefix: r.sample()}, r)
		b.warnOrder(r, i)
		all = append(all, n)
	}
	var refused []*node // before all, since other patterns may take some of their paths
	for _, s := range b.sections {
		if s.re == nil {
			continue
		}
		switch n := b.patternSection(s, nodes); {
		case n == nil:
		case n.rule != nil && n.rule.kind == responded && s.excludes():
			refused = append(refused, n)
		default:
			all = append(all, n)
		}
	}
	return append(refused, all...)
}

// beyond is what takes the paths of a pattern that is kept from the proxying or
// the rewriting; nil if nothing does.
func (b *builder) beyond(r *rule) *rule {
	skipped := proxying
	if r.kind == passed {
		skipped = rewriting
	}
	left := slices.DeleteFunc(slices.Clone(b.rules), func(other *rule) bool {
		return other.stage == skipped || skipped == proxying && other.stage == locating
	})
	next := decide(left, exactly(r.sample()))
	if next != nil && b.mapsPath(&node{matcher: r.matcher, rule: next}) {
		b.ledger.lost(r.from[0], "gateway has no pattern for paths that "+next.from[0].Position.String()+" maps to others; they get 404", "write a [[site.route]] with a path instead of the pattern")
		return nil
	}
	return next
}

// shadowed reports whether an earlier rule takes every path of a pattern. One that
// leaves some paths out takes nearly all of them: a pattern that refuses is kept
// then, since it must not open what it closes, and any other is left out.
func (b *builder) shadowed(r *rule, before []*rule) bool {
	for _, earlier := range before {
		skips := earlier.kind == notProxied || earlier.kind == passed && r.stage != rewriting
		if skips || earlier.re != nil || earlier.exact || !within(r.literal(), earlier.prefix) {
			continue
		}
		if len(earlier.except) == 0 {
			return true
		}
		if r.kind != responded && !earlier.leavesOut(r.literal()) {
			b.ledger.differently(r.from[0], "httpd gets to it only for the few paths that "+earlier.from[0].Position.String()+" leaves out, and gateway does without it")
			return true
		}
	}
	return false
}

// leavesOut reports whether a rule may leave out all paths that begin in a way.
func (r *rule) leavesOut(beginning string) bool {
	return slices.ContainsFunc(r.except, func(m matcher) bool { return m.re != nil || within(beginning, m.prefix) })
}

// warnOrder tells where gateway's order differs: a pattern goes before prefixes
// that httpd looks at first, and rules over what a section allows.
func (b *builder) warnOrder(r *rule, i int) {
	for _, earlier := range b.rules[:i] {
		if earlier.re == nil && !earlier.exact && !r.disjoint(earlier.matcher) && len(earlier.from) > 0 {
			b.ledger.differently(r.from[0], "gateway tries this pattern before "+earlier.from[0].Position.String()+", httpd after it")
		}
	}
	if r.kind != proxied && r.kind != static {
		return
	}
	for _, s := range b.sections {
		if s.re == nil && len(s.prefix) > 1 && s.excludes() && !r.disjoint(s.matcher) {
			b.ledger.lost(s.from, "its access rules do not hold for what the pattern of "+r.from[0].Position.String()+" takes", "see which paths both mean, and write allow or deny into that route too")
		}
	}
}

// patternSection is a <LocationMatch> that only sets something: a route like the
// one that its paths have anyway, with its settings.
func (b *builder) patternSection(s *section, nodes []*node) *node {
	root := nodes[0]
	r := decide(b.rules, exactly(s.sample()))
	if r != nil && (r.kind == redirected || r.kind == responded) && r.re == nil && !r.exact {
		return nil
	}
	if closes(s.from.Children) {
		r := b.refusal(s.matcher, rewriting, 403, append([]*Directive{s.from}, authorization(s.from.Children)...)...)
		return &node{matcher: s.matcher, rule: r, settings: &table{}, from: r.from}
	}
	n := &node{matcher: s.matcher, rule: r, from: []*Directive{s.from}}
	n.settings, n.headers = b.settingsAt(matcher{prefix: s.sample()}, r, s)
	if why := b.cannotGuard(s, n, nodes); why != "" {
		return b.lostPattern(s, why)
	}
	if n.settings.content() == root.settings.content() && len(n.headers) == len(root.headers) {
		return nil
	}
	return n
}

// cannotGuard tells why a pattern can't have settings of its own: a route has one
// way to answer, and the paths of the pattern have several.
func (b *builder) cannotGuard(s *section, n *node, nodes []*node) string {
	if n.rule != nil && b.mapsPath(n) {
		return "gateway has no pattern with settings for paths that " + n.rule.from[0].Position.String() + " maps to others"
	}
	for _, r := range b.rules {
		if s.excludes() && r.re != nil && (r.kind == proxied || r.kind == static) && !s.disjoint(r.matcher) {
			return "the pattern of " + r.from[0].Position.String() + " takes some of its paths"
		}
	}
	for _, other := range nodes[1:] {
		if s.disjoint(other.matcher) || other.exact && !s.re.MatchString(other.prefix) {
			continue
		}
		if other.rule != n.rule && !other.exact {
			return "the paths of its pattern are answered in several ways, and a route has one"
		}
		if guards := other.settings.guards(); guards != nodes[0].settings.guards() && guards != n.settings.guards() {
			return "some of the paths of its pattern have access rules of their own, and a route has one set of them"
		}
	}
	return ""
}

// lostPattern tells that a section with a pattern is not carried. If it says who
// may come, its paths are closed.
func (b *builder) lostPattern(s *section, why string) *node {
	if !s.excludes() {
		b.ledger.lost(s.from, why, "write a [[site.route]] with a path instead of the pattern")
		return nil
	}
	for _, d := range append([]*Directive{s.from}, authorization(s.from.Children)...) {
		b.ledger.lost(d, why+"; so that nobody gets in who should not, its paths are closed to all", "write a [[site.route]] with a path and allow instead of the pattern")
	}
	r := b.refusal(s.matcher, rewriting, 403, s.from)
	return &node{matcher: s.matcher, rule: r, settings: &table{}, from: r.from}
}

func (b *builder) mapsPath(n *node) bool {
	action := b.act(&node{matcher: matcher{prefix: n.sample()}, rule: n.rule})
	return action.has("strip") || action.has("rewrite")
}

// parentOf is the node that takes n's paths if n is left out.
func parentOf(n *node, all []*node) *node {
	best := all[0]
	for _, other := range all {
		if other != n && !other.exact && within(n.prefix, other.prefix) && (len(other.prefix) > len(best.prefix) || other.prefix == n.prefix) {
			best = other
		}
	}
	return best
}

// redundant reports whether a node does what its parent does.
func (b *builder) redundant(n, parent *node) bool {
	if n.settings.content() != parent.settings.content() || !slices.Equal(n.headers, parent.headers) {
		return false
	}
	if n.rule == nil || parent.rule == nil {
		return n.rule == parent.rule
	}
	if n.rule == parent.rule {
		return true
	}
	own, above := b.act(n), b.act(parent)
	if own.content() != above.content() || own.has("strip") || own.has("rewrite") || strings.Contains(own.text("redirect"), "{rest}") {
		return false
	}
	for _, d := range n.rule.from {
		b.ledger.differently(d, "the same as "+parent.rule.from[0].Position.String()+", which takes these requests too")
	}
	return true
}

// unreached tells of rules before which others take all requests.
func (b *builder) unreached() {
	for _, r := range b.rules {
		if r.used {
			if r.kind == notProxied || r.kind == passed {
				for _, d := range r.from {
					b.ledger.differently(d, "the routes are written so that these paths go elsewhere")
				}
			}
			continue
		}
		for _, d := range r.from {
			b.ledger.notNeeded(d, "no request gets to it, in httpd neither: what stands before it takes them")
		}
	}
}
