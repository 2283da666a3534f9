package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// acmeLog keeps what a store logs.
type acmeLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *acmeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *acmeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// acmeStore is a store with the site, whose log is shown when the test fails.
func acmeStore(t testing.TB, state string, sites ...Site) (*Store, *acmeLog) {
	t.Helper()
	log := &acmeLog{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the store logged:\n%s", log)
		}
	})
	store := NewStore(state, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err := store.Apply(t.Context(), sites); err != nil {
		t.Fatal(err)
	}
	return store, log
}

// acmeEventually waits longer than others: a CA that refuses nonces makes its
// clients wait for seconds at a time, and after an order that failed for a minute.
func acmeEventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	timeout := time.After(3 * time.Minute)
	for !condition() {
		select {
		case <-timeout:
			t.Fatalf("never happened: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// accepted tells whether a verifying client accepts what is shown.
func accepted(address, name string, roots *x509.CertPool) bool {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", address, &tls.Config{ServerName: name, RootCAs: roots})
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func TestACME_ObtainsByEachEngineAndChallenge(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, engine string
		tls          bool
	}{
		{"certmagic by tls-alpn-01", EngineCertmagic, true},
		{"certmagic by http-01", EngineCertmagic, false},
		{"autocert by tls-alpn-01", EngineAutocert, true},
		{"autocert by http-01", EngineAutocert, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			ca := pebbleStart(t, pebbleOptions{})
			site := ca.site(pebbleName(t), ca.acme(row.engine))
			if row.tls {
				site.Plain = nil
			}
			store, _ := acmeStore(t, t.TempDir(), site)
			address := ca.front(t, store, row.tls)
			if status := store.Status()[0]; !status.Placeholder || worst(status.Problems) != Error {
				t.Errorf("not told as a placeholder: %+v", status)
			}
			pkiRunning(t, store)
			acmeEventually(t, "a certificate of the CA is shown", func() bool { return accepted(address, pebbleName(t), ca.roots(t)) })
			status := store.Status()[0]
			if status.Placeholder || len(status.Problems) > 0 || status.Origin != FromACME || status.Key != "ECDSA P-256" || len(status.Files) != 1 {
				t.Errorf("%+v", status)
			}
		})
	}
}

func TestACME_TellsOfARefusalOnceAndWaits(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{EngineCertmagic, EngineAutocert} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			ca := pebbleStart(t, pebbleOptions{blocked: []string{"blocked.example.com"}})
			state := t.TempDir()
			store, log := acmeStore(t, state, ca.site("blocked.example.com", ca.acme(engine)))
			ca.front(t, store, true)
			pkiRunning(t, store)
			acmeEventually(t, "the refusal is in the status", func() bool { return len(store.Status()[0].Refused) > 0 })
			status := store.Status()[0]
			if told := status.Refused[0].Error(); !strings.Contains(told, "gives no certificate for this name") || !strings.Contains(told, "localhost") {
				t.Error(told)
			}
			if !status.Placeholder || status.Since.IsZero() || time.Until(status.Renew) < 30*time.Second {
				t.Errorf("%+v", status)
			}
			acmeEventually(t, "the log tells of it", func() bool { return strings.Contains(log.String(), "level=ERROR") })
			if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
				t.Errorf("told %d times", n)
			}
			again, _ := acmeStore(t, state, ca.site("blocked.example.com", ca.acme(engine)))
			if next := again.Status()[0].Renew; !next.Equal(status.Renew) {
				t.Errorf("a restart asks the CA again at %v, not at %v", next, status.Renew)
			}
		})
	}
}

func TestACME_BindsTheAccountOfACustomer(t *testing.T) {
	t.Parallel()
	const key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	for _, engine := range []string{EngineCertmagic, EngineAutocert} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			ca := pebbleStart(t, pebbleOptions{eabKID: "kid-1", eabKey: key})
			without, _ := acmeStore(t, t.TempDir(), ca.site(pebbleName(t), ca.acme(engine)))
			address := ca.front(t, without, true)
			func() {
				pkiRunning(t, without)
				acmeEventually(t, "the CA wants to know its customer", func() bool {
					refused := without.Status()[0].Refused
					return len(refused) > 0 && strings.Contains(refused[0].Remedy, "eab_kid")
				})
			}()
			settings := ca.acme(engine)
			settings.EABKeyID, settings.EABKeyFile = "kid-1", filepath.Join(t.TempDir(), "eab.key")
			if err := os.WriteFile(settings.EABKeyFile, []byte(key+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			site := ca.site(pebbleName(t), settings)
			if err := without.Apply(t.Context(), []Site{site}); err != nil { // a reload with the right settings
				t.Fatal(err)
			}
			acmeEventually(t, "a certificate is shown", func() bool { return accepted(address, pebbleName(t), ca.roots(t)) })
		})
	}
}

