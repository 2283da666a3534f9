package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for something that must come: long, because
// it is only spent when the test fails.
const patience = 60 * time.Second

// binaries are the programs that builtOf has built.
var binaries = struct {
	sync.Mutex
	dir  string
	path map[string]string
}{path: map[string]string{}}

func TestMain(m *testing.M) {
	if spec := os.Getenv(backendEnv); spec != "" {
		os.Exit(beBackend(spec))
	}
	if os.Getenv(heirEnv) != "" {
		os.Exit(beHeir())
	}
	dir, err := os.MkdirTemp("", "gateway-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binaries.dir = dir
	waitBesideEachOther()
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// waitBesideEachOther lets more tests run at once than there are processors, since
// those that call t.Parallel mostly wait for other processes; -parallel says
// otherwise. Those that bring a load of their own, which comes at its rate whether
// the machine keeps up or not, run one after the other.
func waitBesideEachOther() {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		_ = flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0)))
	}
}

// without skips a test for want of something that can be installed. In CI that is
// a failure, since .ci/tools installs everything.
func without(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// builtGateway is the path of the real binary, as `make build` makes it: what is
// compiled for it serves the tests of packages as well.
func builtGateway(t testing.TB) string {
	return builtOf(t, "gateway", "gateway/cmd/gateway", "CGO_ENABLED=0", "-trimpath")
}

// racyGateway is the binary under the race detector: slower and larger.
func racyGateway(t testing.TB) string {
	return builtOf(t, "gateway-race", "gateway/cmd/gateway", "CGO_ENABLED=1", "-race")
}

// builtOf builds a program once for all tests of this package.
func builtOf(t testing.TB, name, source, environment string, flags ...string) string {
	t.Helper()
	binaries.Lock()
	defer binaries.Unlock()
	if path := binaries.path[name]; path != "" {
		return path
	}
	path := filepath.Join(binaries.dir, name)
	build := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), source)...)
	build.Env = append(os.Environ(), environment)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, out)
	}
	binaries.path[name] = path
	return path
}

// process is a running gateway.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	mu     sync.Mutex
	output bytes.Buffer
	lines  chan string
	done   chan struct{}
	err    error
}

// startProcess starts the program and collects what it prints. It is stopped when
// the test ends, if it still runs.
func startProcess(t testing.TB, path string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(path, args...), lines: make(chan string, 10000), done: make(chan struct{})}
	reader, writer, err := os.Pipe() // which a gateway that takes over has as well
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = writer, writer
	err = p.cmd.Start()
	writer.Close()
	if err != nil {
		t.Fatal(err)
	}
	collected := make(chan struct{})
	go func() {
		defer close(collected)
		defer reader.Close()
		p.collect(reader)
	}()
	go func() {
		p.err = p.cmd.Wait()
		select {
		case <-collected:
		case <-time.After(500 * time.Millisecond): // another process still writes
		}
		close(p.done)
	}()
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("%s printed:\n%s", filepath.Base(path), p.text())
		}
	})
	return p
}

// end stops the program as an admin would, so that it takes its backends along,
// and kills it if that is of no use. At a second signal it leaves them alone, so
// that it has its time before.
func (p *process) end() {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM, syscall.SIGKILL} {
		p.cmd.Process.Signal(s)
		select {
		case <-p.done:
			return
		case <-time.After(15 * time.Second):
		}
	}
	<-p.done
}

// kill is for a program that takes its time to end.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

func (p *process) collect(reader io.Reader) {
	scanner := bufio.NewScanner(reader)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		p.mu.Lock()
		p.output.WriteString(scanner.Text() + "\n")
		p.mu.Unlock()
		select {
		case p.lines <- scanner.Text():
		default:
		}
	}
	close(p.lines)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// waitFor returns the first line that has the words, or fails the test.
func (p *process) waitFor(words string) string {
	p.t.Helper()
	line, ok := p.printed(words, patience)
	if !ok {
		p.t.Fatalf("did not print %q in time:\n%s", words, p.text())
	}
	return line
}

// printed is waitFor with a time of its own.
func (p *process) printed(words string, within time.Duration) (line string, ok bool) {
	p.t.Helper()
	timeout := time.After(within)
	for {
		select {
		case line, open := <-p.lines:
			if !open {
				p.t.Fatalf("ended without printing %q:\n%s", words, p.text())
			}
			if strings.Contains(line, words) {
				return line, true
			}
		case <-timeout:
			return "", false
		}
	}
}

