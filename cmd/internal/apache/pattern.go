package apache

import (
	"fmt"
	"regexp"
	"strings"
)

// anything is how patterns spell "whatever follows".
const anything = `(?:\(\.\*\)|\.\*|\(\.\*\)\$|\.\*\$)?`

var (
	everyPath    = regexp.MustCompile(`^(?:(?:\^?/?\??)` + anything + `|\^?\.)$`)
	plainPrefix  = regexp.MustCompile(`^\^(/(?:[A-Za-z0-9_~/-]|\\[.\-_])*/)(?:\(\.\*\)\$?|\.\*\$?)?$`)
	segmentTail  = regexp.MustCompile(`^\^(/(?:[A-Za-z0-9_~/-]|\\[.\-_])*[^/\\(])(\(/\.\*\)\?\$|\(\?:/\.\*\)\?\$|\(/\|\$\)|\(\?:/\|\$\)|\(/\.\*\|\$\))$`)
	plainExact   = regexp.MustCompile(`^\^(/(?:[A-Za-z0-9_~/.-]|\\[.\-_])*)\$$`)
	withoutSlash = regexp.MustCompile(`^(?:\^?\(\.[*+]\)|\^\(/\.\*\))\$?$`)
	wholePrefix  = regexp.MustCompile(`^\^\((/(?:[A-Za-z0-9_~/-]|\\[.\-_])*/)\.\*\)\$?$`)
)

// parsePattern reads a regular expression over a path. The common ones that say
// no more than a prefix become one, since that reads better; groups tells what
// $1 holds then: "" if it is not to be had, "{rest}" or "{path}".
func parsePattern(written string, ignoreCase bool) (m matcher, groups string, err error) {
	pattern := strings.Replace(written, "^/?", "^/", 1)
	if !ignoreCase {
		switch {
		case withoutSlash.MatchString(pattern):
			return matcher{prefix: "/"}, "{path}", nil
		case wholePrefix.MatchString(pattern):
			return matcher{prefix: literalText(wholePrefix.FindStringSubmatch(pattern)[1])}, "{path}", nil
		case everyPath.MatchString(pattern):
			return matcher{prefix: "/"}, "{rest}", nil
		case plainExact.MatchString(pattern):
			return matcher{prefix: literalText(plainExact.FindStringSubmatch(pattern)[1]), exact: true}, "", nil
		case plainPrefix.MatchString(pattern):
			return matcher{prefix: literalText(plainPrefix.FindStringSubmatch(pattern)[1])}, "{rest}", nil
		case segmentTail.MatchString(pattern):
			return matcher{prefix: literalText(segmentTail.FindStringSubmatch(pattern)[1])}, "{rest}", nil
		}
	} else {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return matcher{}, "", fmt.Errorf("the pattern %s says something that gateway's regular expressions (RE2) can't", written)
	}
	return matcher{pattern: pattern, re: re}, "", nil
}

// lookahead is a pattern whose beginning must not go on in some ways.
var lookahead = regexp.MustCompile(`^(\^?(?:/\??)?)\(\?!((?:[^()\\]|\\.)+)\)(.*)$`)

// leavingOut takes the paths out of a pattern that must not fit, as in
// "^/(?!\.well-known/)(.*)": RE2 can't say it, but a rule can leave paths to others.
func leavingOut(pattern string) (without string, except []matcher) {
	parts := lookahead.FindStringSubmatch(pattern)
	if parts == nil {
		return pattern, nil
	}
	for out := range strings.SplitSeq(parts[2], "|") {
		m, _, err := parseConditionPattern("^/"+strings.TrimPrefix(out, "/"), false)
		if err != nil || !strings.Contains(parts[1], "/") && !strings.HasPrefix(out, "/") {
			return pattern, nil
		}
		except = append(except, m)
	}
	return parts[1] + parts[3], except
}

// rooted writes a pattern that begins with "(.*)" so that its first group does
// not take the slash that every path begins with: behind a host gateway wants to
// see that slash.
func rooted(pattern, target string) (string, string) {
	rest, found := strings.CutPrefix(strings.TrimPrefix(pattern, "^"), "(.*)")
	if !found || rest == "" || rest == "$" {
		return pattern, target
	}
	return "^/(.*)" + rest, strings.ReplaceAll(target, "$1", "/$1")
}

// unsafeHost reports a redirect whose host could be made longer by what a client
// writes, which gateway does not allow.
func unsafeHost(target string) bool {
	_, rest, found := strings.Cut(target, "://")
	if !found {
		return false
	}
	end := strings.IndexAny(strings.TrimPrefix(rest, "{host}"), "/{?")
	rest = strings.TrimPrefix(rest, "{host}")
	if port, found := strings.CutPrefix(rest, ":{port}"); found {
		rest, end = port, strings.IndexAny(port, "/{?")
	}
	return end >= 0 && rest[end] == '{' && !strings.HasPrefix(rest[end:], "{path}")
}

// literalText takes the backslashes off escaped letters.
func literalText(pattern string) string { return strings.ReplaceAll(pattern, `\`, "") }

// alternates reports a pattern of which one whole part is enough: "^/a|^/b".
func alternates(pattern string) bool {
	depth := 0
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '[':
			i += classEnd(pattern[i:]) - 1
		case '(':
			depth++
		case ')':
			depth--
		case '|':
			if depth == 0 {
				return true
			}
		}
	}
	return false
}

// literalPrefix is the part of a pattern before its first special character.
func literalPrefix(pattern string) string {
	if alternates(pattern) {
		return ""
	}
	var out strings.Builder
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c == '\\' && i+1 < len(pattern) && strings.IndexByte(`.-_/`, pattern[i+1]) >= 0:
			i++
			c = pattern[i]
		case strings.IndexByte(`\.[](){}*+?|^$`, c) >= 0:
			return out.String()
		}
		if i+1 < len(pattern) && strings.IndexByte(`*?{`, pattern[i+1]) >= 0 {
			return out.String()
		}
		out.WriteByte(c)
	}
	return out.String()
}
