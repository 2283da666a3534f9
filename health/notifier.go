package health

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"gateway/health/mail"
)

// NotifierOptions are what a Notifier is made of.
type NotifierOptions struct {
	Path     string                                // file that keeps what admins were told
	Host     string                                // name of this machine: it leads subjects and ends Message-IDs
	Lang     string                                // "en" or "zh"
	Channels []string                              // names of the ways to admins
	Put      func(mail.Notice) error               // takes a notice for delivery; may wait for the disk, not for the network
	Ledger   *Ledger                               // of all backends
	Changes  *Changes                              // what was changed lately; nil: nothing is known
	Look     func(backend string) (Status, []byte) // how a backend is now, and the last lines of its output; nil: unknown
	Log      *slog.Logger

	Folders      []string             // whose disks are watched
	Certificates func() []Certificate // those that are served; nil: none
	Every        time.Duration        // between looks at disks and certificates; 0: 30s
}

// Notifier decides what admins are told and when, words it, and hands it on for
// delivery. One goroutine, Run, owns all that it knows; its other methods may be
// called by any goroutine, and never wait.
//
// What holds: every incident that the ledger's file knows is told, also when
// gateway is killed in between; telling it again uses the same Message-ID; and
// however often a backend dies, its mails stay few (see story).
type Notifier struct {
	options NotifierOptions
	phrases phrases
	inbox   *inbox
	seen    chan []alarm // the latest look at disks and certificates
	made    time.Time

	// Run's own:
	book   notebook
	latest map[string]Event // of each backend
	broken bool             // the notebook cannot be saved, and that was logged
}

// NewNotifier makes a Notifier; it touches nothing.
func NewNotifier(o NotifierOptions) *Notifier {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Changes == nil {
		o.Changes = &Changes{}
	}
	if o.Look == nil {
		o.Look = func(string) (Status, []byte) { return Status{}, nil }
	}
	if o.Every == 0 {
		o.Every = 30 * time.Second
	}
	return &Notifier{
		options: o, phrases: phrasesOf(o.Lang), inbox: newInbox(),
		seen: make(chan []alarm), made: time.Now(), latest: map[string]Event{},
	}
}

// Tell takes an event of a backend. It never waits, so that a monitor may call it.
func (n *Notifier) Tell(e Event) { n.inbox.event(e) }

// ChannelFailing tells that a way to admins does not work; err is what
// mail.Explain can explain.
func (n *Notifier) ChannelFailing(channel string, since time.Time, err error) {
	others := slices.DeleteFunc(slices.Clone(n.options.Channels), func(name string) bool { return name == channel })
	n.inbox.channel(channel, channelAlarm(channel, since, err, mail.Explain(err), others, n.phrases))
}

// ChannelWorking tells that a way to admins works again.
func (n *Notifier) ChannelWorking(channel string) {
	n.inbox.channel(channel, alarm{kind: kindChannel, key: channel})
}

// Undelivered takes a notice that did not reach everybody.
func (n *Notifier) Undelivered(item mail.Item) {
	if a := receiverAlarm(item, time.Now(), n.phrases); a != nil {
		n.inbox.channel(a.id(), *a)
	}
}

// Run tells admins until ctx ends. What was taken before is told then, too.
func (n *Notifier) Run(ctx context.Context) error {
	n.begin(time.Now())
	var watching sync.WaitGroup
	defer watching.Wait()
	watch := n.newWatcher()
	watching.Go(func() { watch.run(ctx, n.seen) })
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			n.takeIn()
			n.advance(time.Now())
			return nil
		case <-n.inbox.wake:
			n.takeIn()
		case alarms := <-n.seen:
			n.compare(alarms, time.Now())
		case <-timer.C:
		}
		timer.Reset(time.Until(n.advance(time.Now())))
	}
}

