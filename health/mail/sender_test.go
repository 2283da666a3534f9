package mail

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

var senderMessage = Message{Subject: "www api is DOWN", Body: "It exited.\n.\nA lone full stop above.", MessageID: "1@www.example.com"}

func TestSender_DeliversOverEachKindOfConnectionAndLogin(t *testing.T) {
	for _, test := range []struct {
		name, security, auth string
		mechanisms           []string
	}{
		{"tls with PLAIN", SecurityTLS, "", []string{"PLAIN", "LOGIN"}},
		{"tls with LOGIN only", SecurityTLS, "", []string{"LOGIN"}},
		{"tls with CRAM-MD5 only", SecurityTLS, "", []string{"CRAM-MD5"}},
		{"starttls with LOGIN asked for", SecurityStartTLS, "login", []string{"PLAIN", "LOGIN"}},
		{"starttls without a login", SecurityStartTLS, "none", nil},
		{"clear on loopback with PLAIN", SecurityNone, "", []string{"PLAIN"}},
		{"clear with CRAM-MD5", SecurityNone, "cram-md5", []string{"PLAIN", "CRAM-MD5"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			settings, caFile := smtpdCertificate(t, "127.0.0.1", time.Now().Add(time.Hour))
			server := (&smtpd{security: test.security, mechanisms: test.mechanisms, tls: settings}).start(t)
			cfg := smtpdLogsIn(t, smtpdConfig(t, server.addr, test.security))
			cfg.CAFile, cfg.Auth = caFile, test.auth

			outcome := NewSender(cfg).Send(t.Context(), senderMessage)
			if err := outcome.Failed(); err != nil {
				t.Fatalf("not delivered: %v\n%s", err, strings.Join(outcome.Transcript, "\n"))
			}
			mails := server.mails()
			if len(mails) != 1 || mails[0].from != smtpdUser || mails[0].to[0] != "admin@example.com" {
				t.Fatalf("the server has %+v", mails)
			}
			if _, body := smtpdRead(t, mails[0].raw); body != senderMessage.Body+"\n" {
				t.Errorf("the body is %q", body)
			}
			senderShowsNoSecret(t, outcome)
		})
	}
}

// senderShowsNoSecret fails the test if an outcome gives the password away.
func senderShowsNoSecret(t *testing.T, o Outcome) {
	t.Helper()
	text := strings.Join(o.Transcript, "\n")
	if err := o.Failed(); err != nil {
		text += "\n" + err.Error() + "\n" + strings.Join(Explain(err), "\n")
	}
	var hide transcript
	hide.hide(smtpdPassword, "\x00"+smtpdUser+"\x00"+smtpdPassword)
	for _, secret := range hide.secrets {
		if strings.Contains(text, secret) {
			t.Errorf("a secret is shown in:\n%s", text)
		}
	}
}

func TestSender_TranscriptShowsTheConversationWithoutSecretsAndText(t *testing.T) {
	server := (&smtpd{security: SecurityNone, mechanisms: []string{"LOGIN"}}).start(t)
	outcome := NewSender(smtpdLogsIn(t, smtpdConfig(t, server.addr, SecurityNone))).Send(t.Context(), senderMessage)
	text := strings.Join(outcome.Transcript, "\n")
	for _, want := range []string{"< 220 mail.test", "> EHLO www.example.com", "> AUTH LOGIN\n", "> [hidden]\n", "> MAIL FROM:<gateway@example.com>", "> RCPT TO:<admin@example.com>", "> (the message, ", "< 250 2.0.0 OK", "> QUIT"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "exited") {
		t.Errorf("the message's text is in the transcript:\n%s", text)
	}
	senderShowsNoSecret(t, outcome)
}

func TestSender_GivesEachReceiverItsOwnOutcome(t *testing.T) {
	server := (&smtpd{rcpt: func(to string) error {
		switch to {
		case "gone@example.com":
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		case "grey@example.com":
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "Greylisted, come back later"}
		}
		return nil
	}}).start(t)
	cfg := smtpdConfig(t, server.addr, SecurityNone)
	cfg.To = []string{"gone@example.com", "admin@example.com", "grey@example.com"}
	outcome := NewSender(cfg).Send(t.Context(), senderMessage)

	if outcome.Err != nil || len(outcome.Receipts) != 3 {
		t.Fatalf("outcome %+v", outcome)
	}
	if got := KindOf(outcome.Receipts[0].Err); got != Permanent {
		t.Errorf("an unknown mailbox is %v", got)
	}
	if outcome.Receipts[1].Err != nil {
		t.Errorf("the good receiver has %v", outcome.Receipts[1].Err)
	}
	if got := KindOf(outcome.Receipts[2].Err); got != Temporary {
		t.Errorf("a greylisting is %v", got)
	}
	if mails := server.mails(); len(mails) != 1 || len(mails[0].to) != 1 {
		t.Errorf("the server has %+v", mails)
	}
}

