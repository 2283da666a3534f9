package manual

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// roff is a page in the making.
type roff struct{ strings.Builder }

// escape writes text so that it is shown as it is, also at the beginning of a line.
func escape(text string) string {
	text = literal(text)
	if strings.HasPrefix(text, ".") {
		return `\&` + text // else it is a request
	}
	return text
}

// literal writes characters that roff would change: without it "-" would be a
// hyphen, which can't be copied into a shell, and quotes would be typographic
// ones (groff_char(7)).
func literal(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
}

func bold(text string) string   { return `\fB` + escape(text) + `\fR` }
func italic(text string) string { return `\fI` + escape(text) + `\fR` }

// line adds a line that is escaped already.
func (r *roff) line(text string) { r.WriteString(text + "\n") }

// macro adds a request with its arguments.
func (r *roff) macro(name string, args ...string) {
	r.WriteString("." + name)
	for _, arg := range args {
		r.WriteString(quoted(arg))
	}
	r.WriteString("\n")
}

// quoted is one argument of a request.
func quoted(arg string) string { return ` "` + strings.ReplaceAll(escape(arg), `"`, `\(dq`) + `"` }

// title begins a page of the first part of the manual. The date is not escaped:
// with another minus than its own it would be read as no date (mandoc(1)).
func (r *roff) title(name, date, source, manual string) {
	r.line(".TH" + quoted(name) + quoted("1") + ` "` + date + `"` + quoted(source) + quoted(manual))
}

func (r *roff) section(title string) { r.macro("SH", title) }

func (r *roff) sections(all []Section) {
	for _, s := range all {
		r.section(s.Title)
		for _, item := range s.Items {
			r.macro("TP")
			r.line(marked(item.Head))
			r.line(marked(item.Text))
		}
		for _, paragraph := range strings.Split(s.Text, "\n\n") {
			r.paragraph(paragraph)
		}
	}
}

// paragraph adds text with what is marked in it, if there is any.
func (r *roff) paragraph(text string) {
	if text != "" {
		r.macro("PP")
		r.line(marked(text))
	}
}

// marked writes text with what stands between backticks in bold.
func marked(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		switch {
		case i == 0:
			b.WriteString(escape(part))
		case i%2 == 1:
			b.WriteString(bold(part))
		default:
			b.WriteString(literal(part))
		}
	}
	return b.String()
}

// item begins an entry of a list: what it is about, and what is said of it.
func (r *roff) item(head, text string) {
	r.macro("TP")
	r.line(head)
	r.line(escape(text))
}

// text adds paragraphs, and between them examples, whose lines are indented.
func (r *roff) text(text string) {
	kept := false
	keep := func(wanted bool) {
		switch {
		case wanted && !kept:
			r.macro("nf")
		case !wanted && kept:
			r.macro("fi")
		}
		kept = wanted
	}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if line == "" {
			keep(false)
			r.macro("PP")
			continue
		}
		keep(line[0] == ' ' || line[0] == '\t')
		r.line(escape(line))
	}
	keep(false)
}

// commands lists what is directly below a command, with the page of each.
func (r *roff) commands(c *cobra.Command) {
	if !c.HasAvailableSubCommands() {
		return
	}
	r.section("COMMANDS")
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			r.item(bold(name(sub))+"(1)", sub.Short)
		}
	}
}

// options lists flags.
func (r *roff) options(title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	r.section(title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		r.item(flagHead(f, value), usage+flagDefault(f))
	})
}

// flagHead is how a flag is written on the command line.
func flagHead(f *pflag.Flag, value string) string {
	head := bold("--" + f.Name)
	if f.Shorthand != "" {
		head = bold("-"+f.Shorthand) + ", " + head
	}
	switch {
	case value == "":
	case f.NoOptDefVal != "":
		head += "[=" + italic(value) + "]"
	default:
		head += " " + italic(value)
	}
	return head
}

// flagDefault tells what holds without a flag, where that is something.
func flagDefault(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "false", "0", "0s", "[]":
		return ""
	}
	return " (default " + f.DefValue + ")"
}
