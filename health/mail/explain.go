package mail

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Explain says what an admin can do about a delivery that failed: one or more
// lines, each a full sentence. It returns none for nil.
func Explain(err error) []string {
	if err == nil {
		return nil
	}
	var f *Failure
	if !errors.As(err, &f) {
		return []string{"gateway tries again by itself; `gateway mail test` shows the whole conversation."}
	}
	for _, known := range remedies() {
		if known.fits(f) {
			return known.say(f)
		}
	}
	return []string{"`gateway mail test` shows the whole conversation; the server's own words are the best hint."}
}

// remedy is one way to fail and what to do about it.
type remedy struct {
	fits func(*Failure) bool
	say  func(*Failure) []string
}

// remedies lists the known ways to fail, the special ones before the general.
func remedies() []remedy {
	var all []remedy
	for _, stage := range [][]remedy{webhookRemedies(), connectRemedies(), tlsRemedies(), loginRemedies(), answerRemedies(), brokenRemedies()} {
		all = append(all, stage...)
	}
	return all
}

func lines(text ...string) func(*Failure) []string {
	return func(*Failure) []string { return text }
}

func at(stage Stage, fits func(*Failure) bool) func(*Failure) bool {
	return func(f *Failure) bool { return f.Stage == stage && fits(f) }
}

func is(target error) func(*Failure) bool {
	return func(f *Failure) bool { return errors.Is(f.Err, target) }
}

func always(*Failure) bool { return true }

func connectRemedies() []remedy {
	return []remedy{
		{at(StagePrepare, always), lines("Correct what the message names; nothing was sent to the server.")},
		{at(StageConnect, isNameUnknown), func(f *Failure) []string {
			return []string{fmt.Sprintf("The name %s has no address: check `host` in [mail], and that this machine can look up names (`getent hosts %s`).", f.host(), f.host())}
		}},
		{at(StageConnect, is(syscall.ECONNREFUSED)), func(f *Failure) []string {
			return []string{
				fmt.Sprintf("Nothing listens on %s: check `host` and `port` in [mail].", f.Server),
				"Most providers take mail on port 465 (security = \"tls\") or 587 (security = \"starttls\").",
			}
		}},
		{at(StageConnect, func(f *Failure) bool { return f.port() == "25" && isTimeout(f.Err) }), lines(
			"Outgoing port 25 is blocked: Tencent Cloud, Aliyun and most other clouds drop it by default, so that nothing comes back.",
			"Use port = 465 with security = \"tls\", or port = 587 with security = \"starttls\"; or ask the cloud to lift the block of port 25.",
		)},
		{at(StageConnect, func(f *Failure) bool { return isTimeout(f.Err) }), func(f *Failure) []string {
			return []string{
				fmt.Sprintf("Nothing came back from %s: a firewall or the cloud's security group drops outgoing connections to port %s, or the host is down.", f.Server, f.port()),
				"Allow outgoing TCP to this port, or try the provider's other port (465 or 587).",
			}
		}},
		{at(StageConnect, always), lines("This machine has no way to the server: check its network and its routes, and whether other hosts can be reached.")},
	}
}

func isNameUnknown(f *Failure) bool {
	var dns *net.DNSError
	return errors.As(f.Err, &dns)
}

func isTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

func tlsRemedies() []remedy {
	return []remedy{
		{isNotTLS, func(f *Failure) []string {
			return []string{fmt.Sprintf("Port %s starts in clear: write security = \"starttls\" (usually port = 587), or port = 465 with security = \"tls\".", f.port())}
		}},
		{isWrongName, sayWrongName},
		{isExpired, func(*Failure) []string {
			return []string{fmt.Sprintf("The mail server's certificate is out of date: tell whoever runs it. This machine's clock says %s; if that is wrong, correct the clock.", time.Now().Format("2006-01-02 15:04 MST"))}
		}},
		{isUnknownAuthority, lines(
			"The certificate is signed by an authority that this machine does not know. If the server is your own, name the authority's certificate with `ca_file`.",
			"If it is a public provider, install the package ca-certificates, and ask whether something between here and there intercepts TLS.",
		)},
		{is(errNoStartTLS), lines(
			"Use port = 465 with security = \"tls\" if the provider has it.",
			"Only for a mail server on this host or in your own closed network: security = \"none\".",
		)},
		{at(StageStartTLS, always), lines("The server refuses STARTTLS just now: use port = 465 with security = \"tls\" if the provider has it.")},
		{at(StageTLS, func(f *Failure) bool { return f.Kind == Setup }), lines("No common version of TLS: gateway speaks TLS 1.2 and 1.3. Ask the provider for another port or host, or whoever runs the server to update it.")},
	}
}

func isNotTLS(f *Failure) bool {
	var record tls.RecordHeaderError
	return f.Stage == StageTLS && errors.As(f.Err, &record)
}

func isWrongName(f *Failure) bool {
	var host x509.HostnameError
	return errors.As(f.Err, &host)
}

func sayWrongName(f *Failure) []string {
	var host x509.HostnameError
	errors.As(f.Err, &host)
	names := "no host name"
	if host.Certificate != nil && len(host.Certificate.DNSNames) > 0 {
		names = strings.Join(host.Certificate.DNSNames, ", ")
	}
	return []string{
		fmt.Sprintf("The server shows a certificate for %s, not for %s.", names, f.host()),
		"Write one of those names as `host` if it is the same server; if you don't expect such a name, somebody else is answering.",
	}
}

func isExpired(f *Failure) bool {
	var invalid x509.CertificateInvalidError
	return errors.As(f.Err, &invalid) && invalid.Reason == x509.Expired
}

func isUnknownAuthority(f *Failure) bool {
	var authority x509.UnknownAuthorityError
	return errors.As(f.Err, &authority)
}

// brokenRemedies are for conversations that ended without an answer.
func brokenRemedies() []remedy {
	return []remedy{
		{func(f *Failure) bool {
			return isTimeout(f.Err) && (f.Stage == StageGreeting || f.Stage == StageHello) && f.security != SecurityTLS
		}, lines(
			"The server accepted the connection and stayed silent. A port that speaks TLS from the first byte does that: try security = \"tls\" (usually port = 465).",
			"Otherwise the server is overloaded or a firewall holds the connection; gateway tries again by itself.",
		)},
		{func(f *Failure) bool { return isTimeout(f.Err) }, lines("The server answers too slowly or not at all; gateway tries again by itself. If it lasts, ask whoever runs the server.")},
		{func(f *Failure) bool {
			return errors.Is(f.Err, io.EOF) || errors.Is(f.Err, io.ErrUnexpectedEOF) || errors.Is(f.Err, syscall.ECONNRESET) || errors.Is(f.Err, syscall.EPIPE)
		}, lines("The server closed the connection in the middle; gateway tries again by itself, with the same Message-ID. If it lasts, the server or something on the way refuses this host.")},
		{func(f *Failure) bool { return f.Stage == StageHello || f.Stage == StageGreeting }, lines("What answers there is not a mail server: check `host` and `port` in [mail].")},
	}
}

func (f *Failure) host() string {
	host, _, _ := net.SplitHostPort(f.Server)
	return host
}

func (f *Failure) port() string {
	_, port, _ := net.SplitHostPort(f.Server)
	return port
}