// signal sends one to the program.
func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// exitCode waits for the end.
func (p *process) exitCode() int {
	p.t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("still running:\n%s", p.text())
		return -1
	}
}

// startGateway writes the configuration, starts the program with it, and waits
// until it serves.
func startGateway(t testing.TB, binary, configuration string) *process {
	t.Helper()
	p := startProcess(t, binary, "run", "-c", writeFile(t, t.TempDir(), "config.toml", configuration))
	p.waitFor("serving")
	return p
}

// oneSite is a configuration with one site, whose certificate lies in a folder,
// in front of one backend; more is put above the sites. The control socket is the
// test's own.
func oneSite(t testing.TB, certificates string, port int, backend, more string) string {
	if !strings.Contains(more, "[admin]") {
		more += "\n" + adminTable(t)
	}
	return fmt.Sprintf(`
state = %q
%s
[[site]]
name = "api.example.com"
listen = ["127.0.0.1:%d"]
certificate = "files"
files = %q
backend = "api"
[[backend]]
name = "api"
url = %q
`, t.TempDir(), more, port, certificates, backend)
}

func writeFile(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func notifyTerm(c chan<- os.Signal) { signal.Notify(c, syscall.SIGTERM) }

// freePort is a port that is the test's own until its end. A socket that does not
// listen holds it, so that the system gives it to nobody else, neither to who
// listens on port 0 nor to a connection; and the socket lets a program of the test
// listen on it, as all do that set SO_REUSEADDR.
func freePort(t testing.TB) int {
	t.Helper()
	syscall.ForkLock.RLock()
	holder, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(holder)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(holder) })
	if err := syscall.SetsockoptInt(holder, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(holder, &syscall.SockaddrInet4{}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(holder)
	if err != nil {
		t.Fatal(err)
	}
	return name.(*syscall.SockaddrInet4).Port
}

// authority is a certificate authority with an intermediate, as public ones are.
type authority struct {
	root, issuer *x509.Certificate
	issuerKey    *ecdsa.PrivateKey
	pool         *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	rootKey, issuerKey := newKey(t), newKey(t)
	root := newCertificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "Test Root"}, IsCA: true}, nil, rootKey, rootKey)
	issuer := newCertificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "Test Issuer"}, IsCA: true}, root, issuerKey, rootKey)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return &authority{root: root, issuer: issuer, issuerKey: issuerKey, pool: pool}
}

// install writes a certificate for the names into a new folder, in three files
// named as a CA hands them out.
func (a *authority) install(t testing.TB, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	a.installIn(t, dir, names...)
	return dir
}

func (a *authority) installIn(t testing.TB, dir string, names ...string) {
	t.Helper()
	a.installUntil(t, dir, time.Time{}, names...)
}

// installUntil sets the certificate's end; the zero time: 90 days from now.
func (a *authority) installUntil(t testing.TB, dir string, until time.Time, names ...string) {
	t.Helper()
	key := newKey(t)
	leaf := newCertificate(t, &x509.Certificate{
		Subject:     pkix.Name{CommonName: names[0]},
		NotAfter:    until,
		DNSNames:    names,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.issuer, key, a.issuerKey)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "1_root_bundle.crt", pemOf("CERTIFICATE", a.issuer.Raw)+pemOf("CERTIFICATE", a.root.Raw))
	writeFile(t, dir, "2_"+names[0]+".crt", pemOf("CERTIFICATE", leaf.Raw))
	writeFile(t, dir, "3_"+names[0]+".key", pemOf("PRIVATE KEY", der))
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newCertificate(t testing.TB, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(90 * 24 * time.Hour)
	}
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if template.IsCA {
		template.KeyUsage |= x509.KeyUsageCertSign
	}
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// client trusts the authority and reaches every name at 127.0.0.1.
func (a *authority) client(t testing.TB, http2 bool) *http.Client {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: a.pool},
		ForceAttemptHTTP2:   http2,
		DialContext:         dialLoopback,
		MaxIdleConnsPerHost: 100,
	}
	if !http2 {
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func dialLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
}

// residentPeak is the most memory the process had resident, in KiB.
func residentPeak(t testing.TB, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skipf("resident memory is read from /proc, which is not here: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		var kib int
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
			return kib
		}
	}
	t.Fatal("no VmHWM in /proc/PID/status")
	return 0
}
