package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"gateway/cmd/internal/host"
)

// plainText keeps what a file or program says from steering the terminal.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// printProposal shows a plan: each change with its reason and its difference.
func printProposal(w io.Writer, p host.Proposal) error {
	var b strings.Builder
	for _, step := range p.Steps {
		printStep(&b, step)
	}
	_, err := io.WriteString(w, plainText(b.String()))
	return err
}

func printStep(b *strings.Builder, s host.StepPlan) {
	fmt.Fprintf(b, "%s\n", s.Step)
	if len(s.Changes) == 0 && len(s.Refusals) == 0 && s.Error == "" {
		b.WriteString("  is as it shall be\n")
	}
	for _, c := range s.Changes {
		printChange(b, c)
	}
	for _, r := range s.Refusals {
		fmt.Fprintf(b, "  refused: %s\n", r.What)
		indent(b, 4, r.Why)
		indent(b, 4, r.Instead)
	}
	if s.Error != "" {
		indent(b, 2, "cannot be planned: "+s.Error)
	}
	for _, note := range s.Notes {
		indent(b, 2, "note: "+note)
	}
	b.WriteString("\n")
}

func printChange(b *strings.Builder, c host.Change) {
	fmt.Fprintf(b, "  - %s\n", c.What)
	indent(b, 4, c.Why)
	if c.NoUndo != "" {
		indent(b, 4, "cannot be undone: "+c.NoUndo)
	}
	indent(b, 6, c.Diff)
}

// indent writes the lines of a text that is not empty.
func indent(b *strings.Builder, by int, text string) {
	if text == "" {
		return
	}
	for line := range strings.Lines(strings.TrimSuffix(text, "\n") + "\n") {
		b.WriteString(strings.Repeat(" ", by) + line)
	}
}

// changesIn counts the changes of a plan.
func changesIn(p host.Proposal) int {
	n := 0
	for _, s := range p.Steps {
		n += len(s.Changes)
	}
	return n
}

// eventText is a line about something that is being done.
func eventText(e host.Event) string {
	text := e.What
	if e.Step != "" {
		text = e.Step + ": " + text
	}
	if e.Kind == host.EventUndo {
		text = "undo " + text
	}
	return plainText(text)
}

// printRuns lists runs of setup, the last one first.
func printRuns(w io.Writer, runs []host.Run) error {
	var b strings.Builder
	if len(runs) == 0 {
		b.WriteString("setup has not changed anything on this machine\n")
	}
	for i := len(runs) - 1; i >= 0; i-- {
		r := runs[i]
		fmt.Fprintf(&b, "run %d of %s by %s: %s\n", r.Number, r.Begun.Local().Format(clock), r.By, runStateText(r))
		for _, change := range r.Changes {
			fmt.Fprintf(&b, "  - %s\n", change)
		}
	}
	_, err := io.WriteString(w, plainText(b.String()))
	return err
}

func runStateText(r host.Run) string {
	switch r.State {
	case host.StateUnconfirmed:
		return "waits for `gateway setup confirm` from a new ssh login, and is taken back at " + r.Until.Local().Format(clock)
	case host.StateUnfinished:
		return "was interrupted, and is taken back by the next `gateway setup apply` or `undo`"
	case host.StateUndone, host.StatePartly:
		return fmt.Sprintf("%s at %s: %s", r.State, r.Settled.Local().Format(clock), r.Reason)
	}
	return r.State
}

// isTerminal tells whether somebody sits behind a reader or writer.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	return err == nil
}

// progressEvery is how often a line of progress is written anew.
const progressEvery = 200 * time.Millisecond

// progressOn shows how far a long act has come, on a terminal only.
func progressOn(w io.Writer) func(what string, done, total int64) {
	if !isTerminal(w) {
		return nil
	}
	var last time.Time
	return func(what string, done, total int64) {
		ended := total > 0 && done >= total
		if now := time.Now(); !ended && now.Sub(last) < progressEvery {
			return
		}
		last = time.Now()
		fmt.Fprintf(w, "\r\x1b[K%s", plainText(progressText(what, done, total)))
		if ended {
			fmt.Fprintln(w)
		}
	}
}

func progressText(what string, done, total int64) string {
	const mib = 1 << 20
	if total <= 0 {
		return fmt.Sprintf("%s: %d MB", what, done/mib)
	}
	const width = 30
	filled := int(width * done / total)
	return fmt.Sprintf("%s [%s%s] %d of %d MB", what, strings.Repeat("#", filled), strings.Repeat(".", width-filled), done/mib, total/mib)
}
