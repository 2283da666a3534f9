package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"gateway/certs"
	"gateway/cmd/internal/config"
	"gateway/health"
	"gateway/health/mail"
)

// notices is how admins hear: what decides and words (the notifier), and what
// delivers (the outbox).
type notices struct {
	outbox   *mail.Outbox
	notifier *health.Notifier
	changes  *health.Changes
	enabled  bool // some channel is configured
}

// noticeDeps are what notices are about.
type noticeDeps struct {
	ledger       *health.Ledger
	certificates func() []certs.Status
	look         func(backend string) (health.Status, []byte)
	log          *slog.Logger
}

func newNotices(c *config.Config, deps noticeDeps) *notices {
	channels := channelsOf(c)
	n := &notices{changes: &health.Changes{}, enabled: len(channels) > 0}
	n.outbox = mail.NewOutbox(mail.Options{
		Dir: outboxFolder(c), MaxQueue: c.Mail.MaxQueue, RetryFor: c.Mail.RetryFor, Lang: c.Mail.Lang, Log: deps.log,
		Failing: func(channel string, since time.Time, err error) { n.notifier.ChannelFailing(channel, since, err) },
		Working: func(channel string, _ time.Duration) { n.notifier.ChannelWorking(channel) },
		Buried: func(item mail.Item) {
			deps.log.Error("a notice did not reach everybody: see `gateway mail queue`", "id", item.ID, "subject", item.Subject)
			n.notifier.Undelivered(item)
		},
	}, channels...)
	n.notifier = health.NewNotifier(health.NotifierOptions{
		Path: filepath.Join(c.State, "notices.json"), Host: hostName(c), Lang: c.Mail.Lang, Channels: namesOf(channels),
		Put: n.outbox.Put, Ledger: deps.ledger, Changes: n.changes, Look: deps.look, Log: deps.log,
		Folders:      foldersOf(c),
		Certificates: func() []health.Certificate { return noticedCertificates(deps.certificates()) },
	})
	return n
}

// tell takes an event of a backend. Without a channel nobody would hear it.
func (n *notices) tell(e health.Event) {
	if n.enabled {
		n.notifier.Tell(e)
	}
}

// runOutbox delivers until ctx ends.
func (n *notices) runOutbox(ctx context.Context) error { return n.unlessDisabled(ctx, n.outbox.Run) }

// runNotifier decides what is told until ctx ends.
func (n *notices) runNotifier(ctx context.Context) error {
	return n.unlessDisabled(ctx, n.notifier.Run)
}

func (n *notices) unlessDisabled(ctx context.Context, run func(context.Context) error) error {
	if !n.enabled {
		<-ctx.Done()
		return nil
	}
	return run(ctx)
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
func noticedCertificates(all []certs.Status) []health.Certificate {
	noticed := make([]health.Certificate, 0, len(all))
	for _, s := range all {
		c := health.Certificate{
			Site: s.Site, Names: s.Names, Origin: s.Origin, SHA256: s.SHA256, NotAfter: s.NotAfter, Renew: s.Renew, Since: s.Since,
		}
		if s.Renew.IsZero() && len(s.Files) > 0 {
			c.File = s.Files[0]
		}
		for _, problem := range s.Refused {
			c.Refused = append(c.Refused, problem.Error())
		}
		noticed = append(noticed, c)
	}
	return noticed
}

// noticesReport is what status tells of the ways to admins.
type noticesReport struct {
	Channels []mail.ChannelStatus `json:"channels"`
	Waiting  int                  `json:"waiting"` // notices
	Dead     int                  `json:"dead"`    // notices that were given up
}

func (n *notices) report() *noticesReport {
	if !n.enabled {
		return nil
	}
	dead, _ := n.outbox.Dead() // what cannot be read, `gateway mail queue` tells
	return &noticesReport{Channels: n.outbox.Status(), Waiting: len(n.outbox.Queue()), Dead: len(dead)}
}

// testOnStart sends the test that the file asks for, beside everything else.
func (g *generation) testOnStart(ctx context.Context) error {
	if g.config.Mail.Enabled() && g.config.Mail.TestOnStart {
		sender := mail.NewSender(g.config.Mail)
		outcome := sender.Send(ctx, testMessage(g.config, g.config.Mail.To))
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
