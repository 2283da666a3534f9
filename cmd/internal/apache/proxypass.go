package apache

import (
	"fmt"
	"strconv"
	"strings"
)

// proxyRules are the ProxyPass lines of a host in the order in which httpd tries
// them.
func (b *builder) proxyRules() []*rule {
	var rules []*rule
	for _, d := range b.host.ownFirst("ProxyPass", "ProxyPassMatch") {
		if len(d.Args) < 2 {
			b.ledger.lost(d, "it names no target", "write ProxyPass /path http://host:port/path")
			continue
		}
		m, except, groups, err := b.proxyMatcher(d)
		if err != nil {
			b.ledger.lost(d, err.Error(), "write a route for the paths that it means")
			continue
		}
		for _, r := range b.proxyRule(d, m, groups, d.Args[1], proxying, d.Args[2:]) {
			r.except = except
			rules = append(rules, r)
		}
	}
	return rules
}

func (b *builder) proxyMatcher(d *Directive) (m matcher, except []matcher, groups string, err error) {
	if d.Is("ProxyPassMatch") {
		pattern, except := leavingOut(d.arg(0))
		m, groups, err = parsePattern(pattern, false)
		return m, except, groups, err
	}
	if !strings.HasPrefix(d.arg(0), "/") {
		return m, nil, "", fmt.Errorf("the path %s does not begin with a slash, so no request fits it", d.arg(0))
	}
	return matcher{prefix: d.arg(0)}, nil, "", nil
}

// proxyRule is a ProxyPass as a rule; none if it can't be carried.
func (b *builder) proxyRule(d *Directive, m matcher, groups, written string, at stage, options []string) []*rule {
	if written == "!" {
		return []*rule{{matcher: m, kind: notProxied, stage: at, from: []*Directive{d}}}
	}
	written, more := b.balanced(d, written)
	where, err := parseTarget(written)
	if err != nil {
		b.ledger.lost(d, "requests for "+m.shown()+" get no answer: "+err.Error(), "let the backend speak HTTP on a port or socket, and write its url")
		return []*rule{b.refusal(m, at, 502, d)}
	}
	r := &rule{matcher: m, kind: proxied, stage: at, target: where.path, from: []*Directive{d}}
	terms := b.terms(d, m, where.url, append(options, more...))
	r.backend = b.backend(terms, d)
	b.matchedTarget(r, d, groups, m.re != nil || d.Is("ProxyPassMatch"))
	return []*rule{r}
}

// shown is how a matcher is told to admins.
func (m matcher) shown() string {
	if m.re != nil {
		return m.pattern
	}
	return m.prefix
}

// refusal answers in the place of what can't be carried, so that those requests
// do not end up somewhere else.
func (b *builder) refusal(m matcher, at stage, status int, from ...*Directive) *rule {
	return &rule{matcher: m, kind: responded, stage: at, status: status, from: from}
}

// matchedTarget brings the target of a pattern into gateway's form. Without
// groups in it, httpd appends the whole path.
func (b *builder) matchedTarget(r *rule, d *Directive, groups string, pattern bool) {
	if r.target == "" {
		b.slashless(r, d)
	}
	if !pattern {
		return
	}
	if !strings.Contains(r.target, "$") {
		if r.target == "/" || r.target == "" {
			r.target, r.identity = "", true
			return
		}
		r.target, r.whole = strings.TrimSuffix(r.target, "/")+"{path}", true
		return
	}
	r.target, r.whole = b.template(r.target, groups), true
}

// slashless is a target without a path, such as http://localhost:3000. Behind a
// path that ends in a slash httpd would glue what follows to the port.
func (b *builder) slashless(r *rule, d *Directive) {
	if strings.HasSuffix(r.prefix, "/") && r.re == nil {
		r.target = "/"
		b.ledger.differently(d, "the target has no slash at its end, so httpd would look for a host of which the path is a part; gateway asks the backend for the path")
	}
}

// terms are how a backend is spoken to: what ProxyPass itself says, and the
// directives of the host.
func (b *builder) terms(d *Directive, at matcher, url string, options []string) backend {
	wanted := backend{url: url, trust: b.trusts(d, url)}
	if preserve := b.setting("ProxyPreserveHost", at); preserve != nil {
		wanted.preserve = strings.EqualFold(preserve.arg(0), "on")
		wanted.preserved = []*Directive{preserve}
	}
	timeout := b.host.last("ProxyTimeout")
	if timeout == nil {
		timeout = lastOf(b.host.own, "Timeout") // that of the main server becomes [timeouts] first_byte
	}
	if timeout != nil {
		wanted.timeout, wanted.timed = b.duration(timeout, timeout.arg(0)), timeout
	}
	for _, section := range b.host.ownFirst("Proxy") {
		if strings.HasPrefix(section.arg(0)+"/", url+"/") {
			b.proxySet(&wanted, section)
		}
	}
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		b.option(&wanted, d, strings.ToLower(key), value)
	}
	return wanted
}

// proxySet are the options of a <Proxy> section for a backend.
func (b *builder) proxySet(wanted *backend, section *Directive) {
	for _, set := range named(section.Children, "ProxySet") {
		b.ledger.differently(set, "it holds for the backend")
		for _, option := range set.Args {
			if key, value, found := strings.Cut(option, "="); found {
				b.option(wanted, set, strings.ToLower(key), value)
			}
		}
	}
}

// ignoredOptions are those of httpd's own pool of connections, and what gateway
// always does.
const ignoredOptions = " acquire connectiontimeout disablereuse enablereuse flusher flushpackets flushwait iobuffersize responsefieldsize keepalive min ping receivebuffersize redirect retry smax ttl nocanon upgrade loadfactor route hcheck lbset status nofailover lbmethod addressttl "

func (b *builder) option(wanted *backend, d *Directive, key, value string) {
	switch {
	case key == "timeout":
		wanted.timeout, wanted.timed = b.duration(d, value), d
	case key == "max":
		if n, err := strconv.Atoi(value); err == nil && n > 0 {
			wanted.most = n
			b.ledger.differently(d, "max counts for all of gateway, not for each of httpd's processes")
		}
	case key == "secret", key == "mapping", key == "interpolate", key == "noquery", key == "stickysession", key == "growth":
		b.ledger.lost(d, "the option "+key+" has no like", "see whether the backend needs it")
	case strings.Contains(ignoredOptions, " "+key+" "):
	default:
		b.ledger.missed(d, "the option "+key+" is unknown", "see what it was for")
	}
}

// duration reads a time of httpd: a number of seconds, or with a unit.
func (b *builder) duration(d *Directive, written string) string {
	value, ok := parseDuration(written)
	if !ok {
		b.ledger.lost(d, fmt.Sprintf("%q is no time", written), "write a number of seconds")
	}
	return value
}

// parseDuration gives a time as gateway writes it; "" for none.
func parseDuration(written string) (string, bool) {
	digits := strings.TrimRight(written, "abcdefghijklmnopqrstuvwxyz")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 {
		return "", false
	}
	unit := written[len(digits):]
	switch unit {
	case "", "s":
		unit = "s"
	case "ms":
	case "mi", "min":
		unit = "m"
	case "h":
	default:
		return "", false
	}
	if unit == "s" && n >= 60 && n%60 == 0 {
		n, unit = n/60, "m"
	}
	return strconv.Itoa(n) + unit, true
}
