package apache

import (
	"fmt"
	"slices"
	"strings"
)

// forwarding are headers that gateway sets itself, afresh for every request.
var forwarding = []string{"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-real-ip", "forwarded", "x-request-id", "x-forwarded-server", "x-forwarded-ssl", "x-forwarded-scheme", "x-forwarded-protocol", "x-url-scheme"}

// selfSet are those of them that gateway really sends.
var selfSet = forwarding[:7]

// headers writes the Header and RequestHeader lines of a scope.
func (b *builder) headers(t *table, ds []*Directive) {
	for _, d := range ds {
		change, err := parseHeader(d)
		if err == nil {
			err = b.header(t, d, change)
		}
		if err != nil {
			b.lostHeader(t, d, change, err)
		}
	}
}

// headerChange is a Header or RequestHeader line taken apart.
type headerChange struct {
	side      string // "request" or "response"
	action    string // in lower case
	name      string
	value     string
	condition string // "env=NAME" or "expr=..."
}

func parseHeader(d *Directive) (headerChange, error) {
	c, args := headerChange{side: "response"}, d.Args
	if d.Is("RequestHeader") {
		c.side = "request"
	}
	for len(args) > 0 && (strings.EqualFold(args[0], "always") || strings.EqualFold(args[0], "onsuccess")) {
		args = args[1:]
	}
	if len(args) < 2 {
		return c, fmt.Errorf("it names no action and header")
	}
	if last := len(args) - 1; last > 1 && strings.EqualFold(args[last], "early") {
		args = args[:last] // it only says when httpd does it
	}
	c.action, c.name = strings.ToLower(args[0]), strings.TrimSuffix(args[1], ":")
	switch {
	case c.action == "unset":
		c.condition = argAt(args, 2)
	case strings.HasPrefix(c.action, "edit"):
		c.value, c.condition = argAt(args, 2), argAt(args, 4)
	default:
		c.value, c.condition = argAt(args, 2), argAt(args, 3)
	}
	return c, nil
}

func (b *builder) header(t *table, d *Directive, c headerChange) error {
	if c.side == "request" && b.ownHeader(d, c.name, c.action) {
		return nil
	}
	if strings.HasPrefix(c.action, "edit") && strings.EqualFold(c.name, "Location") && strings.HasPrefix(strings.TrimPrefix(c.value, "^"), "http:") {
		b.ledger.notNeeded(d, "a redirect to the site's own name is mapped to https by itself")
		return nil
	}
	if overTLS, known := b.host.holdsOver(c.condition); known {
		if !overTLS {
			b.ledger.notNeeded(d, "its condition on HTTPS never holds here")
			return nil
		}
		c.condition = ""
	}
	if c.condition != "" {
		return fmt.Errorf("it holds under a condition (%s), which gateway can't ask", c.condition)
	}
	return b.setHeader(t, d, c)
}

// holdsOver judges a condition that asks for TLS, which a host knows of itself.
func (h *host) holdsOver(condition string) (holds, known bool) {
	switch strings.ToLower(strings.NewReplacer(" ", "", `"`, "'").Replace(condition)) {
	case "env=https", "expr=%{https}=='on'", "expr=%{request_scheme}=='https'":
		return h.tls, !h.optional
	case "env=!https", "expr=%{https}!='on'", "expr=%{https}=='off'", "expr=%{request_scheme}=='http'":
		return !h.tls, !h.optional
	}
	return false, false
}

// lostHeader tells of a line that is not carried. A header of requests that httpd
// always sets anew is taken off them: a backend that goes by it must not believe
// what a client wrote.
func (b *builder) lostHeader(t *table, d *Directive, c headerChange, err error) {
	breaks := err.Error()
	if c.side == "request" && c.action == "set" && c.condition == "" {
		breaks += "; so that no client can forge it, " + c.name + " is taken off all requests"
		t.add("request_remove", []string{c.name}, d)
	}
	b.ledger.lost(d, breaks, "let the backend send the header, or see response_set and request_set")
}

