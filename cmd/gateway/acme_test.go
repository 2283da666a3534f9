package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// acmeModule is Let's Encrypt's CA for tests, built apart from our own module,
// which it would fill with its dependencies.
const acmeModule = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.1"

// acmeCA is a running CA that checks names at 127.0.0.1.
type acmeCA struct {
	directory, caFile, management string
	tlsPort, httpPort             int
	client                        *http.Client
	command                       []string
	process                       *process
}

func acmeBinary(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("pebble"); err == nil {
		return path
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	install := exec.Command("go", "install", acmeModule)
	install.Dir = os.TempDir()
	install.Env = append(os.Environ(), "GOBIN="+filepath.Join(cache, "gateway-test"), "GOFLAGS=")
	if out, err := install.CombinedOutput(); err != nil {
		without(t, "Pebble, the CA of this test, could not be built with go install %s: %v: %s", acmeModule, err, out)
	}
	return filepath.Join(cache, "gateway-test", "pebble")
}

// startACME starts a CA whose certificates live for so many seconds.
func startACME(t *testing.T, validity int) *acmeCA {
	t.Helper()
	binary, own, dir := acmeBinary(t), newAuthority(t), t.TempDir()
	own.installIn(t, dir, "localhost")
	acmePort, management := freePort(t), freePort(t)
	ca := &acmeCA{tlsPort: freePort(t), httpPort: freePort(t), caFile: filepath.Join(dir, "1_root_bundle.crt"),
		directory: fmt.Sprintf("https://localhost:%d/dir", acmePort), management: fmt.Sprintf("https://127.0.0.1:%d", management)}
	ca.client = own.client(t, false)
	settings, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": fmt.Sprintf("127.0.0.1:%d", acmePort), "managementListenAddress": fmt.Sprintf("127.0.0.1:%d", management),
		"certificate": writeFile(t, dir, "leaf.pem", readAll(t, filepath.Join(dir, "2_localhost.crt"))+readAll(t, ca.caFile)), "privateKey": filepath.Join(dir, "3_localhost.key"),
		"httpPort": ca.httpPort, "tlsPort": ca.tlsPort, "keyAlgorithm": "ecdsa", "retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"default": map[string]any{"description": "the only one", "validityPeriod": validity}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ca.command = []string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=5", "PEBBLE_AUTHZREUSE=50",
		binary, "-config", writeFile(t, dir, "pebble.json", string(settings)), "-dnsserver", serveNames(t)}
	ca.start(t)
	return ca
}

// start is for a CA that was ended, too. It then has another root, and has forgotten
// its accounts.
func (ca *acmeCA) start(t *testing.T) {
	t.Helper()
	ca.process = startProcess(t, "/usr/bin/env", ca.command...)
	t.Cleanup(ca.process.kill)
	ca.process.waitFor("ACME directory available") // it listens a moment later
	for _, url := range []string{ca.directory, ca.management + "/roots/0"} {
		eventually(t, url, func() bool {
			answer, err := ca.client.Get(url)
			if err == nil {
				answer.Body.Close()
			}
			return err == nil
		})
	}
}

func readAll(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// roots are those of the certificates that the CA issues.
func (ca *acmeCA) roots(t *testing.T) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ca.rootText(t)))
	return pool
}

func (ca *acmeCA) rootText(t *testing.T) string {
	t.Helper()
	answer, err := ca.client.Get(ca.management + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("no root: %v %s", err, text)
	}
	return string(text)
}

// serveNames is a DNS server (over TCP) that says 127.0.0.1 of every name.
func serveNames(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			answerName(conn)
		}
	}()
	return l.Addr().String()
}

func answerName(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return
	}
	question := make([]byte, binary.BigEndian.Uint16(length[:]))
	var m dnsmessage.Message
	if _, err := io.ReadFull(conn, question); err != nil || m.Unpack(question) != nil {
		return
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
		return
	}
	_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
}

// acmeSite is a configuration whose one site gets its certificate from the CA.
func (ca *acmeCA) acmeSite(t *testing.T, state, engine, backend string) string {
	return fmt.Sprintf(`
state = %q
admin.socket = %q
log.access = ""
timeouts.handshake = "1m" # on a busy machine, the test's own
[acme]
engine = %q
directory = %q
ca_file = %q
[[site]]
name = "api.example.com"
listen = ["127.0.0.1:%d", "http://127.0.0.1:%d"]
certificate = "acme"
backend = "api"
[[backend]]
name = "api"
url = %q
`, state, filepath.Join(t.TempDir(), "s"), engine, ca.directory, ca.caFile, ca.tlsPort, ca.httpPort, backend)
}

// TestACME_RenewsFiveTimesUnderLoadWithoutOneFailedRequest has certificates that
// live for half a minute, so that a busy machine has ten seconds for each renewal.
func TestACME_RenewsFiveTimesUnderLoadWithoutOneFailedRequest(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for five renewals; left out with -short")
	}
	renewUnderLoad(t, builtGateway(t), 30, 5, 40)
}

// TestSoak_ACMERenewsUnderLoad has more load, for a machine that does nothing
// else: see `make soak`.
func TestSoak_ACMERenewsUnderLoad(t *testing.T) {
	if os.Getenv("GATEWAY_SOAK") == "" {
		t.Skip("waits for renewals, and needs a machine of its own: make soak")
	}
	renewUnderLoad(t, builtGateway(t), 30, 5, 100)
}

