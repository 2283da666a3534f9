package manual

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// roff is a page in the making.
type roff struct{ strings.Builder }

// escape writes text so that it is shown as it is: without it roff would take
// "-" for a hyphen, which can't be copied into a shell, and quotes for typographic
// ones (groff_char(7)).
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	if strings.HasPrefix(text, ".") {
		return `\&` + text // else it is a request
	}
	return text
}

func bold(text string) string   { return `\fB` + escape(text) + `\fR` }
func italic(text string) string { return `\fI` + escape(text) + `\fR` }

// line adds a line that is escaped already.
func (r *roff) line(text string) { r.WriteString(text + "\n") }

// macro adds a request with its arguments.
func (r *roff) macro(name string, args ...string) {
	r.WriteString("." + name)
	for _, arg := range args {
		r.WriteString(` "` + strings.ReplaceAll(escape(arg), `"`, `\(dq`) + `"`)
	}
	r.WriteString("\n")
}

func (r *roff) section(title string) { r.macro("SH", title) }

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
