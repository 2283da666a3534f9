package mail

import (
	"context"
	"slices"
	"time"

	"github.com/emersion/go-smtp"
)

// quitTimeout bounds the good-bye: the message is delivered already, and some
// servers never answer.
const quitTimeout = time.Second

// Sender hands messages to one SMTP server. It keeps no connection and no state,
// so it may be used by several goroutines at once.
type Sender struct {
	cfg Config
}

// NewSender returns a sender for this configuration, which must have passed
// Validate. It opens nothing: the password and the authorities are read for each
// delivery, so that a corrected file is used at once.
func NewSender(cfg Config) *Sender { return &Sender{cfg: cfg} }

// Send hands m to the server for all its receivers.
func (s *Sender) Send(ctx context.Context, m Message) Outcome {
	if len(m.To) == 0 {
		m.To = s.cfg.To
	}
	return s.SendTo(ctx, m, m.To)
}

// SendTo hands m to the server for some of its receivers: the message shows m.To,
// so that a copy which is sent later to those who missed it stays the same message.
//
// The whole exchange ends with the configured timeout or with ctx. After a
// connection was cut in the last step nobody knows whether the server took the
// message; Outcome then has a temporary failure, and sending it again with the
// same Message-ID is right.
func (s *Sender) SendTo(ctx context.Context, m Message, receivers []string) Outcome {
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.Timeout, tookTooLong(s.cfg.Timeout))
	defer cancel()
	x := &exchange{cfg: s.cfg, ctx: ctx, log: &transcript{}}
	outcome := x.run(m, receivers)
	outcome.Transcript = x.log.all()
	return outcome
}

// exchange is one conversation with the server.
type exchange struct {
	cfg      Config
	ctx      context.Context // of this one conversation, which is one call
	log      *transcript
	wire     *wire
	client   *smtp.Client
	password Secret
	secure   bool
}

func (x *exchange) run(m Message, receivers []string) Outcome {
	content, envelope, err := x.prepare(m, receivers)
	if err != nil {
		return failed(receivers, err)
	}
	stop, err := x.connect()
	if err != nil {
		return failed(receivers, err)
	}
	defer stop()
	if err := x.login(); err != nil {
		return failed(receivers, err)
	}
	if able, _ := x.client.Extension("SMTPUTF8"); !able {
		if content, err = x.inASCII(m, content, receivers); err != nil {
			return failed(receivers, err)
		}
	}
	outcome := x.transfer(content, envelope, receivers)
	x.quit()
	return outcome
}

// prepare does what needs no server.
func (x *exchange) prepare(m Message, receivers []string) (content []byte, envelope []string, err error) {
	if x.password, err = x.cfg.secret().Read(); err != nil {
		return nil, nil, x.fail(StagePrepare, Setup, err)
	}
	x.log.hide(x.password.Reveal(), "\x00"+x.cfg.User+"\x00"+x.password.Reveal())
	if len(m.To) == 0 {
		m.To = receivers
	}
	if content, err = Compose(x.cfg.from(), m); err != nil {
		return nil, nil, x.fail(StagePrepare, Setup, err)
	}
	for _, receiver := range receivers {
		bare, err := bareAddress(receiver)
		if err != nil {
			return nil, nil, x.fail(StagePrepare, Setup, err)
		}
		envelope = append(envelope, bare)
	}
	return content, envelope, nil
}

// inASCII composes the message anew without the receivers that only SMTPUTF8 could
// write into its header (RFC 6532, 3.2); they cannot be reached over this server.
func (x *exchange) inASCII(m Message, content []byte, receivers []string) ([]byte, error) {
	if len(m.To) == 0 {
		m.To = receivers
	}
	reachable := slices.DeleteFunc(slices.Clone(m.To), func(to string) bool {
		bare, err := bareAddress(to)
		return err == nil && !isASCII(bare)
	})
	if len(reachable) == len(m.To) {
		return content, nil
	}
	m.To = reachable
	content, err := Compose(x.cfg.from(), m)
	if err != nil {
		return nil, x.fail(StagePrepare, Setup, err)
	}
	return content, nil
}

