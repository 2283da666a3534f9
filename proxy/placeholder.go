package proxy

import (
	"fmt"
	"slices"
	"strings"
)

// filling is a text with placeholders such as {path}. Only words of small letters
// and digits in braces are placeholders; all other braces are text, since headers
// carry JSON.
type filling []slot

// slot is a piece of text, or the name of what takes its place.
type slot struct{ text, name string }

// parseFilling refuses placeholders that are not among the known ones.
func parseFilling(written string, known []string) (filling, error) {
	var all filling
	text := ""
	for written != "" {
		name, length := placeholderAt(written)
		if length == 0 {
			text, written = text+written[:1], written[1:]
			continue
		}
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("{%s} stands for nothing here: %s", name, remedyForPlaceholder(name, known))
		}
		if text != "" {
			all = append(all, slot{text: text})
		}
		all = append(all, slot{name: name})
		text, written = "", written[length:]
	}
	if text != "" {
		all = append(all, slot{text: text})
	}
	return all, nil
}

// placeholderAt reads the placeholder that a text begins with; length is 0 if it
// begins with none.
func placeholderAt(text string) (name string, length int) {
	if text[0] != '{' {
		return "", 0
	}
	name, _, closed := strings.Cut(text[1:], "}")
	if !closed || name == "" || strings.ContainsFunc(name, notInPlaceholder) {
		return "", 0
	}
	return name, len(name) + len("{}")
}

func notInPlaceholder(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_')
}

func remedyForPlaceholder(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("did you mean {%s}?", near)
	}
	return "write one of {" + strings.Join(known, "}, {") + "}"
}

// fill writes the text with values in place of the placeholders.
func (f filling) fill(value func(name string) string) string {
	if len(f) == 1 && f[0].name == "" {
		return f[0].text
	}
	var out strings.Builder
	for _, s := range f {
		if s.name == "" {
			out.WriteString(s.text)
		} else {
			out.WriteString(value(s.name))
		}
	}
	return out.String()
}

// placeholder is what a request has for a name. It is as the client wrote it,
// which is no more than visible characters.
func (c *call) placeholder(name string) string {
	switch name {
	case "path":
		return c.target.path
	case "query":
		return c.target.query
	case "rest":
		return behind(c.target.path, c.route.path)
	case "scheme":
		return c.origin.scheme
	case "host":
		return authority{name: c.public().name}.String()
	case "port":
		return c.publicPort()
	case "remote":
		return c.origin.client
	case "user":
		return c.exchange.user
	case "request_id":
		return c.exchange.id
	}
	return c.route.group(c.target.path, int(name[0]-'0'))
}

// publicPort is the port at which the client believes the site to be.
func (c *call) publicPort() string {
	if port := c.public().port; port != "" {
		return port
	}
	return authority{}.portOr(c.origin.scheme)
}
