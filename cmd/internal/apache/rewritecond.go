package apache

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// judgement is what the conditions of a RewriteRule come to in this host.
type judgement struct {
	never     string       // why the rule never applies; ""
	only      *matcher     // paths to which it is limited
	except    []matcher    // paths to which it does not apply
	groups    []string     // what %0 to %9 hold
	websocket bool         // it is for WebSockets
	files     []*Directive // that ask whether there is no file for the path
	err       error        // a condition that gateway can't ask
}

// truth is what is known of a condition before any request.
type truth int

const (
	unknown truth = iota
	yes
	no
)

// judge evaluates what can be: a host knows whether it speaks TLS, and by which
// name it is asked for.
func (b *builder) judge(step rewriteStep) judgement {
	var j judgement
	group := j // before the conditions that are joined by OR
	var either, anyYes bool
	var pending error
	for _, d := range step.conditions {
		holds, err := b.condition(d, &j)
		if step.has("P") && asksForNoFile(d) {
			holds, err = yes, nil
			j.files = append(j.files, d)
		}
		either = hasFlag(d.arg(2), "OR", "ornext")
		switch {
		case holds == yes:
			anyYes = true
		case err != nil:
			pending = err
		}
		if either {
			if holds == unknown && err == nil && !j.websocket {
				pending = fmt.Errorf("its conditions are joined by OR")
			}
			continue
		}
		if anyYes {
			j.only, j.except = group.only, group.except // of the others none is needed
		} else if pending != nil {
			j.err = pending
		}
		if holds == no && !anyYes && pending == nil {
			j.never = "its condition on " + d.arg(0) + " never holds here"
			return j
		}
		anyYes, pending, group = false, nil, j
	}
	return j
}

func hasFlag(written string, names ...string) bool {
	for flag := range strings.SplitSeq(strings.Trim(written, "[]"), ",") {
		for _, name := range names {
			if strings.EqualFold(strings.TrimSpace(flag), name) {
				return true
			}
		}
	}
	return false
}

// condition judges one RewriteCond. What limits paths goes into j.
func (b *builder) condition(d *Directive, j *judgement) (truth, error) {
	tested, pattern := strings.ToUpper(d.arg(0)), d.arg(1)
	switch tested {
	case "%{HTTPS}":
		return comparison(onOff(b.host.tls), d)
	case "%{REQUEST_SCHEME}", "%{HTTP:X-FORWARDED-PROTO}", "%{HTTP:X-FORWARDED-SSL}":
		if strings.Contains(tested, "FORWARDED") {
			return b.forwarded(d)
		}
		return comparison(b.host.scheme(), d)
	case "%{SERVER_PORT}":
		return b.port(d)
	case "%{HTTP_HOST}", "%{SERVER_NAME}", "%{HTTP:HOST}":
		return b.named(d, j)
	case "%{REQUEST_URI}":
		return unknown, b.path(d, j)
	}
	if forWebSockets(d) {
		if strings.HasPrefix(pattern, "!") {
			return yes, nil // gateway keeps WebSockets and others on one way
		}
		j.websocket = true
		return unknown, nil
	}
	return unknown, fmt.Errorf("gateway can't ask for the condition %s %s", d.arg(0), pattern)
}

// asksForNoFile reports a condition by which only what is no file goes on.
func asksForNoFile(d *Directive) bool {
	tested := strings.ReplaceAll(strings.ToUpper(d.arg(0)), "}/%{", "}%{")
	file := strings.HasSuffix(tested, "%{REQUEST_FILENAME}") || strings.HasSuffix(tested, "%{DOCUMENT_ROOT}%{REQUEST_URI}")
	return file && slices.Contains([]string{"!-f", "!-d", "!-l", "!-s"}, d.arg(1))
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// forwarded is a condition on what a proxy in front says.
func (b *builder) forwarded(d *Directive) (truth, error) {
	return unknown, fmt.Errorf("gateway can't ask for %s: it answers by the scheme that it was asked with itself", d.arg(0))
}

// comparison tests a known value as RewriteCond does.
func comparison(value string, d *Directive) (truth, error) {
	pattern, negated := strings.CutPrefix(d.arg(1), "!")
	holds := false
	switch wanted, equal := strings.CutPrefix(pattern, "="); {
	case equal && hasFlag(d.arg(2), "NC", "nocase"):
		holds = strings.EqualFold(value, strings.Trim(wanted, `"`))
	case equal:
		holds = value == strings.Trim(wanted, `"`)
	default:
		if hasFlag(d.arg(2), "NC", "nocase") {
			pattern = "(?i)" + pattern
		}
		re, err := regexp.Compile(pattern)
		if err != nil {
			return unknown, fmt.Errorf("the pattern %s says something that RE2 can't", d.arg(1))
		}
		holds = re.MatchString(value)
	}
	if holds != negated {
		return yes, nil
	}
	return no, nil
}

func (b *builder) port(d *Directive) (truth, error) {
	first := unknown
	for i, at := range b.host.listen {
		holds, err := comparison(fmt.Sprint(at.port), d)
		if err != nil || i > 0 && holds != first {
			return unknown, fmt.Errorf("the site has several ports, and gateway can't ask for %s", d.arg(0))
		}
		first = holds
	}
	return first, nil
}

// named judges a condition on the name, and keeps its groups for %1.
func (b *builder) named(d *Directive, j *judgement) (truth, error) {
	if b.name == "" {
		return unknown, fmt.Errorf("the site has no ServerName, and gateway can't ask for %s", d.arg(0))
	}
	holds, err := comparison(b.name, d)
	if holds == yes && !strings.HasPrefix(d.arg(1), "!") && !strings.HasPrefix(d.arg(1), "=") {
		pattern := d.arg(1)
		if hasFlag(d.arg(2), "NC", "nocase") {
			pattern = "(?i)" + pattern
		}
		j.groups = regexp.MustCompile(pattern).FindStringSubmatch(b.name)
	}
	return holds, err
}

// path is a condition on the path: it limits the rule, or takes paths from it.
func (b *builder) path(d *Directive, j *judgement) error {
	pattern, negated := strings.CutPrefix(d.arg(1), "!")
	if rest, equal := strings.CutPrefix(pattern, "="); equal {
		pattern = "^" + regexp.QuoteMeta(strings.Trim(rest, `"`)) + "$"
	}
	m, _, err := parseConditionPattern(pattern, hasFlag(d.arg(2), "NC", "nocase"))
	switch {
	case err != nil:
		return err
	case negated:
		j.except = append(j.except, m)
	case j.only != nil:
		return fmt.Errorf("two conditions on the path have no like")
	default:
		j.only = &m
	}
	return nil
}

var unanchoredPrefix = regexp.MustCompile(`^\^(/[A-Za-z0-9_/-]*(?:\\?\.[A-Za-z0-9_/-]*)*[A-Za-z0-9_-])$`)

// parseConditionPattern takes "^/x" for the segment /x: that is what is meant,
// though it fits /xyz too.
func parseConditionPattern(pattern string, ignoreCase bool) (matcher, string, error) {
	if match := unanchoredPrefix.FindStringSubmatch(pattern); match != nil && !ignoreCase {
		return matcher{prefix: literalText(match[1])}, "", nil
	}
	return parsePattern(pattern, ignoreCase)
}
