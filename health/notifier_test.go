package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gateway/health/mail"
)

// notifierWorld is a notifier over files of its own, whose mails are kept.
type notifierWorld struct {
	t            *testing.T
	dir          string
	ledger       *Ledger
	certificates []Certificate
	every        time.Duration // between looks; 0: 10 minutes

	mu    sync.Mutex
	mails []mail.Notice
}

func newNotifierWorld(t *testing.T) *notifierWorld {
	w := &notifierWorld{t: t, dir: t.TempDir()}
	w.openLedger()
	return w
}

func (w *notifierWorld) openLedger() {
	ledger, err := OpenLedger(filepath.Join(w.dir, "incidents.json"), testLog(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	w.ledger = ledger
}

func (w *notifierWorld) put(n mail.Notice) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mails = append(w.mails, n)
	return nil
}

// kinds are the mails so far, in words.
func (w *notifierWorld) kinds() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var kinds []string
	for _, n := range w.mails {
		kinds = append(kinds, n.Kind)
	}
	return strings.Join(kinds, " ")
}

func (w *notifierWorld) options() NotifierOptions {
	return NotifierOptions{
		Path: filepath.Join(w.dir, "notices.json"), Host: "www1", Lang: "en", Channels: []string{"mail", "chat"},
		Put: w.put, Ledger: w.ledger, Log: testLog(w.t), Every: cmp.Or(w.every, 10*time.Minute),
		Certificates: func() []Certificate {
			w.mu.Lock()
			defer w.mu.Unlock()
			return slices.Clone(w.certificates)
		},
	}
}

// run lets a notifier run while f plays.
func (w *notifierWorld) run(f func(n *Notifier)) {
	n := NewNotifier(w.options())
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	time.Sleep(time.Nanosecond)
	f(n)
	synctest.Wait()
	cancel()
	if err := <-done; err != nil {
		w.t.Error(err)
	}
}

func (w *notifierWorld) down() Event {
	return Event{Kind: Opened, Backend: "api", Incident: w.ledger.opened("api", "exited with code 1", true, time.Now()), Output: []byte("bye\n")}
}

func (w *notifierWorld) up() Event {
	return Event{Kind: Recovered, Backend: "api", Incident: w.ledger.closed("api", time.Now())}
}

func TestNotifier_TellsAnIncidentAsOneThread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNotifierWorld(t)
		w.run(func(n *Notifier) {
			n.Tell(w.down())
			synctest.Wait()
			if got := w.kinds(); got != "opened" {
				t.Fatalf("at once: %q", got)
			}
			time.Sleep(61 * time.Minute)
			n.Tell(w.up())
			w.ledger.Count("api", 5, 1) // the requests that waited are answered now
			time.Sleep(settleAfter)
		})
		if got := w.kinds(); got != "opened reminder recovered" {
			t.Fatalf("got %q", got)
		}
		first := w.mails[0]
		for i, n := range w.mails {
			if want := fmt.Sprintf("%s.%d@www1", first.Incident, i+1); n.MessageID != want || n.Incident != first.Incident {
				t.Errorf("mail %d: Message-ID %q, want %q", i, n.MessageID, want)
			}
			if i > 0 && (n.InReplyTo != first.MessageID || !slices.Equal(n.References, []string{first.MessageID})) {
				t.Errorf("mail %d is in reply to %q, references %q", i, n.InReplyTo, n.References)
			}
		}
		if !strings.Contains(first.Body, "| bye\n") || !strings.Contains(w.mails[2].Body, "waited: 5, that failed: 1") {
			t.Errorf("got\n%s\n%s", first.Body, w.mails[2].Body)
		}
	})
}

func TestNotifier_GoesOnAfterARestartWithoutRepeatingItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNotifierWorld(t)
		w.run(func(n *Notifier) { n.Tell(w.down()) })
		time.Sleep(30 * time.Minute)
		w.openLedger()
		w.run(func(n *Notifier) { time.Sleep(31 * time.Minute) })
		if got := w.kinds(); got != "opened reminder" {
			t.Fatalf("got %q", got)
		}
		w.openLedger()
		w.run(func(n *Notifier) {
			n.Tell(w.up())
			time.Sleep(time.Minute)
		})
		if got := w.kinds(); got != "opened reminder recovered" || w.mails[2].InReplyTo != w.mails[0].MessageID {
			t.Fatalf("got %q, in reply to %q", got, w.mails[2].InReplyTo)
		}
		w.openLedger()
		w.run(func(n *Notifier) { time.Sleep(48 * time.Hour) })
		if got := w.kinds(); got != "opened reminder recovered" {
			t.Errorf("told again: %q", got)
		}
	})
}

