package proxy

import (
	"cmp"
	"net/url"
	"strings"
)

// inOrderOfMatching puts exact paths first, then regular expressions in the
// order of the file, then prefixes, the longest first.
func inOrderOfMatching(a, b *route) int {
	if a.rank() != b.rank() {
		return cmp.Compare(a.rank(), b.rank())
	}
	if a.pattern != nil {
		return 0
	}
	return cmp.Compare(len(b.path), len(a.path))
}

func (r *route) rank() int {
	switch {
	case r.exact:
		return 0
	case r.pattern != nil:
		return 1
	default:
		return 2
	}
}

// route finds the route of a raw path. The backend reads the path for itself, so
// a path of which two readings lead to different routes is refused with ok
// false: "/public/%2e%2e/admin" must not reach admin's backend as a request of
// public, nor the other way round. A nil route is a path that the site has
// nothing for.
func (s *site) route(raw string) (found *route, ok bool) {
	if readsOneWay(raw) {
		return s.match(raw), true
	}
	paths, ok := readings(raw)
	if !ok {
		return nil, false
	}
	found = s.match(paths[0])
	for _, path := range paths[1:] {
		if s.match(path) != found {
			return nil, false
		}
	}
	return found, true
}

// match takes a decoded path.
func (s *site) match(path string) *route {
	for _, r := range s.routes {
		if r.matches(path) {
			return r
		}
	}
	return nil
}

func (r *route) matches(path string) bool {
	switch {
	case r.pattern != nil:
		return r.pattern.MatchString(path)
	case r.exact:
		return path == r.path
	default:
		return within(path, r.path)
	}
}

// within reports whether a path lies under a prefix, segment by segment, as
// ProxyPass matches: "/api" holds "/api" and "/api/x" but not "/apix".
func within(path, prefix string) bool {
	if !strings.HasPrefix(path, prefix) {
		return false
	}
	return strings.HasSuffix(prefix, "/") || len(path) == len(prefix) || path[len(prefix)] == '/'
}

// group is what the n-th group of the regular expression has matched, as the
// client wrote it. If the expression fits the decoded path only, it is encoded
// afresh.
func (r *route) group(raw string, n int) string {
	if found := r.pattern.FindStringSubmatch(raw); found != nil {
		return found[n]
	}
	found := r.pattern.FindStringSubmatch(decode(raw, true))
	if found == nil {
		return ""
	}
	return (&url.URL{Path: found[n]}).EscapedPath()
}
