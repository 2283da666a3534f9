package certs

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// pebbleModule is Let's Encrypt's CA for tests. It is built apart from our own
// module, which it would fill with its dependencies.
const pebbleModule = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.1"

// pebbleBinary builds it once for all tests of the package.
var pebbleBinary = sync.OnceValues(func() (string, error) {
	if path, err := exec.LookPath("pebble"); err == nil {
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "gateway-test")
	install := exec.Command("go", "install", pebbleModule)
	install.Dir = os.TempDir() // outside of our module
	install.Env = append(os.Environ(), "GOBIN="+folder, "GOFLAGS=")
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return filepath.Join(folder, "pebble"), nil
})

// pebbleOptions is how a CA of a test differs from a friendly one.
type pebbleOptions struct {
	validity    int // seconds; 0: 90 days
	nonceReject int // percent of good nonces that are refused; 0: 5
	eabKID      string
	eabKey      string // base64url
	blocked     []string
}

// pebble is a running CA.
type pebble struct {
	directory, caFile string
	tlsPort, httpPort int // where it checks challenges
	tls, http         net.Listener
	management        string
	client            *http.Client
	process           *exec.Cmd
	ended             chan struct{} // closed when the process has ended
	log               *pebbleLog
}

// pebbleLog keeps what the CA prints.
type pebbleLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *pebbleLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *pebbleLog) count(words string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.text.Bytes(), []byte(words))
}

func pebbleStart(t testing.TB, o pebbleOptions) *pebble {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a CA; left out with -short")
	}
	binary, err := pebbleBinary()
	if why := "Pebble, the CA of this test, could not be built with go install %s: %v"; err != nil && os.Getenv("CI") != "" {
		t.Fatalf(why, pebbleModule, err)
	} else if err != nil {
		t.Skipf(why, pebbleModule, err)
	}
	p := &pebble{tls: pebbleListener(t), http: pebbleListener(t), log: &pebbleLog{}}
	p.tlsPort, p.httpPort = p.tls.Addr().(*net.TCPAddr).Port, p.http.Addr().(*net.TCPAddr).Port
	folder := t.TempDir()
	ca := pkiRoot(t, "Directory CA")
	leaf := ca.issue(t, nil, []string{"localhost", "127.0.0.1"})
	pkiWrite(t, folder, map[string]string{"ca.pem": pkiPEM(ca.cert), "leaf.pem": pkiPEM(leaf.cert), "leaf.key": pkiKeyPEM(t, leaf.key)})
	p.caFile = filepath.Join(folder, "ca.pem")
	p.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pkiPool(ca)}, DisableKeepAlives: true}}
	names := pebbleDNS(t)
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("the CA printed:\n%s", p.log.text.String())
		}
	})
	for range 5 { // another program may take a port before the CA opens it
		acmePort, management := pebblePort(t), pebblePort(t)
		p.directory, p.management = fmt.Sprintf("https://localhost:%d/dir", acmePort), fmt.Sprintf("https://127.0.0.1:%d", management)
		if p.start(t, exec.Command(binary, "-config", p.configure(t, folder, o, acmePort, management), "-dnsserver", names), o) {
			return p
		}
	}
	t.Fatal("the CA could not be started")
	return nil
}

func (p *pebble) configure(t testing.TB, folder string, o pebbleOptions, acmePort, management int) string {
	t.Helper()
	if o.validity == 0 {
		o.validity = 90 * 24 * 3600
	}
	settings := map[string]any{
		"listenAddress": fmt.Sprintf("127.0.0.1:%d", acmePort), "managementListenAddress": fmt.Sprintf("127.0.0.1:%d", management),
		"certificate": filepath.Join(folder, "leaf.pem"), "privateKey": filepath.Join(folder, "leaf.key"),
		"httpPort": p.httpPort, "tlsPort": p.tlsPort, "domainBlocklist": append([]string{"never.invalid"}, o.blocked...),
		"retryAfter": map[string]int{"authz": 1, "order": 1}, "keyAlgorithm": "ecdsa",
		"profiles": map[string]any{"default": map[string]any{"description": "the only one", "validityPeriod": o.validity}},
	}
	if o.eabKID != "" {
		settings["externalAccountBindingRequired"] = true
		settings["externalAccountMACKeys"] = map[string]string{o.eabKID: o.eabKey}
	}
	text, err := json.Marshal(map[string]any{"pebble": settings})
	if err != nil {
		t.Fatal(err)
	}
	pkiWrite(t, folder, map[string]string{"pebble.json": string(text)})
	return filepath.Join(folder, "pebble.json")
}

