package health

import (
	"fmt"
	"strings"
	"time"
)

// report is all that a notice about a backend is worded from.
type report struct {
	what    telling
	host    string
	story   story
	status  Status // how the backend is
	exit    *Exit  // how its process ended; nil: not in this incident
	output  []byte // the last lines that it printed
	changes []Change
	now     time.Time
}

// noticeTime is the local time with its zone, by name and by offset, because a
// name alone (CST) may mean several.
const noticeTime = "2006-01-02 15:04:05 MST (-07:00)"

// word writes the notice. Its lines are short, the most important ones first,
// and there is no table: it is read on a phone.
func (r report) word(p phrases) (subject, body string) {
	var t text
	switch r.what {
	case tellUp:
		r.wordRecovery(&t, p)
	case tellEnded:
		r.wordEnd(&t, p)
	default:
		r.wordTrouble(&t, p)
	}
	return r.subject(p), t.String()
}

func (r report) subject(p phrases) string {
	i := r.story.Incident
	place := r.host + ": " + i.Backend + " "
	lasts := p.span(i.Duration(r.now))
	switch r.what {
	case tellUp:
		return place + fmt.Sprintf(p.isUp, p.span(r.lasted()))
	case tellEnded:
		return place + p.isStopped
	case tellDownAgain:
		return place + p.isDownAgain + ": " + r.cause(p)
	case tellStillDown:
		return place + fmt.Sprintf(p.isStillDown, lasts) + ": " + r.cause(p)
	}
	return place + p.isDown + ": " + r.cause(p)
}

// cause is why the backend is down: how its process ended, or what was observed.
func (r report) cause(p phrases) string {
	i := r.story.Incident
	cause := i.Cause
	if i.Latest != "" {
		cause = i.Latest
	}
	if r.exit != nil && cause == r.exit.String() {
		return p.exit(*r.exit)
	}
	return cause
}

// lasted is how long a trouble was, over all incidents of a story.
func (r report) lasted() time.Duration {
	if r.story.Incidents > 1 {
		return r.story.Incident.Closed.Sub(r.story.Begun)
	}
	return r.story.Incident.Duration(r.now)
}

func (r report) wordTrouble(t *text, p phrases) {
	i := r.story.Incident
	t.line(p.downSince, i.Backend, i.Opened.Local().Format(noticeTime))
	t.line(p.why, r.cause(p))
	t.line(p.now, r.doing(p))
	if i.Deaths > 1 || r.what != tellDown {
		t.line(p.counts, i.Deaths, i.Restarts)
	}
	if r.what != tellDown {
		t.line(p.requests, i.Held, i.Failed)
	}
	if r.story.Incidents > 1 {
		t.line(p.restless, r.story.Incidents, r.story.Begun.Local().Format(noticeTime), p.span(restlessWithin))
	}
	r.wordProbe(t, p)
	r.wordChanges(t, p)
	r.wordAdvice(t, p)
	r.wordOutput(t, p)
}

func (r report) wordRecovery(t *text, p phrases) {
	i := r.story.Incident
	t.line(p.answersAgain, i.Backend)
	t.line(p.downFor, p.span(r.lasted()))
	t.line(p.from, r.story.Begun.Local().Format(noticeTime))
	t.line(p.until, i.Closed.Local().Format(noticeTime))
	t.line(p.why, r.cause(p))
	t.line(p.counts, i.Deaths, i.Restarts)
	t.line(p.requests, i.Held, i.Failed)
	t.blank()
	t.line(p.historyHint)
}

func (r report) wordEnd(t *text, p phrases) {
	i := r.story.Incident
	t.line(p.stoppedByHand, i.Backend)
	t.line(p.downFor, p.span(r.lasted()))
	t.line(p.why, r.cause(p))
	t.line(p.counts, i.Deaths, i.Restarts)
	t.line(p.requests, i.Held, i.Failed)
	t.blank()
	t.line(p.startHint, i.Backend)
}

// doing is what gateway does about it.
func (r report) doing(p phrases) string {
	s := r.status
	switch {
	case len(s.Command) == 0:
		return p.onlyWatches
	case s.ServedBy != "":
		return fmt.Sprintf(p.served, s.ServedBy)
	case s.State == Up.String():
		return p.isBack
	case !s.NextStart.IsZero():
		return fmt.Sprintf(p.startsLater, s.NextStart.Local().Format("15:04:05"))
	case s.State == Hung.String() || s.State == Sick.String():
		return p.watchesHang
	}
	return p.startsNow
}

func (r report) wordProbe(t *text, p phrases) {
	if probe := r.status.LastProbe; probe != nil && !probe.Good {
		t.blank()
		t.line(p.probe, probe.At.Local().Format("15:04:05"), probe.Error)
	}
}

func (r report) wordChanges(t *text, p phrases) {
	if len(r.changes) == 0 {
		return
	}
	t.blank()
	t.line(p.changed)
	for _, change := range r.changes {
		t.line("- %s %s", change.At.Local().Format("15:04:05"), p.change(change))
	}
}

func (r report) wordAdvice(t *text, p phrases) {
	t.blank()
	t.line(p.next)
	for _, line := range r.advice(p) {
		t.line("- %s", line)
	}
}

func (r report) wordOutput(t *text, p phrases) {
	t.blank()
	output := strings.TrimRight(strings.ToValidUTF8(string(r.output), "\ufffd"), "\n")
	if output == "" {
		if len(r.status.Command) > 0 {
			t.line(p.printedNothing)
		}
		return
	}
	t.line(p.printed)
	for line := range strings.SplitSeq(output, "\n") {
		t.line("| %s", line) // marked, so that what it prints cannot pass for our words
	}
}

// text is a notice's body while it is written.
type text struct{ strings.Builder }

func (t *text) line(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }
func (t *text) blank()                          { t.WriteByte('\n') }

// units are the names of a language for pieces of time.
type units struct{ millisecond, second, minute, hour, day string }

// span writes a duration in its two largest units.
func (u units) span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d%s", d.Milliseconds(), u.millisecond)
	case d < time.Minute:
		return fmt.Sprintf("%.1f%s", d.Seconds(), u.second)
	case d < time.Hour:
		return fmt.Sprintf("%d%s %d%s", d/time.Minute, u.minute, d%time.Minute/time.Second, u.second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d%s %d%s", d/time.Hour, u.hour, d%time.Hour/time.Minute, u.minute)
	}
	return fmt.Sprintf("%d%s %d%s", d/(24*time.Hour), u.day, d%(24*time.Hour)/time.Hour, u.hour)
}