func TestSender_SendsToReceiversInOtherScripts(t *testing.T) {
	for _, able := range []bool{true, false} {
		server := (&smtpd{utf8: able}).start(t)
		cfg := smtpdConfig(t, server.addr, SecurityNone)
		cfg.To = []string{"管理员@example.com", "admin@例子.测试"}
		outcome := NewSender(cfg).Send(t.Context(), senderMessage)
		if err := outcome.Receipts[1].Err; err != nil {
			t.Errorf("SMTPUTF8 %v: a domain in another script: %v", able, err)
		}
		if err := outcome.Receipts[0].Err; (err == nil) != able {
			t.Errorf("SMTPUTF8 %v: a local part in another script: %v", able, err)
		} else if !able && !strings.Contains(Explain(err)[0], "plain letters") {
			t.Errorf("advice %q", Explain(err))
		}
		if !able {
			messageFitsTheWire(t, server.mails()[0].raw)
		}
		if to := server.mails()[0].to; to[len(to)-1] != "admin@xn--fsqu00a.xn--0zwm56d" {
			t.Errorf("the domain was sent as %q", to)
		}
	}
}

// senderFault is one way to fail, with what the admin sees of it.
type senderFault struct {
	name   string
	setup  func(*testing.T) Config
	kind   Kind
	stage  Stage
	says   string // in the error
	advice string // in the advice
}

// The set-ups of the faults: a server, and a configuration for it.

func senderClear(s *smtpd, change ...func(*testing.T, *Config)) func(*testing.T) Config {
	return senderAt(func(t *testing.T) string { return s.start(t).addr }, change...)
}

func senderScript(says ...string) func(*testing.T) string {
	return func(t *testing.T) string { return smtpdScript(t, says...) }
}

func senderAt(address func(*testing.T) string, change ...func(*testing.T, *Config)) func(*testing.T) Config {
	return func(t *testing.T) Config {
		cfg := smtpdConfig(t, address(t), SecurityNone)
		for _, change := range change {
			change(t, &cfg)
		}
		return cfg
	}
}

// senderSecured has a server whose certificate is for a host and some time.
func senderSecured(security, host string, until time.Duration, trusted bool) func(*testing.T) Config {
	return func(t *testing.T) Config {
		settings, caFile := smtpdCertificate(t, host, time.Now().Add(until))
		cfg := smtpdConfig(t, (&smtpd{security: security, tls: settings}).start(t).addr, security)
		if trusted {
			cfg.CAFile = caFile
		}
		return cfg
	}
}

func senderWith(change func(*Config)) func(*testing.T, *Config) {
	return func(_ *testing.T, c *Config) { change(c) }
}

func senderSays(code int, enhanced smtp.EnhancedCode, text string) func(string) error {
	return func(string) error { return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text} }
}

