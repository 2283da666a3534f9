package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const twinName = "api.example.com"

// twinWorld is what both servers share: ports, certificate, backend.
type twinWorld struct {
	first, second int // the ports that stand for 443 and 7879
	authority     *authority
	files         string
	backend       *twinBackend
	log           string // where the server that runs writes its access log
}

func newTwinWorld(t *testing.T) *twinWorld {
	t.Helper()
	if _, err := exec.LookPath("apache2"); err != nil {
		without(t, "no Apache httpd to compare with: install the Debian package apache2")
	}
	ca := newAuthority(t)
	return &twinWorld{first: freePort(t), second: freePort(t), authority: ca, files: ca.install(t, twinName), backend: newTwinBackend(t)}
}

// answers starts a server and sends it all requests.
func (w *twinWorld) answers(t *testing.T, start func(t *testing.T) (stop func())) []twinAnswer {
	t.Helper()
	stop := start(t)
	defer stop()
	answers := make([]twinAnswer, len(twinCases))
	for i, c := range twinCases {
		answers[i] = w.ask(t, c)
	}
	return answers
}

func (w *twinWorld) ask(t *testing.T, c twinCase) twinAnswer {
	t.Helper()
	if c.down {
		w.backend.stop()
		defer w.backend.start(t)
	}
	w.backend.take() // what a retry of the case before left
	logged := len(w.logLines())
	port := w.second
	if c.first {
		port = w.first
	}
	conn := w.dial(t, port, c.plain)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, w.fill(c.request, port)); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("%s: %v", c.name, err)
	}
	if c.name == "cut request" {
		w.backend.waitAsked()
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}
	method, _, _ := strings.Cut(c.request, " ")
	answers := bufio.NewReader(conn)
	a := readTwinAnswer(answers, method)
	for range c.answers - 1 {
		a = readTwinAnswer(answers, method)
	}
	conn.Close()
	a.log = w.nextLogLines(logged, max(1, c.answers))
	a.seen = w.backend.take()
	return a
}

func (w *twinWorld) fill(request string, port int) string {
	return strings.NewReplacer(
		"HOST", fmt.Sprintf("%s:%d", twinName, port),
		"BACKENDADDR", w.backend.address,
		"BACKEND", strings.Replace(w.backend.address, "127.0.0.1", "localhost", 1),
	).Replace(request)
}

func (w *twinWorld) dial(t *testing.T, port int, plain bool) net.Conn {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", port)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if plain {
		return conn
	}
	secured := tls.Client(conn, &tls.Config{RootCAs: w.authority.pool, ServerName: twinName})
	if err := secured.Handshake(); err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	return secured
}

func (w *twinWorld) logLines() []string {
	text, _ := os.ReadFile(w.log)
	return strings.SplitAfter(string(text), "\n")[:bytes.Count(text, []byte("\n"))]
}

// nextLogLines waits for the n lines of a connection; "" if they do not come.
func (w *twinWorld) nextLogLines(before, n int) string {
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if lines := w.logLines(); len(lines) >= before+n {
			return strings.Join(lines[before:], "")
		}
		time.Sleep(2 * time.Millisecond)
	}
	return ""
}

// readTwinAnswer reads the whole answer: interim ones, the final one, its body.
func readTwinAnswer(r *bufio.Reader, method string) twinAnswer {
	var a twinAnswer
	for {
		head, err := r.Peek(5)
		if err != nil || string(head) != "HTTP/" {
			rest, _ := io.ReadAll(r) // an HTTP/0.9 answer has no head
			a.body = string(rest)
			return a
		}
		res, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			a.broken = true
			return a
		}
		a.status = strings.TrimSpace(a.status + " " + fmt.Sprint(res.StatusCode))
		if res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols {
			a.take(res)
			return a
		}
	}
}

func (a *twinAnswer) take(res *http.Response) {
	a.headers = map[string][]string(res.Header)
	if len(res.TransferEncoding) > 0 {
		a.headers["Transfer-Encoding"] = res.TransferEncoding
	}
	if res.Header.Get("Date") != "" {
		a.headers["Date"] = []string{"a date"}
	}
	body, err := io.ReadAll(res.Body)
	a.body, a.broken = string(body), err != nil
	for name, values := range res.Trailer {
		a.headers["trailer "+name] = values
	}
}

const twinApacheConfig = `
ServerRoot %[1]q
PidFile %[1]s/pid
ErrorLog %[1]s/error.log
Mutex pthread
ServerTokens OS
ServerSignature On
TraceEnable Off
LoadModule mpm_event_module %[2]s/mod_mpm_event.so
LoadModule authz_core_module %[2]s/mod_authz_core.so
LoadModule socache_shmcb_module %[2]s/mod_socache_shmcb.so
LoadModule ssl_module %[2]s/mod_ssl.so
LoadModule proxy_module %[2]s/mod_proxy.so
LoadModule proxy_http_module %[2]s/mod_proxy_http.so
LoadModule filter_module %[2]s/mod_filter.so
LoadModule deflate_module %[2]s/mod_deflate.so
AddOutputFilterByType DEFLATE text/html text/plain text/xml text/css application/json
StartServers 1
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
User nobody
Group nogroup
Listen 127.0.0.1:%[3]d
Listen 127.0.0.1:%[4]d
LogFormat "%%h %%l %%u %%t \"%%r\" %%>s %%b \"%%{Referer}i\" \"%%{User-Agent}i\"" combined
`

