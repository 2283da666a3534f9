package manual

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// manualProgram is a program with a command, one below it, and a hidden one.
func manualProgram() *cobra.Command {
	do := func(*cobra.Command, []string) {}
	root := &cobra.Command{Use: "door", Short: "The front door"}
	root.PersistentFlags().StringP("config", "c", "/etc/door.toml", "the configuration `FILE`")
	open := &cobra.Command{Use: "open NAME", Short: "Open it", Run: do, Long: `open lets people in,
one by one.

  door open -c FILE     as it's written
.TH is no request here, nor is C:\temp.`}
	open.Flags().Bool("wide", false, "as wide as can be")
	open.Flags().String("for", "5m", "for this `TIME`")
	open.Flags().String("how", "", "quietly or not")
	open.Flags().Lookup("how").NoOptDefVal = "quietly"
	open.Flags().String("secret", "", "")
	_ = open.Flags().MarkHidden("secret")
	root.AddCommand(open, &cobra.Command{Use: "trapdoor", Run: do, Hidden: true})
	return root
}

func manualPages() map[string]string {
	return Edition{Source: "door 1.0", Title: "The manual of door", Date: time.Unix(1700000000, 0)}.Pages(manualProgram())
}

func TestPages_AreOneForEachCommandThatIsNotHidden(t *testing.T) {
	if got := slices.Sorted(maps.Keys(manualPages())); !slices.Equal(got, []string{"door-open.1", "door.1"}) {
		t.Errorf("the pages are %v", got)
	}
}

func TestPages_SayWhatTheCommandSaysOfItself(t *testing.T) {
	const want = `.TH "DOOR\-OPEN" "1" "2023-11-14" "door 1.0" "The manual of door"
.SH "NAME"
door\-open \- Open it
.SH "SYNOPSIS"
\fBdoor open\fR NAME [flags]
.SH "DESCRIPTION"
open lets people in,
one by one.
.PP
.nf
  door open \-c FILE     as it\(aqs written
.fi
\&.TH is no request here, nor is C:\etemp.
.SH "OPTIONS"
.TP
\fB\-\-for\fR \fITIME\fR
for this TIME (default 5m)
.TP
\fB\-h\fR, \fB\-\-help\fR
help for open
.TP
\fB\-\-how\fR[=\fIstring\fR]
quietly or not
.TP
\fB\-\-wide\fR
as wide as can be
.SH "OPTIONS OF ALL COMMANDS"
.TP
\fB\-c\fR, \fB\-\-config\fR \fIFILE\fR
the configuration FILE (default /etc/door.toml)
.SH "SEE ALSO"
\fBdoor\fR(1)
`
	if got := manualPages()["door-open.1"]; got != want {
		t.Errorf("the page is\n%s", got)
	}
}

func TestPages_LeadFromTheFirstToAllOthers(t *testing.T) {
	page := manualPages()["door.1"]
	if !strings.Contains(page, ".SH \"COMMANDS\"\n.TP\n\\fBdoor\\-open\\fR(1)\nOpen it\n") || strings.Contains(page, "trapdoor") || !strings.Contains(page, "The front door.\n") {
		t.Errorf("the page is\n%s", page)
	}
}

const manualMarkdown = `# door

Codes: 0 done, 1 failed; 2 only as the [page](#page) says. More of it.

## Signals

| signal | what it does |
|---|---|
| SIGTERM, SIGINT | Shuts the ` + "`door`" + `; see [Stopping](#stopping). |
| ` + "`.NONE`" + ` | Nothing. |

## Empty
`

func TestPages_BearOnTheFirstWhatHoldsForAll(t *testing.T) {
	codes, err := List(manualMarkdown, "Codes: ")
	if err != nil {
		t.Fatal(err)
	}
	signals, err := Table(manualMarkdown, "## Signals")
	if err != nil {
		t.Fatal(err)
	}
	edition := Edition{Common: []Section{{Title: "EXIT STATUS", Items: codes}, {Title: "SIGNALS", Items: signals}, {Title: "SEE ALSO", Items: []Item{{"`gate`(1)", "another door"}}, Text: "'Twas `open`.\n\n.NONE"}}}
	pages := edition.Pages(manualProgram())
	const want = `.SH "EXIT STATUS"
.TP
0
done
.TP
1
failed
.TP
2
only as the page says
.SH "SIGNALS"
.TP
SIGTERM, SIGINT
Shuts the \fBdoor\fR; see Stopping.
.TP
\fB\&.NONE\fR
Nothing.
.SH "SEE ALSO"
.TP
\fBgate\fR(1)
another door
.PP
\(aqTwas \fBopen\fR.
.PP
\&.NONE
`
	if !strings.HasSuffix(pages["door.1"], want) {
		t.Errorf("the first page is\n%s", pages["door.1"])
	}
	if strings.Contains(pages["door-open.1"], "SIGNALS") {
		t.Error("so does another page")
	}
}

func TestMarkdown_IsNotTakenForWhatItIsNot(t *testing.T) {
	for _, heading := range []string{"## Nothing", "## Empty"} {
		if items, err := Table(manualMarkdown, heading); err == nil {
			t.Errorf("below %s stands %v", heading, items)
		}
	}
	if items, err := List(manualMarkdown, "Signs: "); err == nil {
		t.Errorf("found %v", items)
	}
}

func TestPages_AreTheSameEachTime(t *testing.T) {
	if !maps.Equal(manualPages(), manualPages()) {
		t.Error("the same program has other pages")
	}
}

func FuzzText_NeverBecomesARequestOfRoff(f *testing.F) {
	for _, seed := range []string{"plain", ".so /etc/passwd", "'br", "\\fB", " kept\nfilled\n.x", "\n\n", "\t.nf"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var r roff
		r.text(text)
		for line := range strings.Lines(r.String()) {
			switch strings.TrimSuffix(line, "\n") {
			case ".PP", ".nf", ".fi":
				continue
			}
			if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
				t.Errorf("%q gives the request %q", text, line)
			}
		}
	})
}