// begin goes on where an earlier gateway was ended.
func (n *Notifier) begin(now time.Time) {
	book, err := openNotebook(n.options.Path, now)
	if err != nil {
		n.options.Log.Error("the record of notices is begun anew", "error", err)
	}
	n.book = book
	// What began since this gateway was made comes as an event, with more to tell.
	history := slices.DeleteFunc(n.options.Ledger.History(0), func(i Incident) bool { return i.Opened.After(n.made) })
	slices.Reverse(history)
	n.book.catchUp(history, now)
	n.save()
}

// takeIn empties the inbox.
func (n *Notifier) takeIn() {
	events, channels := n.inbox.take()
	for _, e := range events {
		n.latest[e.Backend] = e
		n.book.Stories = follow(n.book.Stories, e.Incident, e.Kind == Ended)
		// What is due now is told before the next event changes it.
		n.advance(time.Now())
	}
	n.book.forget()
	for _, a := range channels {
		n.channelChanged(a, time.Now())
	}
}

// advance tells what is due, and returns when something is due next.
func (n *Notifier) advance(now time.Time) time.Time {
	next := now.Add(never)
	for at := range n.book.Stories {
		for {
			what, due := n.book.Stories[at].next()
			if what == tellNothing {
				break
			}
			if due.After(now) {
				next = earlier(next, due)
				break
			}
			n.tell(at, what, now)
		}
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// tell mails about a story and notes it. The ledger's file comes first: an
// incident that was told must not be forgotten by a crash, or its end would
// never be.
func (n *Notifier) tell(at int, what telling, now time.Time) {
	s := &n.book.Stories[at]
	if current, found := n.options.Ledger.find(s.Incident.ID); found {
		s.Incident.Held, s.Incident.Failed = current.Held, current.Failed
	}
	if err := n.options.Ledger.Flush(); err != nil {
		n.options.Log.Warn("an incident is told before it is recorded", "error", err)
	}
	subject, body := n.report(*s, what, now).word(n.phrases)
	id := mail.MessageID(s.First+"."+strconv.Itoa(s.Mails+1), n.options.Host)
	notice := mail.Notice{
		Message:  mail.Message{Subject: subject, Body: body, MessageID: id, Date: now},
		Incident: s.First, Kind: what.String(),
	}
	if s.Root == "" {
		s.Root = id
	} else {
		notice.InReplyTo, notice.References = s.Root, []string{s.Root}
	}
	n.put(notice)
	*s = s.told(what, now)
	n.save()
}

// report gathers what the notice is worded from. A reminder looks afresh.
func (n *Notifier) report(s story, what telling, now time.Time) report {
	r := report{what: what, host: n.options.Host, story: s, changes: n.options.Changes.Since(now.Add(-time.Hour)), now: now}
	event, known := n.latest[s.Incident.Backend]
	if known && what != tellStillDown {
		r.status, r.output = event.Status, event.Output
	} else {
		r.status, r.output = n.options.Look(s.Incident.Backend)
	}
	if known && event.Exit != nil && event.Exit.At.After(s.Incident.Opened.Add(-exitSlack)) {
		r.exit = event.Exit
	}
	return r
}

// exitSlack is how long before its incident an exit may have been noticed.
const exitSlack = 5 * time.Second

// put hands a notice on. It is told even if the disk does not take it.
func (n *Notifier) put(notice mail.Notice) {
	switch err := n.options.Put(notice); {
	case err == nil:
	case errors.Is(err, mail.ErrNoChannel):
		n.options.Log.Debug("nobody is told", "subject", notice.Subject)
	default:
		n.options.Log.Error("queueing a notice", "subject", notice.Subject, "error", err)
	}
}

func (n *Notifier) save() {
	err := n.book.save(n.options.Path)
	if err != nil && !n.broken {
		n.options.Log.Error("what admins were told cannot be recorded; after a restart they may hear it again", "file", n.options.Path, "error", err)
	}
	n.broken = err != nil
}
