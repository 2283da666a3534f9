package apache

import (
	"fmt"
	"path/filepath"
	"strings"
)

// printer writes tables and notes on which line each directive ended up.
type printer struct {
	root   string // paths below it are shown relative
	out    strings.Builder
	line   int
	landed map[*Directive][]int
}

// print writes one line.
func (p *printer) print(text string) {
	p.line++
	p.out.WriteString(text + "\n")
}

// section writes a table with its comment, its lines, and the tables below it.
func (p *printer) section(t *table) {
	if len(t.entries) == 0 && len(t.children) == 0 {
		return
	}
	if p.line > 0 {
		p.print("")
	}
	if t.comment != "" {
		p.print("# " + strings.ToValidUTF8(t.comment, "?"))
	}
	if t.header != "" {
		p.print(t.header)
	}
	for _, e := range sortedEntries(t.entries) {
		p.entry(e)
	}
	for _, child := range t.children {
		p.section(child)
	}
}

func (p *printer) entry(e *entry) {
	text := e.key + " = " + render(e.value)
	if origin := p.origins(e.from); origin != "" {
		text += "  # " + origin
	}
	p.print(text)
	for _, d := range e.from {
		if lines := p.landed[d]; len(lines) == 0 || lines[len(lines)-1] != p.line {
			p.landed[d] = append(lines, p.line)
		}
	}
}

// mostOrigins are named behind a line; a line that hundreds of directives agree
// on would be unreadable.
const mostOrigins = 4

func (p *printer) origins(from []*Directive) string {
	var places []string
	for _, d := range from {
		place := fmt.Sprintf("%s:%d", p.short(d.File), d.Line)
		if len(places) == 0 || places[len(places)-1] != place {
			places = append(places, place)
		}
	}
	if more := len(places) - mostOrigins; more > 0 {
		places = append(places[:mostOrigins], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(places, ", ")
}

// short is a path as it reads below the configuration's folder.
func (p *printer) short(path string) string {
	if rest, err := filepath.Rel(p.root, path); err == nil && !strings.HasPrefix(rest, "..") {
		return strings.Map(printable, rest)
	}
	return strings.Map(printable, path)
}

// printable keeps a file's name from ending a comment.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return '?'
	}
	return r
}