const twinApacheHost = `
<VirtualHost *:%[1]d>
ServerName %[2]s
SSLEngine on
SSLCertificateFile %[3]s/2_%[2]s.crt
SSLCertificateKeyFile %[3]s/3_%[2]s.key
SSLCertificateChainFile %[3]s/1_root_bundle.crt
ProxyRequests Off
ProxyPreserveHost On
ProxyPass / http://%[4]s/
ProxyPassReverse / http://%[4]s/
CustomLog %[5]s combined
</VirtualHost>
`

// startApache starts an httpd as Debian sets it up, with the two virtual hosts of an admin.
func (w *twinWorld) startApache(t *testing.T) (stop func()) {
	t.Helper()
	const modules = "/usr/lib/apache2/modules"
	if _, err := os.Stat(modules); err != nil {
		without(t, "Apache's modules are not where Debian puts them: %v", err)
	}
	dir := t.TempDir()
	w.log = filepath.Join(dir, "access.log")
	backend := strings.Replace(w.backend.address, "127.0.0.1", "localhost", 1)
	config := fmt.Sprintf(twinApacheConfig, dir, modules, w.first, w.second)
	for _, port := range []int{w.first, w.second} {
		config += fmt.Sprintf(twinApacheHost, port, twinName, w.files, backend, w.log)
	}
	p := startProcess(t, "apache2", "-f", writeFile(t, dir, "apache.conf", config), "-DFOREGROUND")
	w.waitListening(t, p)
	return func() {
		p.signal(syscall.SIGTERM)
		p.exitCode()
	}
}

const twinGatewayConfig = `
state = "%[1]s/state"
[log]
access = "%[1]s/access.log"
level = "debug"
[[site]]
name = "%[2]s"
listen = ["127.0.0.1:%[3]d", "127.0.0.1:%[4]d"]
plain = "proxy"
certificate = "files"
files = "%[5]s"
backend = "api"
[[backend]]
name = "api"
url = "http://%[6]s"
hold = "0s"
[admin]
socket = "%[1]s/admin.sock"
`

func (w *twinWorld) startGateway(t *testing.T) (stop func()) {
	t.Helper()
	dir := t.TempDir()
	w.log = filepath.Join(dir, "access.log")
	backend := strings.Replace(w.backend.address, "127.0.0.1", "localhost", 1)
	p := startGateway(t, builtGateway(t), fmt.Sprintf(twinGatewayConfig, dir, twinName, w.first, w.second, w.files, backend))
	return func() {
		p.signal(syscall.SIGTERM)
		p.exitCode()
	}
}

func (w *twinWorld) waitListening(t *testing.T, p *process) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.second)); err == nil {
			conn.Close()
			return
		}
		select {
		case <-p.done:
			t.Fatalf("ended: %s", p.text())
		default:
		}
	}
	t.Fatalf("does not listen: %s", p.text())
}

// twinBackend answers by path and keeps what it was asked.
type twinBackend struct {
	address string
	server  *httptest.Server
	asked   chan struct{}
	ended   chan struct{} // holds one: a body has

	mu      sync.Mutex
	reading int // requests whose bodies have not ended
	seen    *twinSeen
}

func newTwinBackend(t *testing.T) *twinBackend {
	t.Helper()
	b := &twinBackend{address: fmt.Sprintf("127.0.0.1:%d", freePort(t)), asked: make(chan struct{}, 100), ended: make(chan struct{}, 1)}
	b.start(t)
	t.Cleanup(b.stop)
	return b
}

func (b *twinBackend) start(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", b.address)
	if err != nil {
		t.Fatal(err)
	}
	b.server = httptest.NewUnstartedServer(b)
	b.server.Listener.Close()
	b.server.Listener = l
	b.server.Start()
}

func (b *twinBackend) stop() {
	b.server.CloseClientConnections()
	b.server.Close()
}

// take is what was asked last. A server may have its own answer to a request that
// is cut before the backend knows that it is.
func (b *twinBackend) take() *twinSeen {
	for deadline := time.NewTimer(patience); b.reads(); {
		select {
		case <-b.ended:
			continue
		case <-deadline.C:
		}
		break
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := b.seen
	b.seen = nil
	for len(b.asked) > 0 {
		<-b.asked
	}
	return seen
}

func (b *twinBackend) reads() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reading > 0
}

func (b *twinBackend) waitAsked() {
	select {
	case <-b.asked:
	case <-time.After(5 * time.Second): // a server may read the body before it asks
	}
}