// renewUnderLoad has both engines renew certificates that live for so many seconds,
// under so many requests a second, each.
func renewUnderLoad(t *testing.T, binary string, life, renewals, rate int) {
	loaded := map[string]*loadedGateway{}
	for _, engine := range []string{"certmagic", "autocert"} {
		ca := startACME(t, life)
		l := &loadedGateway{process: startGateway(t, binary, ca.acmeSite(t, t.TempDir(), engine, startBackend(t)))}
		l.process.waitFor("certificate obtained")
		l.visitor = &visitor{port: ca.tlsPort, roots: ca.roots(t)}
		l.stop = l.visitor.visit(rate)
		loaded[engine] = l
	}
	for engine, l := range loaded {
		for range renewals {
			l.process.waitFor("certificate obtained")
		}
		l.stop()
		v := l.visitor
		t.Logf("%s: %d requests, %.1f a second, each with its own handshake, %d failed, %d certificates",
			engine, v.good.Load()+v.failed.Load(), v.rate(), v.failed.Load(), len(v.seen))
		if v.rate() < 0.9*float64(rate) { // it is late for the last ones when the machine is busy
			t.Errorf("%s: %.1f requests a second are no load of %d", engine, v.rate(), rate)
		}
		if v.failed.Load() > 0 || v.good.Load() == 0 {
			t.Errorf("%s: %d failed, the last by %v", engine, v.failed.Load(), v.last.Load())
		}
		if len(v.seen) < renewals {
			t.Errorf("%s: only %d certificates were seen", engine, len(v.seen))
		}
		l.process.signal(syscall.SIGTERM)
		if code := l.process.exitCode(); code != 0 {
			t.Errorf("%s: exit code %d", engine, code)
		}
	}
}

type loadedGateway struct {
	process *process
	visitor *visitor
	stop    func()
}

func TestACME_AKillAtAnyMomentOfAnOrderDoesNoHarm(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"certmagic", "autocert"} {
		for _, moment := range []string{"sign-me-up", "Added order", "set VALID", "Issued certificate"} { // in the CA's words
			t.Run(engine+" "+moment, func(t *testing.T) {
				t.Parallel()
				ca := startACME(t, 3600)
				text := ca.acmeSite(t, t.TempDir(), engine, startBackend(t))
				killed := startGateway(t, builtGateway(t), text)
				ca.process.waitFor(moment)
				killed.signal(syscall.SIGKILL)
				<-killed.done
				gateway := startGateway(t, builtGateway(t), text)
				visitor := &visitor{port: ca.tlsPort, roots: ca.roots(t), seen: map[string]bool{}}
				eventually(t, "a certificate that clients accept", func() bool { visitor.once(); return visitor.good.Load() > 0 })
				if strings.Contains(gateway.text(), "level=ERROR") {
					t.Error(gateway.text())
				}
			})
		}
	}
}

// TestACME_AnAccountOfWhichAPartWasWrittenIsMadeAnew is what a kill leaves between
// the two files of an account.
func TestACME_AnAccountOfWhichAPartWasWrittenIsMadeAnew(t *testing.T) {
	t.Parallel()
	ca, state := startACME(t, 3600), t.TempDir()
	text := ca.acmeSite(t, state, "certmagic", startBackend(t))
	first := startGateway(t, builtGateway(t), text)
	first.waitFor("certificate obtained")
	first.end()
	keys, err := filepath.Glob(filepath.Join(state, "acme", "*", "certmagic", "acme", "*", "users", "default", "*.key"))
	if err != nil || len(keys) != 1 {
		t.Fatalf("the account's keys: %q, %v", keys, err)
	}
	if err := os.Remove(keys[0]); err != nil {
		t.Fatal(err)
	}
	second := startGateway(t, builtGateway(t), strings.Replace(text, `name = "api.example.com"`, `name = "www.example.com"`, 1))
	if line := second.waitFor("certificate "); !strings.Contains(line, "certificate obtained") {
		t.Error(line)
	}
}

func startBackend(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "from the backend") })}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return "http://" + l.Addr().String()
}

// visitor makes requests, each over a connection of its own, and verifies what it
// is shown.
type visitor struct {
	port         int
	roots        *x509.CertPool
	begun, ended time.Time // of visit
	good, failed atomic.Int64
	last         atomic.Value
	mu           sync.Mutex
	seen         map[string]bool // serial numbers
}

// visit begins so many requests a second until stop is called, however long each
// takes, and then waits for the last. Each has its time; those that a busy machine
// was late for are made up for at once.
func (v *visitor) visit(rate int) (stop func()) {
	v.seen, v.begun = map[string]bool{}, time.Now()
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for n := 1; ; n++ {
			running.Go(v.once)
			select {
			case <-done:
				v.ended = time.Now()
				return
			case <-time.After(time.Until(v.begun.Add(time.Duration(n) * time.Second / time.Duration(rate)))):
			}
		}
	})
	return func() { close(done); running.Wait() }
}

// rate is how many requests were begun in a second, all in all.
func (v *visitor) rate() float64 {
	return float64(v.good.Load()+v.failed.Load()) / v.ended.Sub(v.begun).Seconds()
}

func (v *visitor) once() {
	transport := &http.Transport{DialContext: dialLoopback, DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: v.roots}}
	client := http.Client{Transport: transport, Timeout: patience}
	answer, err := client.Get(fmt.Sprintf("https://api.example.com:%d/", v.port))
	if err == nil {
		v.mu.Lock()
		v.seen[answer.TLS.PeerCertificates[0].SerialNumber.String()] = true
		v.mu.Unlock()
		var body []byte
		body, err = io.ReadAll(answer.Body)
		answer.Body.Close()
		if err == nil && string(body) != "from the backend" {
			err = fmt.Errorf("answered %d %q", answer.StatusCode, body)
		}
	}
	if err != nil {
		v.last.Store(err)
		v.failed.Add(1)
		return
	}
	v.good.Add(1)
}
