// Package apache reads the configuration of an Apache httpd and writes what it
// means as gateway's own file, with an account of every directive.
//
// The promises: nothing is executed, and nothing needs Apache to be installed;
// no file makes Read panic; every directive that is in effect is reported in
// exactly one class, with its file and line; the same configuration gives the
// same bytes each time.
//
// The work has four steps, each a function of what the one before it gave:
// Find tells where a configuration lies, Read makes a tree of its directives,
// Translate makes gateway's file and the report of them, and Rehearse compares
// two servers that answer the same requests.
package apache

import (
	"fmt"
	"strings"
)

// Position is where a directive stands.
type Position struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Problem is why a configuration can't be read, in words for its admin.
type Problem struct {
	Position
	What string // what is wrong
	Do   string // what to do about it
	Err  error  // of the operating system, or nil
}

func (p *Problem) Error() string {
	parts := []string{p.Position.String(), p.What}
	if p.Err != nil {
		parts = append(parts, plainError(p.Err))
	}
	return strings.Join(append(parts, p.Do), ": ")
}

func (p *Problem) Unwrap() error { return p.Err }

// Directive is one directive that is in effect, or a section of them.
type Directive struct {
	Position
	Name     string       // as written, without the "<" of a section
	Args     []string     // with variables and quotes resolved
	Text     string       // the arguments as one text, with variables resolved
	Section  bool         // written as <Name ...>
	Children []*Directive // of a section
	Via      *Position    // where the macro is used that it comes from, or nil
}

// Is reports whether the directive has this name, however it is written.
func (d *Directive) Is(name string) bool { return strings.EqualFold(d.Name, name) }

// arg is the i-th argument, or "".
func (d *Directive) arg(i int) string {
	if i < len(d.Args) {
		return d.Args[i]
	}
	return ""
}

// String is the directive as it is shown to admins, on one line.
func (d *Directive) String() string {
	text := strings.TrimSpace(d.Name + " " + d.Text)
	if d.Section {
		text = "<" + text + ">"
	}
	return shorten(text)
}

// longestShown keeps lines of reports and comments readable.
const longestShown = 120

func shorten(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > longestShown {
		return string(runes[:longestShown-3]) + "..."
	}
	return text
}
