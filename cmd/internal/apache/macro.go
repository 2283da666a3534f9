package apache

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// macro is a <Macro>: lines in which names stand for the words of its use.
type macro struct {
	Position
	parameters []string
	body       []sourceLine
}

// defineMacro keeps the lines as they are: variables are resolved at the use.
func (r *reader) defineMacro(d *Directive, body []sourceLine) error {
	if d.arg(0) == "" {
		return &Problem{d.Position, "<Macro> has no name", "write one", nil}
	}
	r.macros[strings.ToLower(d.arg(0))] = &macro{d.Position, d.Args[1:], body}
	r.out = append(r.out, &Directive{Position: d.Position, Name: d.Name, Text: d.Text, Args: d.Args, Section: true})
	return nil
}

// use puts the macro's lines in place of a Use.
func (r *reader) use(d *Directive) error {
	m := r.macros[strings.ToLower(d.arg(0))]
	switch {
	case m == nil:
		return &Problem{d.Position, fmt.Sprintf("there is no macro %q", d.arg(0)), "write its <Macro> above this line", nil}
	case len(d.Args)-1 != len(m.parameters):
		return &Problem{d.Position, fmt.Sprintf("the macro %s (%s) takes %d words, and here are %d", d.arg(0), m.Position, len(m.parameters), len(d.Args)-1), "write as many", nil}
	case r.macroDepth >= deepestMacro:
		return &Problem{d.Position, fmt.Sprintf("macros use each other more than %d deep", deepestMacro), "take the Use out that leads back", nil}
	}
	r.macroDepth++
	defer func() { r.macroDepth-- }()
	lines, err := m.lines(d)
	if err != nil {
		return err
	}
	return r.block(lines, 0)
}

// lines are the macro's lines with the words of one use in them. Where one
// parameter's name begins another's, the longer is meant, as in mod_macro.
func (m *macro) lines(use *Directive) ([]sourceLine, error) {
	order := make([]int, len(m.parameters))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(len(m.parameters[b]), len(m.parameters[a])) })
	var pairs []string
	for _, i := range order {
		if m.parameters[i] != "" {
			pairs = append(pairs, m.parameters[i], use.Args[i+1])
		}
	}
	replace := strings.NewReplacer(pairs...)
	lines := make([]sourceLine, len(m.body))
	for i, l := range m.body {
		lines[i] = sourceLine{l.Position, replace.Replace(l.text), &use.Position}
		if len(lines[i].text) > longestLine {
			return nil, &Problem{l.Position, fmt.Sprintf("the line has more than %d bytes in the macro's use", longestLine), "see the words of the Use", nil}
		}
	}
	return lines, nil
}
