package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"time"

	"github.com/emersion/go-smtp"
)

// fail makes a Failure of an error at one step. When the exchange's time was over
// or its caller gave up, the error is only an echo of that ("use of closed network
// connection"), so the reason takes its place.
func (x *exchange) fail(stage Stage, kind Kind, err error) *Failure {
	f := &Failure{Stage: stage, Server: x.cfg.server(), Kind: kind, Err: err, user: x.cfg.User, security: x.cfg.security()}
	if answer := smtpAnswer(err); answer != nil {
		f.Code, f.Enhanced, f.Text = answer.Code, [3]int(answer.EnhancedCode), x.log.redact(answer.Message)
		f.Err = &smtp.SMTPError{Code: f.Code, EnhancedCode: answer.EnhancedCode, Message: f.Text}
		return f
	}
	if stage != StagePrepare {
		if cause := x.over(err); cause != nil {
			f.Kind, f.Err = Temporary, cause
		}
	}
	return f
}

// over returns why the exchange had to end, or nil. The connection has the same
// deadline as the context and may notice it first.
func (x *exchange) over(err error) error {
	if cause := context.Cause(x.ctx); cause != nil {
		return cause
	}
	limit, _ := x.ctx.Deadline()
	if errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(limit) {
		return tookTooLong(x.cfg.Timeout)
	}
	return nil
}

// tookTooLong is the end of an exchange that lasted longer than this.
type tookTooLong time.Duration

// Error tells the limit.
func (d tookTooLong) Error() string {
	return fmt.Sprintf("it took longer than %v in all", time.Duration(d))
}

// Timeout returns true, as net.Error wants it.
func (d tookTooLong) Timeout() bool { return true }

// smtpAnswer returns the server's refusal, or nil if err is none.
func smtpAnswer(err error) *smtp.SMTPError {
	var answer *smtp.SMTPError
	if errors.As(err, &answer) {
		return answer
	}
	var plain *textproto.Error
	if errors.As(err, &plain) {
		return &smtp.SMTPError{Code: plain.Code, Message: plain.Msg}
	}
	return nil
}

// broken reports that the conversation cannot go on: there was no answer, or the
// server said that it is closing (421; RFC 5321, 3.8).
func broken(err error) bool {
	answer := smtpAnswer(err)
	return answer == nil || answer.Code == 421
}

// connectKind: a name that does not exist is somebody's mistake; a server that
// does not answer may come back.
func connectKind(err error) Kind {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return Setup
	}
	return Temporary
}

// tlsKind: a certificate or a protocol that does not fit stays so until an admin
// acts; a connection that breaks does not.
func tlsKind(err error) Kind {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	if errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &alert) || isX509(err) {
		return Setup
	}
	return Temporary
}

func isX509(err error) bool {
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &host) || errors.As(err, &authority) || errors.As(err, &invalid)
}

// exchangeKind is for the steps before the message: a server that refuses us for
// good, or that does not speak SMTP, needs an admin.
func exchangeKind(err error) Kind {
	var garbage textproto.ProtocolError
	if errors.As(err, &garbage) {
		return Setup
	}
	if answer := smtpAnswer(err); answer != nil && !answer.Temporary() {
		return Setup
	}
	return Temporary
}

// receiverKind tells an unknown mailbox, which stays unknown, from a policy that
// an admin can satisfy (RFC 3463's class 7; relaying without a login).
func receiverKind(err error) Kind {
	answer := smtpAnswer(err)
	switch {
	case answer == nil || answer.Temporary():
		return Temporary
	case answer.EnhancedCode[1] == 7, answer.Code == 530, answer.Code == 535:
		return Setup
	}
	return Permanent
}

// dataKind: what is refused now that everything else was accepted is this message.
func dataKind(err error) Kind {
	if answer := smtpAnswer(err); answer != nil && !answer.Temporary() {
		return Permanent
	}
	return Temporary
}
