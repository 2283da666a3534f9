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
		if err := b.header(t, d); err != nil {
			b.ledger.lost(d, err.Error(), "let the backend send the header, or see response_set and request_set")
		}
	}
}

func (b *builder) header(t *table, d *Directive) error {
	side, args := "response", d.Args
	if d.Is("RequestHeader") {
		side = "request"
	}
	for len(args) > 0 && (strings.EqualFold(args[0], "always") || strings.EqualFold(args[0], "onsuccess")) {
		args = args[1:]
	}
	if len(args) < 2 {
		return fmt.Errorf("it names no action and header")
	}
	action, name := strings.ToLower(args[0]), strings.TrimSuffix(args[1], ":")
	value, condition := argAt(args, 2), argAt(args, 3)
	switch {
	case action == "unset":
		value, condition = "", argAt(args, 2)
	case strings.HasPrefix(action, "edit"):
		condition = argAt(args, 4)
	}
	if side == "request" && b.ownHeader(d, name, action) {
		return nil
	}
	if strings.HasPrefix(action, "edit") && strings.EqualFold(name, "Location") && strings.HasPrefix(strings.TrimPrefix(value, "^"), "http:") {
		b.ledger.notNeeded(d, "a redirect to the site's own name is mapped to https by itself")
		return nil
	}
	if condition != "" {
		return fmt.Errorf("it holds under a condition (%s), which gateway can't ask", condition)
	}
	return b.setHeader(t, d, side, action, name, value)
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

func (b *builder) setHeader(t *table, d *Directive, side, action, name, value string) error {
	text, err := headerValue(value)
	if err != nil {
		return err
	}
	line := name + ": " + text
	switch action {
	case "unset":
		t.add(side+"_remove", []string{name}, d)
	case "set":
		b.replaceHeader(t, side+"_set", name)
		t.add(side+"_set", []string{line}, d)
	case "add":
		t.add(side+"_add", []string{line}, d)
	case "append", "merge":
		b.ledger.differently(d, "it becomes a field line of its own, which means the same as a value behind a comma")
		t.add(side+"_add", []string{line}, d)
	case "setifempty":
		if side == "request" {
			return fmt.Errorf("gateway sets headers of requests whether they are there or not")
		}
		t.add("response_default", []string{line}, d)
	case "edit", "edit*", "edit_r":
		return fmt.Errorf("gateway changes no part of a header's value")
	default:
		return fmt.Errorf("gateway has no like for %q", action)
	}
	return nil
}

// replaceHeader takes out an earlier line for the same name: the last one holds.
func (b *builder) replaceHeader(t *table, key, name string) {
	e := t.entry(key)
	if e == nil {
		return
	}
	e.value = slices.DeleteFunc(slices.Clone(e.value.([]string)), func(line string) bool {
		own, _, _ := strings.Cut(line, ":")
		return strings.EqualFold(own, name)
	})
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
