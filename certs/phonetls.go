package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Dial opens one connection to the server that is looked at.
type Dial func(ctx context.Context) (net.Conn, error)

// suitesGCM are those of TLS 1.2 that Apple's App Transport Security names
// first: forward secrecy by ECDHE, authenticated encryption by AES-GCM.
func suitesGCM() []uint16 {
	return append(suitesGCMOverRSA(), tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)
}

func suitesGCMOverRSA() []uint16 {
	return []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384}
}

// AnySuites are all that Go knows, so that what a server speaks is seen however
// bad it is.
func AnySuites() []uint16 {
	var all []uint16
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		all = append(all, suite.ID)
	}
	return all
}

// suitesForward are those with forward secrecy.
func suitesForward() []uint16 {
	return slices.DeleteFunc(AnySuites(), func(id uint16) bool { return !strings.HasPrefix(tls.CipherSuiteName(id), "TLS_ECDHE_") })
}

// handshake is what became of one.
type handshake struct {
	state tls.ConnectionState
	err   error
}

func (h handshake) done() bool { return h.err == nil }

// probes are the handshakes that tell what a server speaks.
type probes struct {
	name     string    // canonical; what the client asks for
	any      handshake // whatever the server likes best
	v12      handshake // TLS 1.2 with any suite
	gcm      handshake // TLS 1.2 as Apple wants it
	rsa      handshake // the same, with an RSA certificate
	forward  handshake // TLS 1.2 with forward secrecy
	old      handshake // TLS 1.0 or 1.1
	nameless handshake // no server name
}

// Server looks at what a server speaks and shows to those who ask for the name.
// The TLS items come first, then those of the certificates. It also tells whether
// any TLS connection is possible.
func (p Phone) Server(ctx context.Context, dial Dial, name string) (findings []Finding, spoken bool) {
	s := probes{name: canonicalName(name)}
	s.any = p.shake(ctx, dial, s.name, tls.VersionTLS10, tls.VersionTLS13, AnySuites())
	if s.any.err != nil {
		return append([]Finding{s.noTLS(p)}, skippedTLS()...), false
	}
	var all sync.WaitGroup
	all.Go(func() { s.v12 = p.shake(ctx, dial, s.name, tls.VersionTLS12, tls.VersionTLS12, AnySuites()) })
	all.Go(func() { s.gcm = p.shake(ctx, dial, s.name, tls.VersionTLS12, tls.VersionTLS12, suitesGCM()) })
	all.Go(func() { s.rsa = p.shake(ctx, dial, s.name, tls.VersionTLS12, tls.VersionTLS12, suitesGCMOverRSA()) })
	all.Go(func() { s.forward = p.shake(ctx, dial, s.name, tls.VersionTLS12, tls.VersionTLS12, suitesForward()) })
	all.Go(func() { s.old = p.shake(ctx, dial, s.name, tls.VersionTLS10, tls.VersionTLS11, AnySuites()) })
	all.Go(func() { s.nameless = p.shake(ctx, dial, "", tls.VersionTLS10, tls.VersionTLS13, AnySuites()) })
	all.Wait()
	findings = []Finding{s.version(), s.oldVersions(), s.suites(), s.http2(), s.sni()}
	for _, f := range p.shownChain(s.name, s.any.state.PeerCertificates).findings() {
		if f.Item == ItemKey && f.Verdict == Passed {
			f.Seen += s.otherKey()
		}
		findings = append(findings, f)
	}
	for i, f := range findings {
		if f.Verdict != Passed && f.Verdict != Skipped {
			findings[i].Remedies = append(f.Remedies, elsewhere(f.Item)...)
		}
	}
	return findings, true
}

// shake makes one connection. Certificates are judged afterwards: one that a
// phone refuses must not hide what else is wrong.
func (p Phone) shake(ctx context.Context, dial Dial, name string, low, high uint16, suites []uint16) handshake {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	raw, err := dial(ctx)
	if err != nil {
		return handshake{err: err}
	}
	defer raw.Close()
	config := &tls.Config{ServerName: name, MinVersion: low, MaxVersion: high, CipherSuites: suites, NextProtos: []string{"h2", "http/1.1"}, InsecureSkipVerify: true,
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}}
	if net.ParseIP(name) != nil {
		config.ServerName = "" // RFC 6066 section 3 allows no addresses
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return handshake{err: err}
	}
	defer conn.Close() // says so, and the server does not log a broken connection
	return handshake{state: conn.ConnectionState()}
}

