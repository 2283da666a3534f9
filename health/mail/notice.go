package mail

import (
	"context"
	"strings"
)

// Notice is one thing that admins must hear of. It goes over every channel: as a
// mail, and as a message in a chat.
type Notice struct {
	Message
	Incident string   // notices of one incident share it, and when room is short the oldest of the same incident go
	Kind     string   // what it tells, in one word for programs: "opened", "reminder", "recovered", ...
	Only     []string // names of the channels to use; left out: all
}

// Channel is a way to reach admins.
type Channel interface {
	// Name tells the channels apart, also across restarts.
	Name() string
	// Targets lists who is to get n; each has an outcome of its own.
	Targets(n Notice) []string
	// Deliver hands n to these targets. It returns within a bounded time, and
	// soon after ctx ended.
	Deliver(ctx context.Context, n Notice, targets []string) Outcome
	// Fallback reports that the channel is used only when another one fails.
	Fallback() bool
}

// MailChannel is the name of the channel that sends mail.
const MailChannel = "mail"

var (
	_ Channel = (*Sender)(nil)
	_ Channel = (*Webhook)(nil)
)

// Name returns "mail".
func (s *Sender) Name() string { return MailChannel }

// Targets returns the receivers of n, or those of the configuration.
func (s *Sender) Targets(n Notice) []string {
	if len(n.To) > 0 {
		return n.To
	}
	return s.cfg.To
}

// Deliver sends n to these receivers.
func (s *Sender) Deliver(ctx context.Context, n Notice, targets []string) Outcome {
	n.To = s.Targets(n)
	return s.SendTo(ctx, n.Message, targets)
}

// Fallback returns false: mail is always sent.
func (s *Sender) Fallback() bool { return false }

// cleaned returns n as it is kept: its texts bounded and made of clean lines.
func (n Notice) cleaned() Notice {
	n.Subject = cleanSubject(n.Subject)
	n.Body = cleanBody(n.Body)
	n.Incident = cleanSubject(n.Incident)
	n.Kind = cleanSubject(n.Kind)
	n.References = cleanIDs(n.References)
	n.InReplyTo = strings.Join(cleanIDs([]string{n.InReplyTo}), "")
	n.MessageID = strings.Join(cleanIDs([]string{n.MessageID}), "")
	return n
}
