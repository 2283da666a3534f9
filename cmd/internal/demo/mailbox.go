package demo

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// Bounds of what the mailbox takes, from this machine only.
const (
	mailboxLargest = 1 << 20 // bytes of a mail
	mailboxShown   = 20      // lines of a mail that are printed
)

// Mailbox is a mail server of the demo: whatever it gets, it prints.
type Mailbox struct {
	listener net.Listener
	out      io.Writer
}

// OpenMailbox listens on a free port of loopback; mails are printed to out. Serve
// has to be called then, which also closes it.
func OpenMailbox(ctx context.Context, out io.Writer) (*Mailbox, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the demo's mailbox: %w", err)
	}
	return &Mailbox{listener: listener, out: out}, nil
}

// Port is where it listens.
func (m *Mailbox) Port() int { return m.listener.Addr().(*net.TCPAddr).Port }

// Serve takes mails until ctx ends.
func (m *Mailbox) Serve(ctx context.Context) error {
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &mailboxSession{out: m.out}, nil
	}))
	server.Domain, server.MaxMessageBytes, server.MaxRecipients = "localhost", mailboxLargest, 100
	server.ReadTimeout, server.WriteTimeout = time.Minute, time.Minute
	server.ErrorLog = log.New(io.Discard, "", 0)
	served := make(chan error, 1)
	go func() { served <- server.Serve(m.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("the demo's mailbox: %w", err)
	case <-ctx.Done():
	}
	err := server.Close()
	if ended := <-served; !errors.Is(ended, smtp.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// mailboxSession is one connection.
type mailboxSession struct {
	out io.Writer
	to  []string
}

func (s *mailboxSession) Reset()        { s.to = nil }
func (s *mailboxSession) Logout() error { return nil }

func (s *mailboxSession) Mail(string, *smtp.MailOptions) error { return nil }

func (s *mailboxSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Data prints the mail in one write, so that log lines don't come between.
func (s *mailboxSession) Data(r io.Reader) error {
	subject, lines, err := readMail(r)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "\n  +-- mail to %s\n  | %s\n  |\n", strings.Join(s.to, ", "), subject)
	for i, line := range lines {
		if i == mailboxShown {
			fmt.Fprintf(&b, "  | ... lines left out here: %d\n", len(lines)-i)
			break
		}
		fmt.Fprintf(&b, "  | %s\n", line)
	}
	fmt.Fprintf(&b, "  +--\n\n")
	_, err = s.out.Write(b.Bytes())
	return err
}

// readMail decodes what gateway composes: one part of plain text in UTF-8.
func readMail(r io.Reader) (subject string, lines []string, err error) {
	message, err := mail.ReadMessage(r)
	if err != nil {
		return "", nil, err
	}
	subject, err = new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject"))
	if err != nil {
		return "", nil, err
	}
	body := message.Body
	switch strings.ToLower(message.Header.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return "", nil, err
	}
	plain := strings.TrimRight(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	return subject, strings.Split(plain, "\n"), nil
}
