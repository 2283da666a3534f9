package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// downWorld is a gateway whose CA goes away for the whole time in which its
// certificate should be renewed.
type downWorld struct {
	engine  string
	ca      *acmeCA
	box     *mailbox
	gateway *process
	first   *x509.Certificate
}

func newDownWorld(t *testing.T, engine string, life int) *downWorld {
	t.Helper()
	w := &downWorld{engine: engine, ca: startACME(t, life), box: newMailbox(t)}
	w.gateway = startGateway(t, builtGateway(t), w.ca.acmeSite(t, t.TempDir(), engine, startBackend(t))+mailTable(w.box.addr))
	w.gateway.waitFor("certificate obtained")
	roots := w.ca.roots(t)
	w.ca.process.kill()
	shown, err := w.shown()
	if err != nil {
		t.Fatal(err)
	}
	w.first = shown
	if _, err := shown.Verify(x509.VerifyOptions{Roots: roots, DNSName: "api.example.com", Intermediates: w.chain()}); err != nil {
		t.Fatal(err)
	}
	return w
}

// shown is the certificate that clients get now, whether they accept it or not.
func (w *downWorld) shown() (*x509.Certificate, error) {
	state, err := w.handshake()
	if err != nil {
		return nil, err
	}
	return state.PeerCertificates[0], nil
}

func (w *downWorld) chain() *x509.CertPool {
	pool := x509.NewCertPool()
	if state, err := w.handshake(); err == nil {
		for _, one := range state.PeerCertificates[1:] {
			pool.AddCert(one)
		}
	}
	return pool
}

func (w *downWorld) handshake() (tls.ConnectionState, error) {
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.ca.tlsPort), &tls.Config{ServerName: "api.example.com", InsecureSkipVerify: true})
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.ConnectionState(), nil
}

// subjects are those of the mails so far, once there are so many; two looks of the
// notifier are a minute apart at most.
func (w *downWorld) subjects(t *testing.T, n int) (subjects []string) {
	t.Helper()
	for deadline := time.Now().Add(3 * patience); ; {
		subjects = nil
		for _, mail := range w.box.mails(t) {
			subjects = append(subjects, mail.subject)
		}
		if len(subjects) >= n {
			return subjects
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: only the mails %q came", w.engine, subjects)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func TestACME_ACAThatIsDownIsToldWithTheTimeLeftAndTheOldCertificateStays(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the end of a certificate; left out with -short")
	}
	t.Parallel()
	// The notifier looks every half minute. From the first tries in vain, soon after
	// two thirds of its life, to the end of a certificate there must be more than that.
	const life = 140
	worlds := []*downWorld{newDownWorld(t, "certmagic", life), newDownWorld(t, "autocert", life)}
	for _, w := range worlds {
		told := w.subjects(t, 1)
		if !strings.Contains(told[0], "the certificate of api.example.com could NOT be renewed, and ends in") {
			t.Errorf("%s: %q", w.engine, told)
		}
		if body := w.box.mails(t)[0].body; !strings.Contains(body, "cannot be asked") || !strings.Contains(body, "curl -v") {
			t.Errorf("%s: %s", w.engine, body)
		}
	}
	for _, w := range worlds {
		told := w.subjects(t, 2)
		if !strings.Contains(told[1], "ENDED") {
			t.Errorf("%s: %q", w.engine, told)
		}
		shown, err := w.shown()
		if err != nil || !shown.Equal(w.first) {
			t.Errorf("%s: after the end another certificate is shown: %v", w.engine, err)
			continue
		}
		var invalid x509.CertificateInvalidError
		if _, err := shown.Verify(x509.VerifyOptions{Roots: x509.NewCertPool()}); !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
			t.Errorf("%s: clients are told %v", w.engine, err)
		}
		w.ca.start(t)
	}
	for _, w := range worlds {
		told := w.subjects(t, 3)
		if got := slices.Compact(told); len(got) != 3 || !strings.HasSuffix(got[2], "the certificate of api.example.com is renewed") {
			t.Errorf("%s: %q", w.engine, told)
		}
		shown, err := w.shown()
		if err != nil || shown.Equal(w.first) {
			t.Fatalf("%s: not renewed: %v", w.engine, err)
		}
		if _, err := shown.Verify(x509.VerifyOptions{Roots: w.ca.roots(t), DNSName: "api.example.com", Intermediates: w.chain()}); err != nil {
			t.Errorf("%s: %v", w.engine, err)
		}
		t.Logf("%s: %q", w.engine, told)
	}
}