// noTLS words why not even one handshake was possible.
func (s *probes) noTLS(p Phone) Finding {
	f := Finding{Item: ItemTLS, Verdict: Failed}
	var record tls.RecordHeaderError
	var alert *net.OpError
	switch err := s.any.err; {
	case errors.As(err, &record) && strings.HasPrefix(string(record.RecordHeader[:]), "HTTP/"):
		f.Seen = "the port answers in plain HTTP"
		f.Remedies = []string{`gateway: write ":PORT" without "http://" in the site's listen`, "nginx: listen PORT ssl;", "Apache: SSLEngine on in the virtual host of this port"}
	case errors.As(err, &record):
		f.Seen = fmt.Sprintf("the port does not speak TLS: the answer begins with %q", record.RecordHeader[:])
		f.Remedies = []string{"see which program listens there: ss -ltnp as root; a mini-program needs the port of the HTTPS server"}
	case errors.As(err, &alert) && alert.Op == "remote error":
		f.Seen = "the server ends the handshake: " + alert.Err.Error()
		f.Remedies = append([]string{"see the server's error log; it may know neither the name " + s.name + " nor a suite with ECDHE or RSA"}, elsewhere(ItemTLS)...)
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded):
		f.Seen = fmt.Sprintf("the port takes connections, but gave no answer to a TLS handshake in %v", p.Timeout)
		f.Remedies = []string{"see whether the program that listens there hangs, and whether it speaks TLS at all"}
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE):
		f.Seen = "the connection is cut in the handshake"
		f.Remedies = []string{"see the server's error log; in mainland China connections to names without ICP filing are cut like this: try from outside, too"}
	default:
		f.Seen = "no TLS connection: " + err.Error()
		f.Remedies = []string{"see the server's error log"}
	}
	return f
}

// skippedTLS are all items that need a TLS connection.
func skippedTLS() []Finding {
	var all []Finding
	for _, item := range []string{ItemOldTLS, ItemSuites, ItemHTTP2, ItemSNI, ItemChain, ItemOrder, ItemRoot, ItemKey, ItemSignature, ItemName, ItemUsage, ItemValidity, ItemTrust, ItemAndroid} {
		all = append(all, skipped(item, "there is no TLS connection"))
	}
	return all
}

// byItself is the remedy for gateway of what it does without a setting.
const byItself = "gateway: does it right without a setting, so it is another server that answers here, such as a CDN or a load balancer"

func (s *probes) version() Finding {
	best := tls.VersionName(s.any.state.Version)
	switch {
	case s.v12.done() && s.any.state.Version > tls.VersionTLS12:
		return passed(ItemTLS, "TLS 1.2 and 1.3")
	case s.v12.done():
		return passed(ItemTLS, "TLS 1.2")
	case s.any.state.Version > tls.VersionTLS12:
		return Finding{Item: ItemTLS, Verdict: Failed, Seen: "only " + best + " is spoken, and many phones need 1.2 (" + s.v12.err.Error() + ")", Remedies: []string{byItself}}
	}
	return Finding{Item: ItemTLS, Verdict: Failed, Seen: "only " + best + " or older is spoken, and phones need 1.2", Remedies: []string{byItself}}
}

func (s *probes) oldVersions() Finding {
	if s.old.done() && s.v12.done() {
		return Finding{Item: ItemOldTLS, Verdict: Warned, Seen: tls.VersionName(s.old.state.Version) + " is still spoken: it is broken (RFC 8996), and no phone that runs WeChat needs it", Remedies: []string{byItself}}
	}
	if s.old.done() {
		return skipped(ItemOldTLS, tls.VersionName(s.old.state.Version)+" is all there is")
	}
	return passed(ItemOldTLS, "TLS 1.0 and 1.1 are refused, and no phone that runs WeChat needs them")
}

func (s *probes) suites() Finding {
	switch {
	case !s.v12.done():
		return skipped(ItemSuites, "they are asked for with TLS 1.2")
	case s.gcm.done():
		return passed(ItemSuites, "forward secrecy with AES-GCM: "+tls.CipherSuiteName(s.gcm.state.CipherSuite))
	case s.forward.done():
		return Finding{Item: ItemSuites, Verdict: Warned, Seen: "forward secrecy, but no AES-GCM with TLS 1.2: " + tls.CipherSuiteName(s.forward.state.CipherSuite) + " is outdated or unknown to old phones", Remedies: []string{byItself}}
	}
	return Finding{Item: ItemSuites, Verdict: Failed, Seen: "no forward secrecy with TLS 1.2, which iOS demands: only such as " + tls.CipherSuiteName(s.v12.state.CipherSuite), Remedies: []string{byItself}}
}

func (s *probes) http2() Finding {
	if s.any.state.NegotiatedProtocol == "h2" {
		return passed(ItemHTTP2, "h2 is offered")
	}
	return Finding{Item: ItemHTTP2, Verdict: Warned, Seen: "only HTTP/1.1: WeChat on Android uses HTTP/2 where it is offered, and is faster then", Remedies: []string{byItself}}
}

// sni tells what is shown to clients that don't say which name they want. WeChat
// does say it.
func (s *probes) sni() Finding {
	const needed = "; WeChat sends the name, so that is no obstacle"
	switch {
	case !s.nameless.done():
		return passed(ItemSNI, "clients that send no name are refused"+needed)
	case s.nameless.state.PeerCertificates[0].VerifyHostname(s.name) != nil:
		return passed(ItemSNI, "clients that send no name are shown another certificate"+needed)
	}
	return passed(ItemSNI, "clients that send no name are shown this certificate, too")
}

// otherKey tells of the certificate for clients without ECDSA. Some phones are
// said to need it.
func (s *probes) otherKey() string {
	if _, isECDSA := leafOf(s.any).PublicKey.(*ecdsa.PublicKey); !isECDSA {
		return ""
	}
	if s.rsa.done() {
		return fmt.Sprintf(", and %s for clients without ECDSA", keyKind(leafOf(s.rsa).PublicKey))
	}
	return ", and no RSA certificate beside it, which some old devices are said to want"
}

func leafOf(h handshake) *x509.Certificate { return h.state.PeerCertificates[0] }
