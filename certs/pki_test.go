package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain looks for goroutines that are left. Of certmagic's, the one for the rate
// limit of an account never ends, and the one of a lock sees only after seconds
// that it is open. The tests wait for CAs and not for processors, so more of them run
// at a time than there are processors, unless -parallel says how many.
func TestMain(m *testing.M) {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		_ = parallel.Value.Set("8") // a number is always accepted
	}
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).loop"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
}

// pkiCA is a CA of a test, with everything that it has issued so far.
type pkiCA struct {
	cert   *x509.Certificate
	key    crypto.Signer
	parent *pkiCA
}

// pkiLeaf is a certificate of a server with its key.
type pkiLeaf struct {
	cert *x509.Certificate
	key  crypto.Signer
}

type pkiOption func(*x509.Certificate)

func pkiDates(from, to time.Time) pkiOption {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, to }
}

func pkiRoot(t testing.TB, name string, options ...pkiOption) *pkiCA {
	return pkiNewCA(t, nil, name, options...)
}

func (ca *pkiCA) sub(t testing.TB, name string, options ...pkiOption) *pkiCA {
	return pkiNewCA(t, ca, name, options...)
}

func pkiNewCA(t testing.TB, parent *pkiCA, name string, options ...pkiOption) *pkiCA {
	return pkiCAWithKey(t, parent, name, pkiECDSA(t), options...)
}

func pkiCAWithKey(t testing.TB, parent *pkiCA, name string, key crypto.Signer, options ...pkiOption) *pkiCA {
	t.Helper()
	template := pkiTemplate(name, options...)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	return &pkiCA{pkiSign(t, template, parent, key), key, parent}
}

// issue makes a leaf for the names; key nil: a new ECDSA key.
func (ca *pkiCA) issue(t testing.TB, key crypto.Signer, names []string, options ...pkiOption) pkiLeaf {
	t.Helper()
	if key == nil {
		key = pkiECDSA(t)
	}
	template := pkiTemplate("leaf", func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		c.KeyUsage = x509.KeyUsageDigitalSignature
		for _, name := range names {
			if ip := net.ParseIP(name); ip != nil {
				c.IPAddresses = append(c.IPAddresses, ip)
			} else {
				c.DNSNames = append(c.DNSNames, name)
			}
		}
	})
	for _, option := range options {
		option(template)
	}
	return pkiLeaf{pkiSign(t, template, ca, key), key}
}

func pkiTemplate(name string, options ...pkiOption) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
	}
	for _, option := range options {
		option(template)
	}
	return template
}

// pkiSign signs by the parent, or by the key itself when there is none.
func pkiSign(t testing.TB, template *x509.Certificate, parent *pkiCA, key crypto.Signer) *x509.Certificate {
	t.Helper()
	issuer, signer := template, key
	if parent != nil {
		issuer, signer = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func pkiECDSA(t testing.TB) crypto.Signer { return pkiOnCurve(t, elliptic.P256()) }

func pkiOnCurve(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pkiEd25519(t testing.TB) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// pkiRSA is shared by all tests, since making one is slow.
var pkiRSA = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func pkiPEM(certs ...*x509.Certificate) string {
	var text strings.Builder
	for _, cert := range certs {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	}
	return text.String()
}

func pkiKeyPEM(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// pkiWrite writes files into the folder: keys with mode 0600, as they should be.
func pkiWrite(t testing.TB, folder string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func pkiSite(name string, paths ...string) Site {
	return Site{Name: name, Config: Config{Certificate: FromFiles, Files: paths}}
}

// pkiPool trusts the given CAs.
func pkiPool(cas ...*pkiCA) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, ca := range cas {
		pool.AddCert(ca.cert)
	}
	return pool
}

func pkiStore(t testing.TB, log *slog.Logger) *Store {
	t.Helper()
	store := NewStore(t.TempDir(), log)
	store.Interval = 20 * time.Millisecond
	return store
}

// pkiServer speaks TLS with the store's terms on loopback, and answers every
// connection with one byte.
func pkiServer(t testing.TB, config *tls.Config) (address string) {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(time.Minute))
				if _, err := conn.Write([]byte{'.'}); err != nil {
					t.Log("server:", err)
				}
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	return listener.Addr().String()
}

// pkiDial makes one connection, reads the byte so that tickets arrive, and
// returns what was agreed.
func pkiDial(address string, config *tls.Config) (tls.ConnectionState, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Minute}, "tcp", address, config)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		return tls.ConnectionState{}, err
	}
	return conn.ConnectionState(), nil
}

// pkiRunning runs the store until the test ends.
func pkiRunning(t testing.TB, store *Store) {
	t.Helper()
	ctx := t.Context()
	done := make(chan error, 1)
	go func() { done <- store.Run(ctx) }()
	t.Cleanup(func() {
		if err := <-done; err != nil { // t.Context ends before the cleanups
			t.Error("Run:", err)
		}
	})
}

// pkiEventually waits for a condition that another goroutine brings about.
func pkiEventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("never happened: " + what)
		}
	}
}

// pkiPipe returns both ends of a connection on loopback.
func pkiPipe(t testing.TB) (client, server net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if client, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close(); _ = server.Close() })
	return client, server
}