// What the ledger has, and an earlier gateway was killed before it told.
func TestNotifier_TellsWhatAnEarlierGatewayDidNotComeToTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNotifierWorld(t)
		w.run(func(*Notifier) {}) // notices are kept since then
		time.Sleep(time.Second)
		w.down()
		w.ledger.closed("api", time.Now().Add(time.Second))
		if err := w.ledger.Flush(); err != nil {
			t.Fatal(err)
		}
		w.openLedger()
		w.run(func(*Notifier) { time.Sleep(time.Minute) })
		if got := w.kinds(); got != "opened recovered" {
			t.Errorf("got %q", got)
		}
	})
}

func TestNotifier_DoesNotTellOfIncidentsFromBeforeThereWereNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNotifierWorld(t)
		w.down()
		w.up()
		time.Sleep(time.Minute)
		w.run(func(*Notifier) { time.Sleep(time.Minute) })
		if got := w.kinds(); got != "" {
			t.Errorf("got %q", got)
		}
	})
}

// Killed between queueing a mail and noting that: the mail comes twice, as one.
func TestNotifier_RepeatsAMailUnderTheSameMessageID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNotifierWorld(t)
		w.run(func(*Notifier) {})
		options := w.options()
		options.Path = filepath.Join(t.TempDir(), "lost.json") // never read again
		n := NewNotifier(options)
		n.begin(time.Now())
		n.Tell(w.down())
		n.takeIn()
		w.openLedger()
		w.run(func(*Notifier) {})
		if len(w.mails) != 2 || w.mails[0].MessageID != w.mails[1].MessageID {
			t.Errorf("got %d mails: %+v", len(w.mails), w.mails)
		}
	})
}

func TestNotifier_TakesEventsWhileTheDiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNotifierWorld(t)
		hangs := make(chan struct{})
		options := w.options()
		options.Put = func(n mail.Notice) error { <-hangs; return w.put(n) }
		n := NewNotifier(options)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- n.Run(ctx) }()
		for range 1000 { // Tell would block the bubble for ever
			n.Tell(w.down())
			n.Tell(w.up())
		}
		close(hangs)
		time.Sleep(2 * time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := w.kinds(); got != "opened recovered" {
			t.Errorf("got %q", got)
		}
	})
}

func TestNotifier_TellsOnTheOtherWaysThatOneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNotifierWorld(t)
		w.run(func(n *Notifier) {
			n.ChannelFailing("mail", time.Now(), errors.New("535 wrong password"))
			synctest.Wait()
			time.Sleep(time.Hour)
			n.ChannelWorking("mail")
		})
		if got := w.kinds(); got != "channel-failing channel-failing-over" {
			t.Fatalf("got %q", got)
		}
		for _, n := range w.mails {
			if !slices.Equal(n.Only, []string{"chat"}) {
				t.Errorf("told on %q", n.Only)
			}
		}
		if !strings.Contains(w.mails[0].Body, "535 wrong password") {
			t.Errorf("got\n%s", w.mails[0].Body)
		}
	})
}

func TestNotifier_TellsACertificateStepByStepAlsoOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newNotifierWorld(t)
		const day = 24 * time.Hour
		old := Certificate{Site: "a.example.com", Names: []string{"a.example.com"}, SHA256: strings.Repeat("a", 64), NotAfter: time.Now().Add(30 * day)}
		w.certificates = []Certificate{old}
		for range 28 {
			w.run(func(*Notifier) { time.Sleep(day) })
		}
		if got := w.kinds(); got != strings.TrimSpace(strings.Repeat("certificate-expiring ", 4)) {
			t.Fatalf("two days before the end: %q", got)
		}
		changed := &Changes{}
		options := w.options()
		options.Changes = changed
		n := NewNotifier(options)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- n.Run(ctx) }()
		time.Sleep(11 * time.Minute)
		w.mu.Lock()
		w.certificates = []Certificate{{Site: "a.example.com", SHA256: strings.Repeat("b", 64), NotAfter: time.Now().Add(90 * day)}}
		w.mu.Unlock()
		time.Sleep(11 * time.Minute)
		cancel()
		<-done
		last := w.mails[len(w.mails)-1]
		if last.Kind != "certificate-expiring-over" || last.Subject != "www1: the certificate of a.example.com is replaced" || last.InReplyTo != w.mails[0].MessageID {
			t.Errorf("got %+v", last)
		}
		if list := changed.Since(time.Time{}); len(list) != 1 || list[0].Kind != CertificateChanged {
			t.Errorf("changes: %+v", list)
		}
	})
}

func TestNotebook_ThatIsTornIsSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notices.json")
	if err := writeFile(path, []byte(`{"since": "2026`)); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	book, err := openNotebook(path, now)
	if err == nil || !strings.Contains(err.Error(), path+".bad") || !book.Since.Equal(now) {
		t.Errorf("got %+v, %v", book, err)
	}
	if err := book.save(path); err != nil {
		t.Fatal(err)
	}
	if _, err := openNotebook(path, now); err != nil {
		t.Error(err)
	}
}
