package apache

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Report is the account of every directive that is in effect.
type Report struct {
	File     string    `json:"file"`
	Layout   string    `json:"layout"`
	Items    []Item    `json:"directives"`
	Warnings []Warning `json:"warnings,omitempty"`
}

// Item is what became of one directive.
type Item struct {
	Position
	Directive string `json:"directive"`
	Class     Class  `json:"class"`
	Lines     []int  `json:"lines,omitempty"` // of gateway's file
	Note      string `json:"note,omitempty"`  // how, why, or what breaks
	Do        string `json:"do,omitempty"`
	Matters   bool   `json:"matters,omitempty"` // not carried, and clients or safety feel it
	Use       string `json:"use,omitempty"`     // where the macro is used that it is of
}

// Matters reports whether something was not carried that clients, or the safety
// of what is served, feel.
func (r Report) Matters() bool {
	for _, item := range r.Items {
		if item.Matters {
			return true
		}
	}
	return false
}

// Count is how many directives are in a class.
func (r Report) Count(class Class) int {
	n := 0
	for _, item := range r.Items {
		if item.Class == class {
			n++
		}
	}
	return n
}

// report gives every directive its one class.
func (t *translation) report(p *printer) Report {
	r := Report{File: t.tree.Source.File, Layout: t.tree.Source.Layout, Items: []Item{}, Warnings: t.tree.Warnings}
	t.items(&r, p, t.tree.Directives, nil)
	return r
}

func (t *translation) items(r *Report, p *printer, ds []*Directive, within *Directive) {
	for _, d := range ds {
		lines := p.landed[d]
		if len(lines) > 0 {
			t.ledger.carried(d)
		}
		if !t.ledger.known(d) {
			t.ledger.put(d, t.otherwise(d, within, p))
		}
		v := t.ledger.of(d)
		item := Item{Position: d.Position, Directive: d.String(), Class: v.class, Lines: lines, Note: v.note, Do: v.do, Matters: v.matters}
		if d.Via != nil {
			item.Use = d.Via.String()
		}
		r.Items = append(r.Items, item)
		t.items(r, p, d.Children, d)
	}
}

// heading is a part of the report for people.
type heading struct {
	title   string
	class   Class
	matters bool
}

// headings end with what wants an eye first: a terminal shows the end.
var headings = [...]heading{
	{"Not needed", NotNeeded, false},
	{"Carried", Carried, false},
	{"Carried differently", Differently, false},
	{"Not carried, and hardly missed", NotCarried, false},
	{"NOT carried, and clients feel it", NotCarried, true},
}

func (r Report) chosen(h heading) []Item {
	return slices.DeleteFunc(slices.Clone(r.Items), func(i Item) bool { return i.Class != h.class || i.Matters != h.matters })
}

// grouped writes items one a line; those that follow each other and differ in
// their words only become one.
func grouped(items []Item) []string {
	var lines []string
	for i := 0; i < len(items); {
		end := i + 1
		for end < len(items) && items[end].follows(items[i]) {
			end++
		}
		text := items[i].String()
		if more := end - i - 1; more > 0 {
			text += fmt.Sprintf(" (and %d more like it down to line %d)", more, items[end-1].Line)
		}
		lines = append(lines, text)
		i = end
	}
	return lines
}

// follows reports an item of the same file, name and fate as an earlier one.
func (i Item) follows(first Item) bool {
	name, _, _ := strings.Cut(i.Directive, " ")
	firstName, _, _ := strings.Cut(first.Directive, " ")
	return i.File == first.File && name == firstName && i.Note == first.Note && i.Do == first.Do && slices.Equal(i.Lines, first.Lines)
}

// Print writes the report for people.
func (r Report) Print(w io.Writer) error {
	var out strings.Builder
	for _, heading := range headings {
		items := r.chosen(heading)
		if len(items) == 0 {
			continue
		}
		fmt.Fprintf(&out, "%s (%d):\n", heading.title, len(items))
		for _, one := range grouped(items) {
			fmt.Fprintf(&out, "  %s\n", one)
		}
		out.WriteString("\n")
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(&out, "warning: %s\n", warning)
	}
	fmt.Fprintf(&out, "%s (%s): %s: %s\n", r.File, r.Layout, plural(len(r.Items), "directive"), r.counts())
	_, err := io.WriteString(w, out.String())
	return err
}

func (r Report) counts() string {
	var parts []string
	for _, class := range Classes() {
		parts = append(parts, fmt.Sprintf("%d %s", r.Count(class), class))
	}
	return strings.Join(parts, ", ")
}

// String is one line of the report: where, what, why, what to do.
func (i Item) String() string {
	parts := []string{i.Position.String(), i.Directive}
	if len(i.Lines) > 0 {
		parts = append(parts, lineList(i.Lines))
	}
	for _, part := range []string{i.Note, i.Do} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if i.Use != "" {
		parts = append(parts, "used at "+i.Use)
	}
	return strings.Join(parts, ": ")
}

// lineList names lines of gateway's file, not too many.
func lineList(lines []int) string {
	if len(lines) == 1 {
		return fmt.Sprintf("line %d", lines[0])
	}
	shown := lines
	if len(shown) > mostOrigins {
		shown = shown[:mostOrigins]
	}
	text := "lines " + strings.Trim(strings.ReplaceAll(fmt.Sprint(shown), " ", ", "), "[]")
	if more := len(lines) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
