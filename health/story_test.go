package health

import (
	"fmt"
	"testing"
	"time"
)

// storyWorld plays incidents against the policy in fake time, and counts mails.
type storyWorld struct {
	now     time.Time
	stories []story
	told    []string
}

func newStoryWorld() *storyWorld {
	return &storyWorld{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// pass lets time go by; what is due meanwhile is told.
func (w *storyWorld) pass(d time.Duration) {
	end := w.now.Add(d)
	for {
		at, what, due := w.first()
		if what == tellNothing || due.After(end) {
			w.now = end
			return
		}
		if due.After(w.now) {
			w.now = due
		}
		w.stories[at] = w.stories[at].told(what, w.now)
		w.told = append(w.told, what.String())
	}
}

func (w *storyWorld) first() (at int, what telling, due time.Time) {
	for i, s := range w.stories {
		if kind, when := s.next(); kind != tellNothing && (what == tellNothing || when.Before(due)) {
			at, what, due = i, kind, when
		}
	}
	return at, what, due
}

// crashLoop lets a backend die so many times, as the ledger would record it.
func (w *storyWorld) crashLoop(deaths int, life, delay time.Duration) {
	var i Incident
	for n := range deaths {
		if n == 0 || !i.Open() && w.now.Sub(i.Closed) > stableAfter {
			i = Incident{ID: fmt.Sprint("incident", n), Backend: "api", Opened: w.now, Cause: "exited with code 1"}
		}
		i.Closed = time.Time{}
		i.Deaths++
		w.stories = follow(w.stories, i, false)
		w.pass(delay)
		if life > 0 {
			i.Closed = w.now
			w.stories = follow(w.stories, i, false)
			w.pass(life)
		}
	}
	i.Closed = w.now
	w.stories = follow(w.stories, i, false)
	w.pass(48 * time.Hour)
}

func TestStory_ACrashLoopOfAThousandRestartsMakesAtMostFiveMails(t *testing.T) {
	for _, loop := range []struct {
		name        string
		life, delay time.Duration
	}{
		{"it dies at once", 0, 30 * time.Second},
		{"it dies at once and is started at once", 0, 100 * time.Millisecond},
		{"it lives for a second", time.Second, 30 * time.Second},
		{"it lives for ten seconds", 10 * time.Second, 30 * time.Second},
		{"it lives for almost a minute", 59 * time.Second, 30 * time.Second},
	} {
		t.Run(loop.name, func(t *testing.T) {
			w := newStoryWorld()
			w.crashLoop(1000, loop.life, loop.delay)
			t.Log(w.told)
			if n := len(w.told); n > 5 || w.told[0] != "opened" || w.told[n-1] != "recovered" {
				t.Errorf("%d mails: %v", n, w.told)
			}
		})
	}
}

// Every life is long enough for an incident of its own.
func TestStory_ABackendThatDiesEveryTwoMinutesForADayAndAHalfMakesFewMails(t *testing.T) {
	w := newStoryWorld()
	w.crashLoop(1000, 2*time.Minute, 0)
	t.Log(w.told)
	if n := len(w.told); n > 8 || w.told[n-1] != "recovered" {
		t.Errorf("%d mails: %v", n, w.told)
	}
}

func TestStory_TellsEachStep(t *testing.T) {
	for _, check := range []struct {
		name string
		play func(*storyWorld)
		want string
	}{
		{"a short death", func(w *storyWorld) { w.crashLoop(1, 0, time.Second) }, "[opened recovered]"},
		{"down for a morning", func(w *storyWorld) { w.crashLoop(1, 0, 150*time.Minute) }, "[opened reminder reminder recovered]"},
		{"down for three days", func(w *storyWorld) { w.crashLoop(1, 0, 76*time.Hour) }, "[opened reminder reminder reminder reminder reminder reminder recovered]"},
		{"dead again after its recovery", func(w *storyWorld) { w.crashLoop(2, 30*time.Second, time.Second) }, "[opened recovered worsened recovered]"},
		{"dead again before its recovery was told", func(w *storyWorld) { w.crashLoop(2, time.Second, time.Second) }, "[opened recovered]"},
		{"two incidents", func(w *storyWorld) { w.crashLoop(2, 5*time.Minute, time.Second) }, "[opened recovered opened recovered]"},
		{"stopped by hand", func(w *storyWorld) {
			i := Incident{ID: "a", Backend: "api", Opened: w.now}
			w.stories = follow(w.stories, i, false)
			w.pass(time.Minute)
			i.Closed = w.now
			w.stories = follow(w.stories, i, true)
			w.pass(0)
		}, "[opened stopped]"},
	} {
		t.Run(check.name, func(t *testing.T) {
			w := newStoryWorld()
			check.play(w)
			if got := fmt.Sprint(w.told); got != check.want {
				t.Errorf("got %s, want %s", got, check.want)
			}
		})
	}
}

func TestStory_OfOneBackendSaysNothingAboutAnother(t *testing.T) {
	w := newStoryWorld()
	for n := range 10 {
		name := fmt.Sprint("backend", n)
		w.stories = follow(w.stories, Incident{ID: name, Backend: name, Opened: w.now}, false)
	}
	w.pass(time.Second)
	if len(w.told) != 10 {
		t.Errorf("told %v", w.told)
	}
}
