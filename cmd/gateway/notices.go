package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"gateway/certs"
	"gateway/cmd/internal/config"
	"gateway/health"
	"gateway/health/mail"
)

// notices is how admins hear: what decides and words (the notifier), and what
// delivers (the outbox). A reload replaces the notifier.
type notices struct {
	noticeDeps
	outbox   *mail.Outbox
	changes  *health.Changes
	current  atomic.Pointer[teller]
	replaced chan struct{} // holds one
	wanted   chan struct{} // closed once some channel is configured
}

// teller is a notifier, and what of the configuration it is made of.
type teller struct {
	*health.Notifier
	host, lang        string
	channels, folders []string
}

// enabled tells whether anybody would hear of anything.
func (t *teller) enabled() bool { return len(t.channels) > 0 }

// noticeDeps are what notices are about.
type noticeDeps struct {
	ledger       *health.Ledger
	certificates func() []health.Certificate
	look         func(backend string) (health.Status, []byte)
	log          *slog.Logger
}

func newNotices(c *config.Config, deps noticeDeps) *notices {
	n := &notices{noticeDeps: deps, changes: &health.Changes{}, replaced: make(chan struct{}, 1), wanted: make(chan struct{})}
	n.outbox = mail.NewOutbox(mail.Options{
		Dir: outboxFolder(c), Log: deps.log,
		Failing: func(channel string, since time.Time, err error) { n.current.Load().ChannelFailing(channel, since, err) },
		Working: func(channel string, _ time.Duration) { n.current.Load().ChannelWorking(channel) },
		Buried: func(item mail.Item) {
			deps.log.Error("a notice did not reach everybody: see `gateway mail queue`", "id", item.ID, "subject", item.Subject)
			n.current.Load().Undelivered(item)
		},
	})
	n.apply(c)
	return n
}

// apply takes a configuration over.
func (n *notices) apply(c *config.Config) {
	channels := channelsOf(c)
	n.outbox.Configure(c.Mail)
	n.outbox.SetChannels(channels...)
	before := n.current.Load()
	next := &teller{host: hostName(c), lang: c.Mail.Lang, channels: namesOf(channels), folders: foldersOf(c)}
	if before != nil && before.host == next.host && before.lang == next.lang &&
		slices.Equal(before.channels, next.channels) && slices.Equal(before.folders, next.folders) {
		return
	}
	next.Notifier = health.NewNotifier(health.NotifierOptions{
		Path: filepath.Join(c.State, "notices.json"), Host: next.host, Lang: next.lang, Channels: next.channels,
		Put: n.outbox.Put, Ledger: n.ledger, Changes: n.changes, Look: n.look, Log: n.log,
		Folders:      next.folders,
		Certificates: n.certificates,
	})
	n.current.Store(next)
	if next.enabled() && (before == nil || !before.enabled()) {
		n.want()
	}
	select {
	case n.replaced <- struct{}{}:
	default: // run has a note to read already
	}
}

// want has the outbox run from now on. apply is its only caller, one at a time.
func (n *notices) want() {
	select {
	case <-n.wanted:
	default:
		close(n.wanted)
	}
}

// tell takes an event of a backend. Without a channel nobody would hear it.
func (n *notices) tell(e health.Event) {
	if t := n.current.Load(); t.enabled() {
		t.Tell(e)
	}
}

// runOutbox delivers until ctx ends. Without a channel it touches no folder.
func (n *notices) runOutbox(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-n.wanted:
		return n.outbox.Run(ctx)
	}
}

// runNotifier decides what is told until ctx ends.
func (n *notices) runNotifier(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := n.runTeller(ctx, n.current.Load()); err != nil {
			return err
		}
	}
	return nil
}

// runTeller runs one until ctx ends or it is replaced. What it was told of by
// then it has told when it returns.
func (n *notices) runTeller(ctx context.Context, t *teller) error {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		if !t.enabled() {
			<-ctx.Done()
			ended <- nil
			return
		}
		ended <- t.Run(ctx)
	}()
	defer cancel()
	for {
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
			return <-ended
		case <-n.replaced:
			if n.current.Load() != t {
				cancel()
				return <-ended
			}
		}
	}
}

