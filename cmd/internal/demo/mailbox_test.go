package demo

import (
	"context"
	"fmt"
	"net"
	"net/smtp"
	"strings"
	"sync"
	"testing"
)

// mailboxPaper is what a mailbox prints on.
type mailboxPaper struct {
	mu   sync.Mutex
	text strings.Builder
}

func (p *mailboxPaper) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *mailboxPaper) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func TestMailbox_PrintsTheBeginningOfEachMail(t *testing.T) {
	paper := &mailboxPaper{}
	box, err := OpenMailbox(t.Context(), paper)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- box.Serve(ctx) }()
	address := fmt.Sprintf("127.0.0.1:%d", box.Port())
	for encoding, body := range map[string]string{
		"quoted-printable": "demo is=\r\n down=E2=80=A6\r\n" + strings.Repeat("line\r\n", 30),
		"base64":           "5oKo5aW9\r\n",
	} {
		text := "Subject: =?utf-8?q?demo_is_DOWN_=E5=AE=95?=\r\nContent-Transfer-Encoding: " + encoding + "\r\n\r\n" + body
		if err := smtp.SendMail(address, nil, "gateway@localhost", []string{"admin@localhost"}, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"mail to admin@localhost\n  | demo is DOWN 宕\n", "| demo is down…\n", "left out here: 11", "| 您好\n"} {
		if !strings.Contains(paper.String(), want) {
			t.Errorf("%q is missing in\n%s", want, paper)
		}
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("it listens after its end")
	}
}
