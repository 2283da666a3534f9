package mail

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gomail "github.com/emersion/go-message/mail"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const (
	smtpdUser     = "gateway@example.com"
	smtpdPassword = "s3cret-Passwort-授权码"
)

// smtpd is go-smtp's server with the faults that a test asks for.
type smtpd struct {
	security   string   // how clients must connect
	mechanisms []string // nil: no login is offered
	utf8       bool
	tls        *tls.Config
	mail       func(from string) error
	rcpt       func(to string) error
	data       func(attempt int, content []byte) error
	dropInData bool // cut the connection in the middle of DATA

	addr string
	mu   sync.Mutex
	got  []smtpdMail
	try  int
}

type smtpdMail struct {
	from string
	to   []string
	raw  []byte
}

// start listens on a free port of loopback until the test ends.
func (s *smtpd) start(t *testing.T) *smtpd {
	t.Helper()
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		session := &smtpdSession{smtpd: s, conn: c}
		if s.mechanisms == nil {
			return session, nil
		}
		return &smtpdAuthSession{session}, nil
	}))
	server.Domain, server.AllowInsecureAuth, server.EnableSMTPUTF8 = "mail.test", true, s.utf8
	server.ErrorLog = log.New(io.Discard, "", 0)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	switch s.security {
	case SecurityTLS:
		listener = tls.NewListener(listener, s.tls)
	case SecurityStartTLS:
		server.TLSConfig = s.tls
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = listener.Close(); _ = server.Close(); <-done })
	return s
}

func (s *smtpd) mails() []smtpdMail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

type smtpdSession struct {
	*smtpd
	conn *smtp.Conn
	mail smtpdMail
}

func (s *smtpdSession) Reset()        { s.mail = smtpdMail{} }
func (s *smtpdSession) Logout() error { return nil }

func (s *smtpdSession) Mail(from string, _ *smtp.MailOptions) error {
	s.mail = smtpdMail{from: from}
	if s.smtpd.mail != nil {
		return s.smtpd.mail(from)
	}
	return nil
}

func (s *smtpdSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.rcpt != nil {
		if err := s.rcpt(to); err != nil {
			return err
		}
	}
	s.mail.to = append(s.mail.to, to)
	return nil
}

func (s *smtpdSession) Data(r io.Reader) error {
	if s.dropInData {
		_, _ = r.Read(make([]byte, 10))
		_ = s.conn.Conn().Close()
		return errors.New("cut")
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.try++
	attempt := s.try
	s.mu.Unlock()
	if s.data != nil {
		if err := s.data(attempt, raw); err != nil {
			return err
		}
	}
	s.mail.raw = raw
	s.mu.Lock()
	s.got = append(s.got, s.mail)
	s.mu.Unlock()
	return nil
}

type smtpdAuthSession struct{ *smtpdSession }

func (s *smtpdAuthSession) AuthMechanisms() []string { return s.mechanisms }

func (s *smtpdAuthSession) Auth(mechanism string) (sasl.Server, error) {
	check := func(_, user, password string) error {
		if user != smtpdUser || password != smtpdPassword {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "Login Fail. Please enter your authorization code to login. You sent " + password}
		}
		return nil
	}
	switch mechanism {
	case "PLAIN":
		return sasl.NewPlainServer(check), nil
	case "LOGIN":
		return &smtpdLogin{check: check}, nil
	case "CRAM-MD5":
		return &smtpdCRAM{}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

// smtpdLogin asks as 163 does, not as go-sasl's client expects.
type smtpdLogin struct {
	check func(_, user, password string) error
	step  int
	user  string
}

func (l *smtpdLogin) Next(response []byte) ([]byte, bool, error) {
	l.step++
	switch l.step {
	case 1:
		if response != nil {
			return nil, false, &smtp.SMTPError{Code: 501, Message: "no initial response, please"}
		}
		return []byte("username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("password:"), false, nil
	}
	return nil, true, l.check("", l.user, string(response))
}

type smtpdCRAM struct{ challenge []byte }

func (c *smtpdCRAM) Next(response []byte) ([]byte, bool, error) {
	if c.challenge == nil {
		c.challenge = []byte("<1896.697170952@mail.test>")
		return c.challenge, false, nil
	}
	h := hmac.New(md5.New, []byte(smtpdPassword))
	h.Write(c.challenge)
	if string(response) != smtpdUser+" "+hex.EncodeToString(h.Sum(nil)) {
		return nil, false, smtp.ErrAuthFailed
	}
	return nil, true, nil
}

// smtpdCertificate makes a certificate for a host and the file of its authority.
func smtpdCertificate(t *testing.T, host string, until time.Time) (server *tls.Config, caFile string) {
	t.Helper()
	certificate, pemBytes := smtpdKeyPair(t, host, until)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pemBytes, 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}}, caFile
}

func smtpdKeyPair(t *testing.T, host string, until time.Time) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// smtpdConfig is a configuration for a server on loopback.
func smtpdConfig(t *testing.T, addr, security string) Config {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Host, cfg.Security = host, security
	cfg.Port, err = strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	cfg.From, cfg.To = smtpdUser, []string{"admin@example.com"}
	cfg.Hostname = "www.example.com"
	cfg.Timeout, cfg.ConnectTimeout = 10*time.Second, 5*time.Second
	return cfg
}

// smtpdLogsIn adds the login to a configuration.
func smtpdLogsIn(t *testing.T, cfg Config) Config {
	t.Helper()
	cfg.User, cfg.PasswordFile = smtpdUser, smtpdSecretFile(t, smtpdPassword)
	return cfg
}

func smtpdSecretFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// smtpdRead parses a received mail.
func smtpdRead(t *testing.T, raw []byte) (header gomail.Header, body string) {
	t.Helper()
	reader, err := gomail.CreateReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("the mail cannot be read: %v\n%s", err, raw)
	}
	part, err := reader.NextPart()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(part.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reader.Header, strings.ReplaceAll(string(text), "\r\n", "\n")
}

// smtpdScript is a server that says fixed lines, one for each line that it hears,
// and then nothing more. The first one is the greeting; "" says nothing.
func smtpdScript(t *testing.T, says ...string) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var handlers sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	handlers.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			handlers.Go(func() { smtpdSay(conn, says) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for _, conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		handlers.Wait()
	})
	return listener.Addr().String()
}

func smtpdSay(conn net.Conn, says []string) {
	one := make([]byte, 1)
	for _, say := range says {
		if _, err := io.WriteString(conn, say); err != nil {
			return
		}
		for one[0] = 0; one[0] != '\n'; {
			if _, err := conn.Read(one); err != nil {
				return
			}
		}
	}
	_, _ = io.Copy(io.Discard, conn)
}

// smtpdDialog is a server that takes every message and never answers QUIT.
func smtpdDialog(t *testing.T) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		text := textproto.NewConn(conn)
		_ = text.PrintfLine("220 hi")
		for {
			line, err := text.ReadLine()
			switch {
			case err != nil:
				return
			case line == "DATA":
				_ = text.PrintfLine("354 go")
				_, _ = text.ReadDotBytes()
				_ = text.PrintfLine("250 taken")
			case line != "QUIT":
				_ = text.PrintfLine("250 ok")
			}
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return listener.Addr().String()
}
