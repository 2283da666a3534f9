package mail

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind says what a failure means for the next try.
type Kind int

const (
	Temporary Kind = iota // the same message may go through later
	Setup                 // it may go through once an admin has changed something
	Permanent             // this message will never go through
)

// String returns "temporary", "setup" or "permanent".
func (k Kind) String() string {
	switch k {
	case Temporary:
		return "temporary"
	case Setup:
		return "setup"
	}
	return "permanent"
}

// Stage is the step of a delivery that failed.
type Stage string

// The steps of a delivery in their order.
const (
	StagePrepare  Stage = "prepare"  // reading secrets, composing
	StageConnect  Stage = "connect"  // looking up the name, opening the connection
	StageTLS      Stage = "TLS"      // the handshake
	StageGreeting Stage = "greeting" // the server's first line
	StageHello    Stage = "EHLO"
	StageStartTLS Stage = "STARTTLS"
	StageLogin    Stage = "login"
	StageSender   Stage = "sender"   // MAIL FROM
	StageReceiver Stage = "receiver" // RCPT TO
	StageData     Stage = "message"  // DATA and what follows
	StageWebhook  Stage = "webhook"  // the answer to a webhook's request
)

// Failure is why a delivery did not go through. Explain says what to do about it.
type Failure struct {
	Stage    Stage
	Server   string // host:port
	Kind     Kind
	Code     int    // SMTP reply code (RFC 5321), HTTP status or a chat's own code; 0: there was no answer
	Enhanced [3]int // RFC 3463; zero: the server gave none
	Text     string // what the server answered, secrets taken out
	Err      error  // cause

	user     string // the login, for advice
	security string
}

// Error tells the step, the server and its answer in one line.
func (f *Failure) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: ", f.Server, f.Stage)
	if f.Text == "" && f.Err != nil {
		b.WriteString(f.Err.Error())
		return b.String()
	}
	if f.Code != 0 {
		fmt.Fprintf(&b, "%d ", f.Code)
	}
	if f.Enhanced != ([3]int{}) {
		fmt.Fprintf(&b, "%d.%d.%d ", f.Enhanced[0], f.Enhanced[1], f.Enhanced[2])
	}
	b.WriteString(oneLine(f.Text))
	return b.String()
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// oneLine joins the lines of a server's answer and bounds them.
func oneLine(s string) string { return cutRunes(cleanSubject(s), maxSubject) }

// KindOf returns what err means for the next try. An error that is no Failure
// is temporary: trying again can do no harm.
func KindOf(err error) Kind {
	var f *Failure
	if errors.As(err, &f) {
		return f.Kind
	}
	return Temporary
}

// Receipt is what became of a message for one receiver.
type Receipt struct {
	Target string // a receiver's address; "" for a webhook
	Err    error  // nil: the server has taken the message for this receiver
}

// Outcome is what became of one delivery.
type Outcome struct {
	Receipts   []Receipt     // one for each receiver asked for, in that order
	Err        error         // why the exchange as a whole failed, so that it says nothing about this message; else nil
	RetryAfter time.Duration // how long the server wants to be left alone; 0: it did not say
	Transcript []string      // the conversation, secrets hidden
}

// failed is the outcome of an exchange that went wrong for all receivers alike.
func failed(targets []string, err error) Outcome {
	o := Outcome{Err: err}
	for _, target := range targets {
		o.Receipts = append(o.Receipts, Receipt{target, err})
	}
	return o
}

// Failed joins the errors of all receivers that did not get the message; nil
// means that all have it.
func (o Outcome) Failed() error {
	if o.Err != nil {
		return o.Err
	}
	var errs []error
	for _, r := range o.Receipts {
		if r.Err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.Target, r.Err))
		}
	}
	return errors.Join(errs...)
}

// lasting reports whether some receiver will not get the message by waiting.
func (o Outcome) lasting() bool {
	return slices.ContainsFunc(o.Receipts, func(r Receipt) bool { return r.Err != nil && KindOf(r.Err) != Temporary })
}