func senderFaults() []senderFault {
	quick := senderWith(func(c *Config) { c.Timeout = 300 * time.Millisecond })
	late := senderWith(func(c *Config) { c.Timeout = 2 * time.Second }) // for what must come that far, also on a busy machine
	security := func(s string) func(*testing.T, *Config) { return senderWith(func(c *Config) { c.Security = s }) }
	login := func(t *testing.T, c *Config) { *c = smtpdLogsIn(t, *c) }
	wrong := func(t *testing.T, c *Config) {
		c.User, c.PasswordFile = smtpdUser, smtpdSecretFile(t, "wrong-password")
	}
	mechanism := senderWith(func(c *Config) { c.Auth = "cram-md5" })
	noName := senderWith(func(c *Config) { c.Host = "mail.invalid" })
	noFile := senderWith(func(c *Config) { c.User, c.PasswordFile = smtpdUser, "no/such/file" })
	spam := func(int, []byte) error { return &smtp.SMTPError{Code: 554, Message: "DT:SPM"} }
	endless := "220-" + strings.Repeat("x", 1900) + strings.Repeat("\r\n220-"+strings.Repeat("x", 1900), 600)
	return []senderFault{
		{"refused", senderAt(senderClosedPort), Temporary, StageConnect, "connection refused", "Nothing listens on"},
		{"no such name", senderAt(senderClosedPort, noName), -1, StageConnect, "mail.invalid", "has no address"},
		{"silent server", senderAt(senderScript(""), quick), Temporary, StageGreeting, "longer than 300ms", "stayed silent"},
		{"silent server with starttls", senderAt(senderScript(""), quick, security(SecurityStartTLS)), Temporary, StageGreeting, "longer than 300ms", `security = "tls"`},
		{"silent after EHLO", senderAt(senderScript("220 hi\r\n", ""), late), Temporary, StageHello, "longer than 2s", "tries again"},
		{"silent TLS server", senderAt(senderScript(""), quick, security(SecurityTLS)), Temporary, StageTLS, "longer than 300ms", "tries again"},
		{"silent at the end", senderAt(senderScript("220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"), late), Temporary, StageData, "longer than 2s", "tries again"},
		{"refused by the greeting", senderAt(senderScript("554 5.7.1 your address is blocked\r\n")), Setup, StageGreeting, "554 5.7.1 your address is blocked", "blocklist"},
		{"tls on a clear port", senderClear(&smtpd{}, security(SecurityTLS)), Setup, StageTLS, "does not look like a TLS handshake", `security = "starttls"`},
		{"web server", senderAt(senderScript("HTTP/1.1 400 Bad Request\r\n")), Setup, StageGreeting, "", "not a mail server"},
		{"no STARTTLS offered", senderClear(&smtpd{}, security(SecurityStartTLS)), Setup, StageStartTLS, "never goes on in clear", "port = 465"},
		{"wrong name", senderSecured(SecurityTLS, "mail.other.example", time.Hour, true), Setup, StageTLS, "127.0.0.1", "certificate for mail.other.example, not for 127.0.0.1"},
		{"wrong name with starttls", senderSecured(SecurityStartTLS, "mail.other.example", time.Hour, true), Setup, StageTLS, "127.0.0.1", "certificate for mail.other.example"},
		{"expired", senderSecured(SecurityTLS, "127.0.0.1", -time.Hour, true), Setup, StageTLS, "expired", "out of date"},
		{"unknown authority", senderSecured(SecurityTLS, "127.0.0.1", time.Hour, false), Setup, StageTLS, "unknown authority", "ca_file"},
		{"no login offered", senderClear(&smtpd{}, login), Setup, StageLogin, "offers no login", "leave out `user`"},
		{"login not offered", senderClear(&smtpd{mechanisms: []string{"LOGIN"}}, login, mechanism), Setup, StageLogin, "none of CRAM-MD5", "Leave out `auth`"},
		{"OAuth only", senderClear(&smtpd{mechanisms: []string{"XOAUTH2"}}, login), Setup, StageLogin, "none of PLAIN", "app password"},
		{"wrong password", senderClear(&smtpd{mechanisms: []string{"PLAIN"}}, wrong), Setup, StageLogin, "535 5.7.8 Login Fail", "app password"},
		{"login needed", senderClear(&smtpd{mail: senderSays(530, smtp.EnhancedCode{5, 7, 0}, "Authentication required")}), Setup, StageSender, "530", "only after a login"},
		{"sender refused", senderClear(&smtpd{mail: senderSays(501, smtp.EnhancedCode{}, "mail from address must be same as authorization user")}), Setup, StageSender, "501", "`from` to be the address that logs in"},
		{"too big", senderClear(&smtpd{mail: senderSays(552, smtp.EnhancedCode{5, 3, 4}, "too big")}), Permanent, StageSender, "552", "too big"},
		{"relay denied", senderClear(&smtpd{rcpt: senderSays(554, smtp.EnhancedCode{5, 7, 1}, "Relay access denied")}), Setup, StageReceiver, "Relay access denied", "only after a login"},
		{"greylisted", senderClear(&smtpd{rcpt: senderSays(450, smtp.EnhancedCode{4, 7, 1}, "Try again")}), Temporary, StageReceiver, "450", "greylisting"},
		{"unknown receiver", senderClear(&smtpd{rcpt: senderSays(550, smtp.EnhancedCode{5, 1, 1}, "User unknown")}), Permanent, StageReceiver, "User unknown", "keeps the mail from nobody else"},
		{"taken for spam", senderClear(&smtpd{data: spam}), Permanent, StageData, "DT:SPM", "spam"},
		{"busy", senderClear(&smtpd{mail: senderSays(421, smtp.EnhancedCode{4, 3, 2}, "too many connections")}), Temporary, StageSender, "421", "tries again"},
		{"cut in DATA", senderClear(&smtpd{dropInData: true}), Temporary, StageData, "", "same Message-ID"},
		{"endless answer", senderAt(senderScript(endless)), Temporary, StageGreeting, "without end", "not a mail server"},
		{"no password file", senderClear(&smtpd{}, noFile), Setup, StagePrepare, "no/such/file", "Correct"},
	}
}

