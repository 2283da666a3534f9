package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// What a server can lack.
var (
	errNoStartTLS = errors.New("the server does not offer STARTTLS, and gateway never goes on in clear")
	errNoAuth     = errors.New("the server offers no login")
)

// connect opens the connection, secures it and says hello. The connection is cut
// when the context ends; stop closes it.
func (x *exchange) connect() (stop func(), err error) {
	conn, err := x.dial()
	if err != nil {
		return nil, x.fail(StageConnect, connectKind(err), err)
	}
	limit, _ := x.ctx.Deadline()
	unhook := context.AfterFunc(x.ctx, func() { _ = conn.Close() })
	stop = func() { unhook(); _ = conn.Close() }
	if err := x.secureAndGreet(conn, limit); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

func (x *exchange) dial() (net.Conn, error) {
	x.log.note("connecting to %s", x.cfg.server())
	dialer := net.Dialer{Timeout: x.cfg.ConnectTimeout}
	conn, err := dialer.DialContext(x.ctx, "tcp", x.cfg.server())
	if err != nil {
		return nil, err
	}
	x.log.note("connected to %s", conn.RemoteAddr())
	return conn, nil
}

func (x *exchange) secureAndGreet(conn net.Conn, limit time.Time) error {
	greeting := ""
	switch x.cfg.security() {
	case SecurityTLS:
		secured, err := x.handshake(conn)
		if err != nil {
			return err
		}
		conn = secured
	case SecurityStartTLS:
		clear := newWire(conn, limit, x.log)
		first, err := x.startTLS(clear)
		if err != nil {
			return err
		}
		secured, err := x.handshake(conn)
		if err != nil {
			return err
		}
		conn, greeting = secured, first
	}
	return x.greet(conn, limit, greeting)
}

// greet hands the connection to go-smtp and says EHLO.
func (x *exchange) greet(conn net.Conn, limit time.Time, greeting string) error {
	x.wire = newWire(conn, limit, x.log)
	if greeting != "" {
		x.wire.replay(greeting)
	}
	x.wire.capitals()
	x.client = smtp.NewClient(x.wire)
	x.client.CommandTimeout, x.client.SubmissionTimeout = x.cfg.Timeout, x.cfg.Timeout
	if err := x.client.Hello(x.cfg.hostname()); err != nil {
		stage := StageHello
		if !x.wire.spoke {
			stage = StageGreeting // go-smtp reads it when it is to say EHLO
		}
		return x.fail(stage, exchangeKind(err), err)
	}
	return nil
}

// handshake secures conn; what it reports about the certificate is reported here
// and not, as with go-smtp's own, at some later command.
func (x *exchange) handshake(conn net.Conn) (net.Conn, error) {
	settings := &tls.Config{ServerName: x.cfg.Host, MinVersion: tls.VersionTLS12}
	if x.cfg.CAFile != "" {
		pool, err := loadAuthorities(x.cfg.CAFile)
		if err != nil {
			return nil, x.fail(StagePrepare, Setup, fmt.Errorf("ca_file: %w", err))
		}
		settings.RootCAs = pool
	}
	secured := tls.Client(conn, settings)
	if err := secured.HandshakeContext(x.ctx); err != nil {
		return nil, x.fail(StageTLS, tlsKind(err), err)
	}
	state := secured.ConnectionState()
	x.log.note("%s, %s", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite))
	x.secure = true
	return secured, nil
}

// startTLS asks the server to switch to TLS and returns its greeting. It is done
// here and not by go-smtp, which would wait for minutes, call this host
// "localhost" and lose what is wrong with a certificate.
func (x *exchange) startTLS(clear *wire) (greeting string, err error) {
	clear.capitals()
	text := textproto.NewConn(clear)
	_, banner, err := text.ReadResponse(220)
	if err != nil {
		return "", x.fail(StageGreeting, exchangeKind(err), err)
	}
	offered, err := command(text, 250, "EHLO "+x.cfg.hostname())
	if err != nil {
		return "", x.fail(StageHello, exchangeKind(err), err)
	}
	if !offers(offered, "STARTTLS") {
		return "", x.fail(StageStartTLS, Setup, errNoStartTLS)
	}
	if _, err := command(text, 220, "STARTTLS"); err != nil {
		return "", x.fail(StageStartTLS, exchangeKind(err), err)
	}
	return "220 " + strings.Split(banner, "\n")[0] + "\r\n", nil
}

func command(text *textproto.Conn, expect int, line string) (string, error) {
	if err := text.PrintfLine("%s", line); err != nil {
		return "", err
	}
	_, answer, err := text.ReadResponse(expect)
	return answer, err
}

// offers reports whether an answer to EHLO has this keyword.
func offers(answer, keyword string) bool {
	for _, line := range strings.Split(answer, "\n")[1:] {
		if first, _, _ := strings.Cut(line, " "); first == keyword {
			return true
		}
	}
	return false
}