// login authenticates if a user is configured.
func (x *exchange) login() error {
	if x.cfg.User == "" || x.cfg.Auth == authNone {
		return nil
	}
	if ok, _ := x.client.Extension("AUTH"); !ok {
		return x.fail(StageLogin, Setup, errNoAuth)
	}
	safe := x.secure || isLoopback(x.cfg.Host) || x.cfg.InsecureAuth
	mechanism, err := chooseAuth(x.cfg.Auth, safe, x.client.SupportsAuth)
	if err != nil {
		return x.fail(StageLogin, Setup, err)
	}
	x.log.loggingIn(true)
	defer x.log.loggingIn(false)
	if err := x.client.Auth(saslClient(mechanism, x.cfg.User, x.password)); err != nil {
		return x.fail(StageLogin, exchangeKind(err), err)
	}
	return nil
}

// transfer names the sender and the receivers and sends the message to those who
// were accepted: one refused receiver must not keep it from the others.
func (x *exchange) transfer(content []byte, envelope, receivers []string) Outcome {
	if err := x.mailFrom(content, envelope); err != nil {
		return x.senderRefused(receivers, err)
	}
	outcome := Outcome{}
	accepted := 0
	for i, receiver := range receivers {
		err := x.rcptTo(envelope[i])
		if err != nil && broken(err) {
			return failed(receivers, err)
		}
		if err == nil {
			accepted++
		}
		outcome.Receipts = append(outcome.Receipts, Receipt{receiver, err})
	}
	if accepted == 0 {
		return outcome
	}
	return x.data(content, outcome)
}

// mailFrom names the sender, and asks for SMTPUTF8 (RFC 6531) if an address needs
// it and the server can do it.
func (x *exchange) mailFrom(content []byte, envelope []string) error {
	from, err := bareAddress(x.cfg.from())
	if err != nil {
		return err
	}
	able, _ := x.client.Extension("SMTPUTF8")
	needed := !isASCII(from) || slices.ContainsFunc(envelope, func(a string) bool { return !isASCII(a) })
	return x.client.Mail(from, &smtp.MailOptions{Size: int64(len(content)), UTF8: needed && able})
}

// senderRefused is the outcome when MAIL FROM failed. A message that is too big
// (552; RFC 1870) says nothing about the next one.
func (x *exchange) senderRefused(receivers []string, err error) Outcome {
	f := x.fail(StageSender, exchangeKind(err), err)
	outcome := failed(receivers, f)
	if f.Code == 552 {
		f.Kind, outcome.Err = Permanent, nil
	}
	return outcome
}

// rcptTo names a receiver, unless the server could not tell who it is.
func (x *exchange) rcptTo(receiver string) error {
	if able, _ := x.client.Extension("SMTPUTF8"); !able && !isASCII(receiver) {
		return x.fail(StageReceiver, Permanent, &smtp.SMTPError{
			Code: 553, EnhancedCode: smtp.EnhancedCode{5, 6, 7}, // RFC 6531, 3.5
			Message: "the server cannot carry an address with letters outside ASCII (SMTPUTF8)",
		})
	}
	if err := x.client.Rcpt(receiver, nil); err != nil {
		return x.fail(StageReceiver, receiverKind(err), err)
	}
	return nil
}

// data sends the message itself. A refusal counts for all accepted receivers.
func (x *exchange) data(content []byte, outcome Outcome) Outcome {
	err := x.sendData(content)
	if err == nil {
		return outcome
	}
	err = x.fail(StageData, dataKind(err), err)
	for i := range outcome.Receipts {
		if outcome.Receipts[i].Err == nil {
			outcome.Receipts[i].Err = err
		}
	}
	if broken(err) {
		outcome.Err = err
	}
	return outcome
}

func (x *exchange) sendData(content []byte) error {
	w, err := x.client.Data()
	if err != nil {
		return err
	}
	x.log.sendingBody(true)
	defer x.log.sendingBody(false)
	if _, err = w.Write(content); err != nil {
		return err
	}
	_, err = w.CloseWithResponse()
	return err
}

func (x *exchange) quit() {
	x.wire.limit = earlier(x.wire.limit, time.Now().Add(quitTimeout))
	_ = x.client.Quit()
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
