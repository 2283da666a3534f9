package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestApacheTwin_DiffersOnlyWhereTheREADMESaysSo sends one list of requests to a
// real Apache httpd, set up as an admin does by hand, and to gateway, on the
// same ports, with the same certificate, to the same backend. What the backend
// saw, what the client got and what the log says must be equal, or stand in
// twinDifferences with a reason, which the README gives too.
func TestApacheTwin_DiffersOnlyWhereTheREADMESaysSo(t *testing.T) {
	t.Parallel()
	w := newTwinWorld(t)
	apache := w.answers(t, w.startApache)
	gateway := w.answers(t, w.startGateway)

	used := make([]bool, len(twinDifferences))
	for i, c := range twinCases {
		for _, d := range compareTwins(apache[i], gateway[i]) {
			if n := reasonFor(c.name, d.kind); n >= 0 {
				used[n] = true
				continue
			}
			t.Errorf("%s: %s\n  Apache  %s\n  gateway %s", c.name, d.kind, d.apache, d.gateway)
		}
	}
	for i, d := range twinDifferences {
		if !used[i] && !d.sometimes {
			t.Errorf("no request shows the difference %q any more: take it out here and in the README", d.text)
		}
	}
	t.Logf("What differs from Apache\n\n%s", twinMarkdown())
}

func TestApacheTwin_TheREADMEListsEveryDifference(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(string(readme)), " ")
	for _, d := range twinDifferences {
		if !strings.Contains(words, d.text) {
			t.Errorf("README.md does not say: %s", d.text)
		}
	}
}

// twinDifference is a difference that is meant.
type twinDifference struct {
	kinds     string // regular expression over difference kinds
	cases     string // regular expression over case names
	text      string // what differs and why, as the README has it
	sometimes bool   // it depends on which of two bytes comes first
}

func reasonFor(name, kind string) int {
	return slices.IndexFunc(twinDifferences, func(d twinDifference) bool {
		return regexp.MustCompile("^("+d.kinds+")$").MatchString(kind) && regexp.MustCompile("^("+d.cases+")$").MatchString(name)
	})
}

func twinMarkdown() string {
	var list strings.Builder
	for _, d := range twinDifferences {
		fmt.Fprintf(&list, "- %s\n", d.text)
	}
	return list.String()
}

// twinAnswer is what one server made of one request.
type twinAnswer struct {
	seen    *twinSeen // what the backend saw; nil: it was not asked
	status  string    // all status codes that came, interim ones too; "" if the connection was closed
	headers map[string][]string
	body    string
	broken  bool // the response ended before it was complete
	log     string
}

// twinSeen is a request as the backend saw it.
type twinSeen struct {
	line    string
	headers map[string][]string
	body    string
	broken  bool
}

// own tells that the server answered in the backend's place: with a page in its own words.
func (a twinAnswer) own() bool { return len(a.headers["X-Backend"]) == 0 }

type twinDiff struct{ kind, apache, gateway string }

// compareTwins lists the differences. Where both servers answer in the backend's
// place, their pages differ as a matter of course, but not their status.
func compareTwins(a, g twinAnswer) []twinDiff {
	var diffs []twinDiff
	add := func(kind, apache, gateway string) {
		if apache != gateway {
			diffs = append(diffs, twinDiff{kind, apache, gateway})
		}
	}
	add("status", a.status, g.status)
	add("end of response", fmt.Sprint("broken: ", a.broken), fmt.Sprint("broken: ", g.broken))
	switch {
	case a.own() && g.own():
		add("own page", a.body, g.body)
	case !a.own() && !g.own():
		diffs = append(diffs, compareFields("to client", a.headers, g.headers)...)
		add("body", a.body, g.body)
	default:
		add("answers", fmt.Sprintf("asked: %t, own: %t", a.seen != nil, a.own()), fmt.Sprintf("asked: %t, own: %t", g.seen != nil, g.own()))
	}
	sameSize := !a.own() && !g.own() && a.status == g.status
	add("log", twinLogLine(a.log, sameSize), twinLogLine(g.log, sameSize))
	return append(diffs, compareSeen(a.seen, g.seen)...)
}

func compareSeen(a, g *twinSeen) []twinDiff {
	if a == nil && g == nil {
		return nil
	}
	if a == nil || g == nil {
		return []twinDiff{{"backend asked", fmt.Sprint(a != nil), fmt.Sprint(g != nil)}}
	}
	diffs := compareFields("to backend", a.headers, g.headers)
	for _, d := range []twinDiff{
		{"request line", a.line, g.line},
		{"request body", a.body, g.body},
		{"end of request", fmt.Sprint("broken: ", a.broken), fmt.Sprint("broken: ", g.broken)},
	} {
		if d.apache != d.gateway {
			diffs = append(diffs, d)
		}
	}
	return diffs
}

func compareFields(where string, a, g map[string][]string) []twinDiff {
	var diffs []twinDiff
	names := map[string]bool{}
	for name := range a {
		names[name] = true
	}
	for name := range g {
		names[name] = true
	}
	for name := range names {
		if !slices.Equal(a[name], g[name]) {
			diffs = append(diffs, twinDiff{where + " " + name, fmt.Sprintf("%q", a[name]), fmt.Sprintf("%q", g[name])})
		}
	}
	slices.SortFunc(diffs, func(a, b twinDiff) int { return strings.Compare(a.kind, b.kind) })
	return diffs
}

var (
	twinTime  = regexp.MustCompile(`\[\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]`)
	twinBytes = regexp.MustCompile(`" (\d{3}) (\d+|-) "`)
)

// twinLogLine is the line without its second; and without status and size, if
// those differ because different answers were sent, which is compared apart.
func twinLogLine(line string, sameAnswer bool) string {
	line = twinTime.ReplaceAllString(line, "[time]")
	if !sameAnswer {
		line = twinBytes.ReplaceAllString(line, `" status size "`)
	}
	return line
}
