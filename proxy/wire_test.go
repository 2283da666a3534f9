package proxy

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const (
	wireTLS   = "127.0.0.1:0"
	wirePlain = "http://127.0.0.1:0"
)

// wireLab is a running server and what it takes to talk to it.
type wireLab struct {
	t      *testing.T
	server *Server
	roots  *x509.CertPool
	log    *wireLog
	cancel context.CancelFunc
	result chan error
}

func wireOptions() Options {
	return Options{
		generalOnly: testGeneral(),
		Limits:      Limits{Connections: 1000, ConnectionsPerAddress: 1000, Streams: 128, Header: 64 << 10, HeaderLines: 100},
		Timeouts: Timeouts{
			Handshake: 5 * time.Second, Header: 5 * time.Second, Body: 5 * time.Second, Write: 5 * time.Second,
			Idle: time.Minute, Drain: 5 * time.Second, Upgraded: 5 * time.Second,
		},
	}
}

// wireStart serves h on a TLS and a plain port until the test ends.
func wireStart(t *testing.T, h http.HandlerFunc, change ...func(*Options)) *wireLab {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
	certificate, roots := wireCertificate(t)
	lab := &wireLab{t: t, roots: roots, log: &wireLog{}, result: make(chan error, 1)}
	opts := wireOptions()
	opts.Handler, opts.Log = h, slog.New(slog.NewTextHandler(lab.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	opts.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1", "acme-tls/1"}}
	for _, c := range change {
		c(&opts)
	}
	opts.Handler = wireRefusing(opts.Limits, opts.Handler)
	lab.server = NewServer(opts)
	if err := lab.server.Bind(t.Context(), []string{wireTLS, wirePlain, wireTLS}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	lab.cancel = cancel
	go func() { lab.result <- lab.server.Serve(ctx) }()
	t.Cleanup(func() { lab.server.Close(); lab.stopped() })
	return lab
}

// wireRefusing answers refused requests in one line, as a Handler does in a page.
func wireRefusing(limits Limits, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refused := refusalOf(r, limits); refused != nil {
			w.Header().Set("Connection", "close")
			http.Error(w, refused.reason, refused.status)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// stopped waits for Serve to return and gives its error.
func (l *wireLab) stopped() error {
	l.t.Helper()
	l.cancel()
	select {
	case err := <-l.result:
		l.result <- err
		return err
	case <-time.After(time.Minute):
		l.t.Error("Serve did not return")
		return nil
	}
}

func (l *wireLab) addr(endpoint string) string { return l.server.Addrs()[endpoint].String() }

// dial connects to an endpoint without TLS.
func (l *wireLab) dial(endpoint string) net.Conn {
	l.t.Helper()
	c, err := net.Dial("tcp", l.addr(endpoint))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// dialTLS connects to the TLS endpoint and offers protocols.
func (l *wireLab) dialTLS(protocols ...string) *tls.Conn {
	l.t.Helper()
	c := tls.Client(l.dial(wireTLS), &tls.Config{RootCAs: l.roots, ServerName: "example.com", NextProtos: protocols})
	if err := c.Handshake(); err != nil {
		l.t.Fatal(err)
	}
	return c
}

func (l *wireLab) client(http2 bool) *http.Client {
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: l.roots, ServerName: "example.com"},
		ForceAttemptHTTP2: http2,
	}
	l.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

func wireSend(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

// wireAnswers reads all responses until the server closes the connection, and
// reports whether it did so in good order.
func wireAnswers(t *testing.T, c net.Conn) (statuses []int, bodies []string) {
	t.Helper()
	r := bufio.NewReader(c)
	for {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			if err != io.EOF && err != io.ErrUnexpectedEOF {
				t.Errorf("reading a response: %v", err)
			}
			return statuses, bodies
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Errorf("reading the body of a response: %v", err)
		}
		statuses, bodies = append(statuses, res.StatusCode), append(bodies, string(body))
	}
}

func wireCertificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "example.com"}, DNSNames: []string{"example.com"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots
}

// wireLog keeps what was logged.
type wireLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *wireLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *wireLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// wireEcho answers with the method, the path and the body.
func wireEcho(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = io.WriteString(w, r.Method+" "+r.URL.Path+" "+string(body))
}