func TestACME_GivesEachClientTheKeyThatItKnows(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{EngineCertmagic, EngineAutocert} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			ca := pebbleStart(t, pebbleOptions{})
			settings := ca.acme(engine)
			settings.KeyType = KeyBoth
			store, _ := acmeStore(t, t.TempDir(), ca.site(pebbleName(t), settings))
			address := ca.front(t, store, true)
			pkiRunning(t, store)
			acmeEventually(t, "both are there", func() bool {
				return !slices.ContainsFunc(store.Status(), func(s Status) bool { return len(s.Problems) > 0 })
			})
			for suite, want := range map[uint16]string{
				tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:   "RSA 2048",
				tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: "ECDSA P-256",
			} {
				conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", address,
					&tls.Config{ServerName: pebbleName(t), RootCAs: ca.roots(t), MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}})
				if err != nil {
					t.Fatal(err)
				}
				if got := keyKind(conn.ConnectionState().PeerCertificates[0].PublicKey); got != want {
					t.Errorf("a client for %s was shown %s", want, got)
				}
				_ = conn.Close()
			}
		})
	}
}

func TestACME_ServesWhatItHasWhileTheCAIsDown(t *testing.T) {
	t.Parallel()
	ca := pebbleStart(t, pebbleOptions{})
	site, state := ca.site(pebbleName(t), ca.acme(EngineCertmagic)), t.TempDir()
	store, _ := acmeStore(t, state, site)
	address := ca.front(t, store, true)
	pkiRunning(t, store)
	acmeEventually(t, "a certificate is shown", func() bool { return accepted(address, pebbleName(t), ca.roots(t)) })
	before := store.Status()[0]
	ca.stop()
	if err := store.Renew(t.Context(), pebbleName(t)); err == nil || !strings.Contains(err.Error(), "cannot be asked") {
		t.Errorf("renewed without a CA: %v", err)
	}
	after := store.Status()[0]
	if after.SHA256 != before.SHA256 || after.Placeholder || len(after.Refused) == 0 {
		t.Errorf("%+v", after)
	}
	restarted, _ := acmeStore(t, state, site)
	if got := restarted.Status()[0]; got.SHA256 != before.SHA256 || len(got.Refused) == 0 {
		t.Errorf("after a restart: %+v", got)
	}
}

func TestACME_ATornOrderLeavesThePlaceholderAndNoHarm(t *testing.T) {
	site := Site{Name: "api.example.com", Config: Config{Certificate: FromACME}, ACME: ACME{Engine: EngineCertmagic, KeyType: KeyECDSA, Directory: "https://localhost:1/dir"}, Endpoints: []string{"127.0.0.1:1"}}
	state := t.TempDir()
	folder := filepath.Join(acmeFolder(state, site.ACME), "certificates")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	pkiWrite(t, folder, map[string]string{"api.example.com-ecdsa.pem": "-----BEGIN PRIVATE KEY-----\nMIG", ".api.example.com-ecdsa.pem.123": "left by a crash"})
	store, _ := acmeStore(t, state, site)
	if got := store.Status()[0]; !got.Placeholder {
		t.Errorf("%+v", got)
	}
	if _, err := store.Get(&tls.ClientHelloInfo{ServerName: "api.example.com"}); err != nil {
		t.Error(err)
	}
}

func TestACME_LeavesForeignChallengesToTheBackend(t *testing.T) {
	for _, engine := range []string{EngineCertmagic, EngineAutocert} {
		ca := &pebble{directory: "https://localhost:1/dir", tlsPort: 1, httpPort: 2}
		store, _ := acmeStore(t, t.TempDir(), ca.site("api.example.com", ca.acme(engine)))
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "http://api.example.com/.well-known/acme-challenge/of-certbot", nil)
		store.WrapHTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the backend's") })).ServeHTTP(w, r)
		if w.Code != 200 || w.Body.String() != "the backend's" {
			t.Errorf("%s: %d %s", engine, w.Code, w.Body)
		}
	}
}

func TestACME_TwoGatewaysOnOneFolderOrderOnceAndAnswerForEachOther(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{EngineCertmagic, EngineAutocert} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			ca := pebbleStart(t, pebbleOptions{})
			site, state := ca.site(pebbleName(t), ca.acme(engine)), t.TempDir()
			listening, _ := acmeStore(t, state, site)
			address := ca.front(t, listening, true)
			other, _ := acmeStore(t, state, site)
			pkiRunning(t, other) // has no listener, and orders first
			acmeEventually(t, "the other orders", func() bool { return ca.log.count("Added order") > 0 })
			pkiRunning(t, listening)
			acmeEventually(t, "a certificate is shown", func() bool { return accepted(address, pebbleName(t), ca.roots(t)) })
			if n := ca.log.count("Issued certificate"); n != 1 {
				t.Errorf("%d certificates were issued", n)
			}
			if a, b := listening.Status()[0].SHA256, other.Status()[0].SHA256; a != b {
				t.Errorf("they serve %s and %s", a, b)
			}
		})
	}
}