// ownHeader knows what gateway tells backends anyway.
func (b *builder) ownHeader(d *Directive, name, action string) bool {
	lower := strings.ReplaceAll(strings.ToLower(name), "_", "-") // programs take both for one
	switch {
	case slices.Contains(selfSet, lower):
		b.ledger.notNeeded(d, "gateway sets "+name+" afresh for every request")
	case lower == "proxy":
		b.ledger.notNeeded(d, "gateway never passes the header Proxy on")
	case action == "unset" && slices.Contains(forwarding, lower):
		return false
	case lower == "connection" || lower == "upgrade" || lower == "keep-alive" || lower == "te":
		b.ledger.notNeeded(d, "gateway keeps "+name+" right, for WebSockets too")
	case lower == "host":
		b.ledger.lost(d, "gateway tells the backend the client's Host or its own", "write preserve_host")
	default:
		return false
	}
	return true
}

func (b *builder) setHeader(t *table, d *Directive, c headerChange) error {
	text, err := headerValue(c.value)
	if err != nil {
		return err
	}
	line := c.name + ": " + text
	switch c.action {
	case "unset":
		b.forgetHeader(t, c)
		t.add(c.side+"_remove", []string{c.name}, d)
	case "set":
		b.forgetHeader(t, c)
		t.add(c.side+"_set", []string{line}, d)
	case "add":
		t.add(c.side+"_add", []string{line}, d)
	case "append", "merge":
		b.ledger.differently(d, "it becomes a field line of its own, which means the same as a value behind a comma")
		t.add(c.side+"_add", []string{line}, d)
	case "setifempty":
		if c.side == "request" {
			return fmt.Errorf("gateway sets headers of requests whether they are there or not")
		}
		t.add("response_default", []string{line}, d)
	case "edit", "edit*", "edit_r":
		return fmt.Errorf("gateway changes no part of a header's value")
	default:
		return fmt.Errorf("gateway has no like for %q", c.action)
	}
	return nil
}

// forgetHeader takes out what earlier lines have set or added of a name: the last
// line holds.
func (b *builder) forgetHeader(t *table, c headerChange) {
	for _, key := range []string{c.side + "_set", c.side + "_add"} {
		e := t.entry(key)
		if e == nil {
			continue
		}
		left := slices.DeleteFunc(slices.Clone(e.value.([]string)), func(line string) bool {
			own, _, _ := strings.Cut(line, ":")
			return strings.EqualFold(own, c.name)
		})
		if e.value = left; len(left) == 0 {
			t.drop(key)
		}
	}
}

// headerNames are the variables for which gateway has a placeholder.
var headerNames = map[string]string{
	"%{REMOTE_ADDR}s": "{remote}", "%{REMOTE_ADDR}e": "{remote}", "%{REQUEST_SCHEME}s": "{scheme}", "%{HTTP_HOST}s": "{host}", "%{SERVER_NAME}s": "{host}", "%{SERVER_NAME}e": "{host}",
	"%{SERVER_PORT}s": "{port}", "%{REQUEST_URI}s": "{path}", "%{QUERY_STRING}s": "{query}", "%{REMOTE_USER}s": "{user}", "%{REMOTE_USER}e": "{user}", "%{UNIQUE_ID}e": "{request_id}", "%{UNIQUE_ID}s": "{request_id}",
	"%%": "%",
}

// expressions are whole values in httpd's expression syntax.
var expressions = map[string]string{
	"expr=%{REMOTE_ADDR}": "{remote}", "expr=%{REQUEST_SCHEME}": "{scheme}", "expr=%{HTTP_HOST}": "{host}", "expr=%{SERVER_PORT}": "{port}", "expr=%{REMOTE_USER}": "{user}", "expr=%{REQUEST_URI}": "{path}",
}

// headerValue writes a value with gateway's placeholders.
func headerValue(value string) (string, error) {
	if known := expressions[value]; known != "" {
		return known, nil
	}
	if strings.HasPrefix(value, "expr=") {
		return "", fmt.Errorf("gateway does not know the expression %s", value)
	}
	var out strings.Builder
	for value != "" {
		before, after, found := strings.Cut(value, "%")
		out.WriteString(before)
		if !found {
			break
		}
		end := 1
		if strings.HasPrefix(after, "{") {
			end = strings.IndexByte(after, '}') + 2
		}
		if end > len(after) || end < 1 {
			return "", fmt.Errorf("%%%s is not finished", after)
		}
		known := headerNames["%"+after[:end]]
		if known == "" {
			return "", fmt.Errorf("gateway has nothing for %%%s", after[:end])
		}
		out.WriteString(known)
		value = after[end:]
	}
	return out.String(), nil
}
