package apache

import (
	"fmt"
	"strconv"
	"strings"
)

// rewriteStatus is the number of [R=301], which may be a word.
func rewriteStatus(written string) int {
	switch strings.ToLower(written) {
	case "", "temp":
		return 302
	case "permanent":
		return 301
	case "seeother":
		return 303
	}
	status, err := strconv.Atoi(written)
	if err != nil {
		return 302
	}
	return status
}

func (b *builder) rewriteRedirect(r *rule, step rewriteStep, target, groups string, conditions []string) []*rule {
	r.status = rewriteStatus(step.flags["R"])
	if r.status < 300 || r.status > 399 {
		r.kind = responded
		return []*rule{r}
	}
	text, err := asTemplate(b.withName(target), groups, conditions)
	if err == nil && !strings.Contains(text, "://") && !strings.HasPrefix(text, "/") {
		err = fmt.Errorf("its target is no URL")
	}
	if err == nil && unsafeHost(text) {
		err = fmt.Errorf("what a client writes would follow the host without a slash, and so could name another host")
	}
	if err != nil {
		b.lostStep(step, err.Error())
		return nil
	}
	r.kind, r.target, r.whole = redirected, withQuery(text, step), true
	return []*rule{r}
}

// withName puts the site's own name into a target that makes another one of it,
// such as https://www.%{HTTP_HOST}/: gateway's {host} stands alone.
func (b *builder) withName(target string) string {
	scheme, rest, found := strings.Cut(target, "://")
	if !found || b.name == "" || strings.Contains(b.name, "*") {
		return target
	}
	for _, variable := range []string{"%{HTTP_HOST}", "%{SERVER_NAME}", "%{HTTP:Host}"} {
		if at := strings.Index(rest, variable); at > 0 && !strings.Contains(rest[:at], "/") {
			rest = strings.Replace(rest, variable, b.name, 1)
		}
	}
	return scheme + "://" + rest
}

// withQuery says in gateway's way what becomes of the client's query.
func withQuery(target string, step rewriteStep) string {
	switch path, query, found := strings.Cut(target, "?"); {
	case step.has("QSA") && found && query != "":
		return path + "?" + query + "&{query}"
	case step.has("QSD") && !found:
		return path + "?"
	case query == "{query}":
		return path
	}
	return target
}