// start tells whether the CA came up and answers.
func (p *pebble) start(t testing.TB, process *exec.Cmd, o pebbleOptions) (answers bool) {
	t.Helper()
	process.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=50", fmt.Sprintf("PEBBLE_WFE_NONCEREJECT=%d", cmp.Or(o.nonceReject, 5)))
	process.Stdout, process.Stderr = p.log, p.log
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	p.process, p.ended = process, ended
	go func() {
		_ = process.Wait() // it is killed, or the log tells
		close(ended)
	}()
	acmeEventually(t, "the CA answers or has ended", func() bool {
		select {
		case <-ended:
			return true
		default:
		}
		for _, address := range []string{p.directory, p.management + "/roots/0"} {
			answer, err := p.client.Get(address)
			if err != nil {
				return false
			}
			answer.Body.Close()
			answers = answer.StatusCode == http.StatusOK
		}
		return answers
	})
	return answers
}

// stop ends the CA; it may be called twice.
func (p *pebble) stop() {
	if p.process != nil {
		_ = p.process.Process.Kill()
		<-p.ended
	}
}

// roots are those of the certificates that the CA issues.
func (p *pebble) roots(t testing.TB) *x509.CertPool {
	t.Helper()
	answer, err := p.client.Get(p.management + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(text) {
		t.Fatalf("no root: %v %s", err, text)
	}
	return pool
}

func (p *pebble) acme(engine string) ACME {
	a := DefaultACME()
	a.Engine, a.Directory, a.CAFile, a.Email = engine, p.directory, p.caFile, "admin@example.com"
	return a
}

// pebbleListener is held from the start, lest another test takes its port.
func pebbleListener(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func pebblePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// pebbleDNS says of every name that it is at 127.0.0.1. Pebble asks by TCP.
func pebbleDNS(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() { pebbleAnswer(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); served.Wait() })
	return l.Addr().String()
}

// pebbleAnswer answers one question; messages have their length in front (RFC 1035
// section 4.2.2).
func pebbleAnswer(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return
	}
	question := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, question); err != nil {
		return
	}
	reply := pebbleReply(question)
	_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
}

func pebbleReply(question []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response, m.Additionals = true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
		}}
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}

// pebbleName is a name of the test's own: certmagic keeps the challenges under way by
// name, for the whole process.
func pebbleName(t testing.TB) string {
	return fmt.Sprintf("f%.8x.example.com", sha256.Sum256([]byte(t.Name())))
}

// pebbleSite is a site whose certificate comes from the CA.
func (p *pebble) site(name string, a ACME) Site {
	return Site{Name: name, Config: Config{Certificate: FromACME}, ACME: a,
		Endpoints: []string{fmt.Sprintf("127.0.0.1:%d", p.tlsPort)}, Plain: []string{fmt.Sprintf("127.0.0.1:%d", p.httpPort)}}
}

// pebbleFront serves a store where the CA looks: TLS and plain HTTP.
func (p *pebble) front(t testing.TB, store *Store, tlsToo bool) (address string) {
	t.Helper()
	backend := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "from the backend") })
	serve := func(l net.Listener) string {
		server := &http.Server{Handler: store.WrapHTTP(backend), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)}
		var running sync.WaitGroup
		running.Go(func() { _ = server.Serve(l) })
		t.Cleanup(func() { server.Close(); running.Wait() })
		return l.Addr().String()
	}
	serve(p.http)
	listener := p.tls
	if !tlsToo {
		listener.Close() // the CA finds nothing there
		listener = pebbleListener(t)
	}
	return serve(tls.NewListener(listener, store.TLSConfig()))
}
