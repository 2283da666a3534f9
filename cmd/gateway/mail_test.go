package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gomail "github.com/emersion/go-message/mail"
	"github.com/emersion/go-smtp"
)

// mailbox is a mail server that keeps what it gets.
type mailbox struct {
	addr string
	mu   sync.Mutex
	got  [][]byte
	more chan struct{}
}

func newMailbox(t testing.TB) *mailbox {
	t.Helper()
	m := &mailbox{more: make(chan struct{}, 1000)}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return mailboxSession{m}, nil }))
	server.Domain, server.ErrorLog = "mail.test", log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.addr = l.Addr().String()
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-done })
	return m
}

type mailboxSession struct{ *mailbox }

func (mailboxSession) Reset()                               {}
func (mailboxSession) Logout() error                        { return nil }
func (mailboxSession) Mail(string, *smtp.MailOptions) error { return nil }
func (mailboxSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	}
	return nil
}

func (m mailboxSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.got = append(m.got, raw)
	m.mu.Unlock()
	m.more <- struct{}{}
	return nil
}

// received is a mail as its reader's program sees it.
type received struct {
	subject, body, id, inReplyTo, auto string
	references                         []string
	date                               time.Time
	raw                                []byte
}

func (m *mailbox) mails(t testing.TB) []received {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []received
	for _, raw := range m.got {
		all = append(all, readMail(t, raw))
	}
	return all
}

func readMail(t testing.TB, raw []byte) received {
	t.Helper()
	reader, err := gomail.CreateReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("the mail cannot be read: %v\n%s", err, raw)
	}
	part, err := reader.NextPart()
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(part.Body)
	if err != nil {
		t.Fatal(err)
	}
	mail := received{body: strings.ReplaceAll(string(body), "\r\n", "\n"), raw: raw, auto: reader.Header.Get("Auto-Submitted")}
	mail.subject, _ = reader.Header.Subject()
	mail.id, _ = reader.Header.MessageID()
	mail.date, _ = reader.Header.Date()
	mail.references, _ = reader.Header.MsgIDList("References")
	if ids, _ := reader.Header.MsgIDList("In-Reply-To"); len(ids) == 1 {
		mail.inReplyTo = ids[0]
	}
	return mail
}

// wait returns once so many mails have come.
func (m *mailbox) wait(t testing.TB, n int) []received {
	t.Helper()
	timeout := time.After(patience)
	for {
		if got := m.mails(t); len(got) >= n {
			return got
		}
		select {
		case <-m.more:
		case <-timeout:
			t.Fatalf("%d mails came, want %d", len(m.mails(t)), n)
		}
	}
}

// mailTable is the table of the file for a server.
func mailTable(address string) string {
	host, port, _ := net.SplitHostPort(address)
	return fmt.Sprintf(`
[mail]
host = %q
port = %s
security = "none"
from = "gateway@example.com"
to = ["admin@example.com"]
hostname = "www1.example.com"
`, host, port)
}

// killOnce ends the backend as a crash would, and returns its process.
func (w *world) killOnce() int {
	w.t.Helper()
	pid := w.status().PID
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		w.t.Fatal(err)
	}
	return pid
}

func TestMail_ADeathMakesOneThreadOfTwoMails(t *testing.T) {
	box := newMailbox(t)
	w := newWorldWith(t, "100ms", mailTable(box.addr))
	w.do("backend", "restart")
	w.killOnce()
	mails := box.wait(t, 2)

	opened, recovered := mails[0], mails[1]
	if want := "www1.example.com: api is DOWN: killed by signal 9 (KILL), not by gateway"; opened.subject != want {
		t.Errorf("got %q, want %q", opened.subject, want)
	}
	for _, want := range []string{
		"api is down since\n" + time.Now().Format("2006-01-02"), "Why: killed by signal 9 (KILL), not by gateway",
		"Now: gateway is starting it again", "gateway started, version", "backend api was restarted by hand",
		"gateway backend logs api", "journalctl -k",
	} {
		if !strings.Contains(opened.body, want) {
			t.Errorf("%q is missing in\n%s", want, opened.body)
		}
	}
	if !strings.HasPrefix(recovered.subject, "www1.example.com: api is UP again after ") || !strings.Contains(recovered.body, "Deaths: 1, restarts: 1") {
		t.Errorf("got %q\n%s", recovered.subject, recovered.body)
	}
	if opened.id == "" || opened.inReplyTo != "" || recovered.inReplyTo != opened.id || !slices.Equal(recovered.references, []string{opened.id}) || recovered.id == opened.id {
		t.Errorf("no thread: %q; then %q in reply to %q, references %q", opened.id, recovered.id, recovered.inReplyTo, recovered.references)
	}
	if opened.auto != "auto-generated" || time.Since(opened.date) > time.Hour {
		t.Errorf("Auto-Submitted %q, Date %v", opened.auto, opened.date)
	}
	t.Logf("%s\n\n%s\n\n%s\n\n%s", opened.subject, opened.body, recovered.subject, recovered.body)
	if status := w.do("status"); !strings.Contains(status, "notices: 0 waiting") || !strings.Contains(status, "last taken at") {
		t.Errorf("status tells\n%s", status)
	}
	w.gateway.signal(syscall.SIGTERM)
	w.gateway.exitCode()
	if n := len(box.mails(t)); n != 2 {
		t.Errorf("%d mails, want 2", n)
	}
}