// senderClosedPort returns an address where nothing listens.
func senderClosedPort(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestSender_TellsEachWayToFailAndWhatToDo(t *testing.T) {
	for _, fault := range senderFaults() {
		t.Run(fault.name, func(t *testing.T) {
			cfg := fault.setup(t)
			begin := time.Now()
			outcome := NewSender(cfg).Send(t.Context(), senderMessage)
			err := outcome.Failed()
			var f *Failure
			if !errors.As(err, &f) {
				t.Fatalf("the error is %v", err)
			}
			if f.Stage != fault.stage || fault.kind >= 0 && f.Kind != fault.kind {
				t.Errorf("failed as %v at %q, want %v at %q: %v", f.Kind, f.Stage, fault.kind, fault.stage, err)
			}
			if !strings.Contains(err.Error(), fault.says) {
				t.Errorf("the error says %q, want %q in it", err, fault.says)
			}
			if advice := strings.Join(Explain(err), "\n"); !strings.Contains(advice, fault.advice) || advice == "" {
				t.Errorf("for %q the advice is %q, want %q in it", err, advice, fault.advice)
			}
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			senderShowsNoSecret(t, outcome)
		})
	}
}

func TestSender_StopsAtOnceWhenItsCallerGivesUp(t *testing.T) {
	cfg := smtpdConfig(t, smtpdScript(t, "220 hi\r\n", ""), SecurityNone)
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gateway is stopping")
	time.AfterFunc(50*time.Millisecond, func() { cancel(gone) })
	begin := time.Now()
	outcome := NewSender(cfg).Send(ctx, senderMessage)
	if !errors.Is(outcome.Failed(), gone) || time.Since(begin) > 20*time.Second {
		t.Errorf("after %v: %v", time.Since(begin), outcome.Failed())
	}
}

func TestSender_DoesNotWaitForAServerThatNeverSaysGoodBye(t *testing.T) {
	addr := smtpdDialog(t)
	begin := time.Now()
	outcome := NewSender(smtpdConfig(t, addr, SecurityNone)).Send(t.Context(), senderMessage)
	if err := outcome.Failed(); err != nil {
		t.Fatalf("the message was taken, but the outcome is %v", err)
	}
	if took := time.Since(begin); took > 20*quitTimeout {
		t.Errorf("the good-bye took %v", took)
	}
}

func TestSender_UnderstandsKeywordsInLowerCaseAndTheOldFormOfAUTH(t *testing.T) {
	addr := smtpdScript(t, "220 hi\r\n", "250-mail.test\r\n250-size 1000\r\n250 auth=login\r\n", "334 VXNlcjo=\r\n", "334 UGFzczo=\r\n", "535 no\r\n", "501 aborted\r\n")
	outcome := NewSender(smtpdLogsIn(t, smtpdConfig(t, addr, SecurityNone))).Send(t.Context(), senderMessage)
	var f *Failure
	if !errors.As(outcome.Failed(), &f) || f.Stage != StageLogin || f.Code != 535 {
		t.Errorf("the login was not tried: %v\n%s", outcome.Failed(), strings.Join(outcome.Transcript, "\n"))
	}
}

func TestSender_RefusesToSendAPasswordInClearToAnotherHost(t *testing.T) {
	for _, offered := range []string{"PLAIN", "LOGIN"} {
		_, err := chooseAuth("", false, func(m string) bool { return m == offered })
		if !errors.Is(err, errClearPassword) {
			t.Errorf("%s offered: %v", offered, err)
		}
	}
	if m, err := chooseAuth("", false, func(m string) bool { return true }); m != authCRAMMD5 || err != nil {
		t.Errorf("with everything offered it takes %q, %v", m, err)
	}
}

func TestExplain_NamesTheBlockOfPort25(t *testing.T) {
	f := &Failure{Stage: StageConnect, Server: "smtp.example.com:25", Err: &net.OpError{Op: "dial", Err: syscall.ETIMEDOUT}}
	advice := strings.Join(Explain(f), "\n")
	for _, want := range []string{"25 is blocked", "Tencent Cloud", "465", "587", "lift the block"} {
		if !strings.Contains(advice, want) {
			t.Errorf("%q is missing in %q", want, advice)
		}
	}
}

func TestExplain_KnowsTheProvidersThatWantAnotherPassword(t *testing.T) {
	for host, want := range map[string]string{
		"smtp.qq.com": "授权码", "smtp.exmail.qq.com": "客户端专用密码", "smtp.163.com": "授权码",
		"smtp.gmail.com": "app password", "mail.example.com": "app password",
	} {
		f := &Failure{Stage: StageLogin, Server: host + ":465", Code: 535, Kind: Setup, user: "me@" + host}
		if advice := strings.Join(Explain(f), "\n"); !strings.Contains(advice, want) {
			t.Errorf("%s: %q", host, advice)
		}
	}
}
