// Package manual writes the manual pages of a program from what its commands say
// of themselves, in the language of man(7).
//
// Their long texts are plain text, set by hand for a terminal, and stay that: lines
// that begin with a space are kept as they are, all others are filled.
package manual

import (
	"cmp"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Edition is what all pages have in common.
type Edition struct {
	Source string    // the program and its version, such as "gateway 1.2.3"
	Title  string    // of the manual
	Date   time.Time // of the sources, so that the same sources give the same pages
	Common []Section // what holds for all commands; it stands on the first page
}

// Section is a part of a page: a list, then text. In both, what stands between
// backticks is shown in bold.
type Section struct {
	Title string // such as "EXIT STATUS"
	Items []Item
	Text  string // paragraphs, with empty lines between them
}

// Item is an entry of a list: what it is about, and what is said of it.
type Item struct{ Head, Text string }

// Pages are the pages of a command and of all below it by their file names, such
// as "gateway-setup-plan.1". Hidden commands have none.
func (e Edition) Pages(c *cobra.Command) map[string]string {
	pages := map[string]string{name(c) + ".1": e.page(c)}
	for _, sub := range c.Commands() {
		if !sub.IsAvailableCommand() {
			continue
		}
		for file, text := range e.Pages(sub) {
			pages[file] = text
		}
	}
	return pages
}

// name is what the page of a command is called.
func name(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func (e Edition) page(c *cobra.Command) string {
	c.InitDefaultHelpFlag()
	var r roff
	r.title(strings.ToUpper(name(c)), e.Date.UTC().Format(time.DateOnly), e.Source, e.Title)
	r.section("NAME")
	r.line(escape(name(c)) + ` \- ` + escape(c.Short))
	r.section("SYNOPSIS")
	r.line(bold(c.CommandPath()) + escape(strings.TrimPrefix(c.UseLine(), c.CommandPath())))
	r.section("DESCRIPTION")
	r.text(cmp.Or(c.Long, c.Short+"."))
	r.commands(c)
	r.options("OPTIONS", c.NonInheritedFlags())
	r.options("OPTIONS OF ALL COMMANDS", c.InheritedFlags())
	if !c.HasParent() {
		r.sections(e.Common)
		return r.String()
	}
	r.section("SEE ALSO")
	r.line(bold(name(c.Parent())) + "(1)")
	return r.String()
}