// channelsOf are the ways to admins that the file names.
func channelsOf(c *config.Config) []mail.Channel {
	var channels []mail.Channel
	if c.Mail.Enabled() {
		channels = append(channels, mail.NewSender(c.Mail))
	}
	for _, webhook := range c.Webhooks {
		channels = append(channels, mail.NewWebhook(webhook))
	}
	return channels
}

func namesOf(channels []mail.Channel) []string {
	names := make([]string, len(channels))
	for i, channel := range channels {
		names[i] = channel.Name()
	}
	return names
}

// outboxFolder keeps what is still to be delivered.
func outboxFolder(c *config.Config) string { return filepath.Join(c.State, "outbox") }

// hostName is what notices call this machine.
func hostName(c *config.Config) string {
	if c.Mail.Hostname != "" {
		return c.Mail.Hostname
	}
	name, err := os.Hostname()
	if err != nil {
		return "gateway"
	}
	return name
}

// foldersOf are the folders that gateway writes to.
func foldersOf(c *config.Config) []string {
	folders := []string{c.State}
	logs := []string{c.Log.Access, c.Log.Error}
	for _, backend := range c.Backends {
		logs = append(logs, backend.Log)
	}
	for _, path := range logs {
		if path != "" && path != "-" {
			folders = append(folders, filepath.Dir(path))
		}
	}
	return folders
}

// noticedCertificates are the certificates in the words of the room health.
func (g *gateway) noticedCertificates() []health.Certificate {
	var noticed []health.Certificate
	for _, s := range g.store.Status() {
		c := noticedCertificate(s)
		if seen, since := g.truth.of(s.Site); len(seen) > 0 {
			c.Refused, c.Since = append(c.Refused, problemTexts(seen)...), since
		}
		noticed = append(noticed, c)
	}
	return noticed
}

func noticedCertificate(s certs.Status) health.Certificate {
	c := health.Certificate{Site: s.Site, Names: s.Names, Origin: s.Origin, SHA256: s.SHA256, NotAfter: s.NotAfter, Due: s.Due, Renew: s.Renew, Missing: s.Placeholder}
	if !s.Due.IsZero() {
		c.Failing, c.FailingSince = problemTexts(s.Refused), s.Since
		return c
	}
	c.Refused, c.Since = problemTexts(s.Refused), s.Since
	if len(s.Files) > 0 {
		c.File = s.Files[0]
	}
	return c
}

// noticesReport is what status tells of the ways to admins.
type noticesReport struct {
	Channels []mail.ChannelStatus `json:"channels"`
	Waiting  int                  `json:"waiting"` // notices
	Dead     int                  `json:"dead"`    // notices that were given up
}

func (n *notices) report() *noticesReport {
	if !n.current.Load().enabled() {
		return nil
	}
	dead, _ := n.outbox.Dead() // what cannot be read, `gateway mail queue` tells
	return &noticesReport{Channels: n.outbox.Status(), Waiting: len(n.outbox.Queue()), Dead: len(dead)}
}

// testOnStart sends the test that the file asks for, beside everything else.
func (g *gateway) testOnStart(ctx context.Context) error {
	if c := g.config(); c.Mail.Enabled() && c.Mail.TestOnStart && !g.inherited {
		sender := mail.NewSender(c.Mail)
		outcome := sender.Send(ctx, testMessage(c, c.Mail.To))
		for _, receipt := range outcome.Receipts {
			if receipt.Err == nil {
				g.log.Info("the mail server took the test mail", "to", receipt.Target)
				continue
			}
			g.log.Error("the test mail did not get through", "to", receipt.Target, "error", receipt.Err, "advice", mail.Explain(receipt.Err))
		}
	}
	<-ctx.Done()
	return nil
}