func (b *twinBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.reading++
	b.mu.Unlock()
	b.asked <- struct{}{}
	body, err := io.ReadAll(r.Body)
	seen := &twinSeen{line: r.Method + " " + r.RequestURI + " " + r.Proto, headers: map[string][]string{"Host": {r.Host}}, body: string(body), broken: err != nil}
	for name, values := range r.Header {
		seen.headers[name] = values
	}
	for name, values := range r.Trailer {
		seen.headers["trailer "+name] = values
	}
	if len(r.TransferEncoding) > 0 {
		seen.headers["Transfer-Encoding"] = r.TransferEncoding
	} else if r.ContentLength > 0 {
		seen.headers["Content-Length"] = []string{fmt.Sprint(r.ContentLength)}
	}
	b.mu.Lock()
	b.seen = seen
	b.reading--
	b.mu.Unlock()
	select {
	case b.ended <- struct{}{}:
	default: // who waits has another look to come
	}
	w.Header()["X-Backend"] = []string{"1"}
	w.Header()["Date"] = []string{"Sun, 06 Nov 1994 08:49:37 GMT"}
	b.answer(w, r)
}

func (b *twinBackend) answer(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	var status int
	if _, err := fmt.Sscanf(r.URL.Path, "/status/%d", &status); err == nil {
		h.Set("WWW-Authenticate", `Basic realm="x"`)
		h.Set("Retry-After", "7")
		w.WriteHeader(status)
		if status != 204 {
			_, _ = io.WriteString(w, "status page")
		}
		return
	}
	if how, found := strings.CutPrefix(r.URL.Path, "/cut/"); found {
		cutShort(w, how)
		return
	}
	switch r.URL.Path {
	case "/ws":
		b.upgrade(w, r)
	case "/length":
		h.Set("Content-Length", "5")
		_, _ = io.WriteString(w, "12345")
	case "/chunked", "/trailers":
		h.Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "first ")
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "second")
		h.Set("X-Sum", "42")
	case "/early":
		h.Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		h.Del("Link")
		_, _ = io.WriteString(w, "after hints")
	case "/file":
		h.Set("ETag", `"v1"`)
		http.ServeContent(w, r, "file.bin", time.Unix(784111777, 0), strings.NewReader("0123456789"))
	case "/gzip":
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Type", "text/html")
		zip := gzip.NewWriter(w)
		_, _ = io.WriteString(zip, strings.Repeat("hello ", 100))
		_ = zip.Close()
	case "/html":
		h.Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, strings.Repeat("hello ", 100))
	default:
		b.answerFields(w, r)
	}
}

// answerFields answers with fields that a proxy may want to change.
func (b *twinBackend) answerFields(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	origin := "http://" + strings.Replace(b.address, "127.0.0.1", "localhost", 1)
	switch r.URL.Path {
	case "/cookies":
		h["Set-Cookie"] = []string{"a=1; Path=/; HttpOnly", "b=2; Path=/sub; Domain=localhost", "c=3; Domain=api.example.com; Secure", "d=\"4\""}
	case "/redirect":
		to, _ := url.QueryUnescape(strings.TrimPrefix(r.URL.RawQuery, "to="))
		h.Set("Location", to)
		w.WriteHeader(http.StatusFound)
	case "/content-location":
		h.Set("Content-Location", origin+"/cl")
		h.Set("Link", "<"+origin+"/l>; rel=next")
	case "/refresh":
		h.Set("Refresh", "0; url="+origin+"/r")
	case "/fields":
		for name, value := range map[string]string{"Server": "backend/1.0", "X-Powered-By": "tests", "Via": "1.0 fred", "Keep-Alive": "timeout=5",
			"Proxy-Authenticate": "Basic", "Cache-Control": "no-store", "Vary": "X", "X-Empty": "", "X-Bytes": "caf\xc3\xa9"} {
			h.Set(name, value)
		}
		h["X-Dup"] = []string{"1", "2"}
	case "/close":
		h.Set("Connection", "close")
	}
	if r.URL.Path != "/redirect" {
		_, _ = io.WriteString(w, "hello")
	}
}

// upgrade switches protocols if the request asks for it, and says a word in the new one.
func (b *twinBackend) upgrade(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "websocket" {
		http.Error(w, "this is for WebSockets", http.StatusUpgradeRequired)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nX-Backend: 1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi")
	_ = rw.Flush()
}

// cutShort ends a response in the middle.
func cutShort(w http.ResponseWriter, how string) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	switch how {
	case "length":
		_, _ = rw.WriteString("HTTP/1.1 200 OK\r\nX-Backend: 1\r\nContent-Type: text/x\r\nContent-Length: 100\r\n\r\nonly this")
	case "chunked":
		_, _ = rw.WriteString("HTTP/1.1 200 OK\r\nX-Backend: 1\r\nContent-Type: text/x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n")
	case "nonsense":
		_, _ = rw.WriteString("220 smtp.example.com ESMTP\r\n")
	}
	_ = rw.Flush()
}
