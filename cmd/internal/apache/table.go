package apache

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// table is one table of gateway's file that is being made. Its values are
// strings, booleans, integers and lists of strings.
type table struct {
	header   string // "[[site]]"; "" for the top of the file
	comment  string // above the header
	entries  []*entry
	children []*table
}

// entry is one line, with the directives that it comes from.
type entry struct {
	key   string
	value any
	from  []*Directive
}

func (t *table) entry(key string) *entry {
	for _, e := range t.entries {
		if e.key == key {
			return e
		}
	}
	return nil
}

func (t *table) has(key string) bool { return t.entry(key) != nil }

// text is a value that is a string, or "".
func (t *table) text(key string) string {
	if e := t.entry(key); e != nil {
		text, _ := e.value.(string)
		return text
	}
	return ""
}

// list is a value that is a list.
func (t *table) list(key string) []string {
	if e := t.entry(key); e != nil {
		list, _ := e.value.([]string)
		return list
	}
	return nil
}

// set writes a key, in place of what it had.
func (t *table) set(key string, value any, from ...*Directive) {
	e := t.entry(key)
	if e == nil {
		e = &entry{key: key}
		t.entries = append(t.entries, e)
	}
	e.value, e.from = value, nil
	e.come(from)
}

// add appends to a list what it does not hold yet.
func (t *table) add(key string, values []string, from ...*Directive) {
	e := t.entry(key)
	if e == nil {
		e = &entry{key: key, value: []string(nil)}
		t.entries = append(t.entries, e)
	}
	list := e.value.([]string)
	for _, value := range values {
		if !slices.Contains(list, value) {
			list = append(list, value)
		}
	}
	e.value = list
	e.come(from)
}

// come adds directives that a line comes from.
func (e *entry) come(from []*Directive) {
	for _, d := range from {
		if d != nil && !slices.Contains(e.from, d) {
			e.from = append(e.from, d)
		}
	}
}

// drop takes a key out.
func (t *table) drop(key string) {
	t.entries = slices.DeleteFunc(t.entries, func(e *entry) bool { return e.key == key })
}

// content is what a table says, without where it comes from, less some keys.
func (t *table) content(without ...string) string {
	var out strings.Builder
	for _, e := range sortedEntries(t.entries) {
		if !slices.Contains(without, e.key) {
			fmt.Fprintf(&out, "%s = %s\n", e.key, render(e.value))
		}
	}
	for _, child := range t.children {
		out.WriteString(child.header + "\n" + child.content())
	}
	return out.String()
}

// absorb takes over where the lines of a table with the same content come from.
func (t *table) absorb(other *table) {
	for _, e := range other.entries {
		if own := t.entry(e.key); own != nil {
			own.come(e.from)
		}
	}
	for i, child := range other.children {
		if i < len(t.children) {
			t.children[i].absorb(child)
		}
	}
}

// keyOrder is the order of keys within a table, as config.example.toml has it.
var keyOrder = [...]string{"name", "aliases", "listen", "plain", "default", "certificate", "files",
	"path", "exact", "match", "backend", "root", "redirect", "redirect_status", "respond", "strip", "rewrite", "index", "listing", "fallback",
	"allow", "deny", "auth_file", "auth_realm",
	"request_remove", "request_set", "request_add", "response_remove", "response_default", "response_set", "response_add", "body"}

func sortedEntries(entries []*entry) []*entry {
	sorted := slices.Clone(entries)
	place := func(e *entry) int {
		if i := slices.Index(keyOrder[:], e.key); i >= 0 {
			return i
		}
		return len(keyOrder)
	}
	slices.SortStableFunc(sorted, func(a, b *entry) int { return place(a) - place(b) })
	return sorted
}

// render writes a value as TOML.
func render(value any) string {
	switch v := value.(type) {
	case string:
		return quote(v)
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case []int:
		texts := make([]string, len(v))
		for i, n := range v {
			texts[i] = strconv.Itoa(n)
		}
		return "[" + strings.Join(texts, ", ") + "]"
	case []string:
		texts := make([]string, len(v))
		for i, text := range v {
			texts[i] = quote(text)
		}
		return "[" + strings.Join(texts, ", ") + "]"
	}
	panic(fmt.Sprintf("no TOML for a %T", value)) // only this package makes values
}

// quote writes a string as TOML: literally where that is easier to read.
func quote(text string) string {
	if strings.ContainsAny(text, `"\`) && !strings.ContainsFunc(text, func(r rune) bool { return r == '\'' || r < ' ' || r == 0x7f }) {
		return "'" + text + "'"
	}
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			out.WriteRune('\\')
			out.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&out, `\u%04X`, r)
		default:
			out.WriteRune(r)
		}
	}
	out.WriteByte('"')
	return out.String()
}
