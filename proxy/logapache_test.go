package proxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// logTestFormats are compared with Apache's, each in a log of its own.
var logTestFormats = []string{
	"common",
	"combined",
	`%a %A %B %H %m %% "%!200,304{User-Agent}i" %404,204{User-Agent}i %>s %<s`,
	`%U %q %V\t%v %k %X %u %R`,
	`%{X-Dup}i|%{x-none}i|%{Content-Type}o|%{X-Dup}o|%{Set-Nothing}o|lit\\\q`,
	`%T %{s}T %{%Y|%C|%y|%%|%n|%t|%B}t %{end:%Y}t %{begin:%G-%V}t`,
}

// logTestRequests are sent byte for byte to both servers.
var logTestRequests = []string{
	"GET / HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: curl/8\r\nReferer: https://a.example/x?y=1&z\r\n",
	"GET /a\"b HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: a\"b\\c\tend\r\nReferer: \"\\\r\n",
	"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: caf\xc3\xa9 \xff\xfe \x80\r\n",
	"GET /%63%61f%C3%A9%20x?a=%22%5c&b=1+2;c HTTP/1.1\r\nHost: api.example.com\r\n",
	"GET /noua HTTP/1.1\r\nHost: api.example.com\r\n",
	"GET /emptyua HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent:\r\nReferer:   \r\n",
	"GET /longua HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: " + strings.Repeat("long ", 900) + "\r\n",
	"GET /longreferer HTTP/1.1\r\nHost: api.example.com\r\nReferer: http://x/" + strings.Repeat("\xe4\xb8\xad", 800) + "\r\n",
	"HEAD /head HTTP/1.1\r\nHost: api.example.com\r\n",
	"GET /status/204 HTTP/1.1\r\nHost: api.example.com\r\n",
	"GET /status/304 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: x\r\n",
	"GET /status/404 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: x\r\n",
	"GET /status/500 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: x\r\n",
	"GET /status/302 HTTP/1.1\r\nHost: api.example.com\r\n",
	"GET /empty HTTP/1.1\r\nHost: api.example.com\r\n",
	"GET /chunked HTTP/1.1\r\nHost: api.example.com\r\n",
	"GET /large HTTP/1.1\r\nHost: api.example.com\r\n",
	"GET /q? HTTP/1.1\r\nHost: API.Example.com\r\n",
	"GET /q?? HTTP/1.1\r\nHost: api.example.com\r\n",
	"GET http://api.example.com/absolute?x=y HTTP/1.1\r\nHost: api.example.com\r\n",
	"POST /post?x HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 3\r\n\r\nabc",
	"PUT /put HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	"DELETE /x HTTP/1.1\r\nHost: api.example.com\r\n",
	"OPTIONS /x HTTP/1.1\r\nHost: api.example.com\r\n",
	"PROPFIND /x HTTP/1.1\r\nHost: api.example.com\r\n",
	"GET /ten HTTP/1.0\r\n",
	"GET /ten HTTP/1.0\r\nHost: api.example.com\r\nConnection: keep-alive\r\n",
	"GET /dup HTTP/1.1\r\nHost: api.example.com\r\nX-Dup: 1\r\nx-dup: 2\r\nUser-Agent: one\r\n",
	"GET /auth HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Basic dXNlcjpwYXNz\r\n",
}

func TestAccessLog_PrintsTheLinesThatARealApachePrints(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(logTestBackend))
	t.Cleanup(backend.Close)
	logs := t.TempDir()
	apache := logTestApache(t, backend.URL, logs)

	statuses := make([]string, len(logTestRequests))
	for i, request := range logTestRequests {
		statuses[i] = logTestExchange(t, apache, request)
		logTestWaitLines(t, filepath.Join(logs, "access0.log"), i+1) // for Apache's threads may log in any order
	}
	for i, format := range logTestFormats {
		want := logTestWaitLines(t, filepath.Join(logs, fmt.Sprintf("access%d.log", i)), len(logTestRequests))
		ours := logTestGateway(t, backend.URL, format)
		for j, request := range logTestRequests {
			if got := logTestExchange(t, ours.address, request); got != statuses[j] {
				t.Errorf("%.60q: status %s, Apache's %s", request, got, statuses[j])
			}
		}
		logTestCompare(t, format, ours.stop(), want)
	}
}

func logTestCompare(t *testing.T, format string, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("format %s: %d lines, Apache has %d", format, len(got), len(want))
	}
	for i := range want {
		if g, w := logTestNormal(got[i]), logTestNormal(want[i]); g != w {
			t.Errorf("format %s\nrequest %.80q\n   ours %s\n Apache %s", format, logTestRequests[i], g, w)
		}
	}
}

func logTestBackend(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if r.URL.Path != "/status/204" { // where Apache would print a type that it does not send
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	w.Header()["X-Dup"] = []string{"one", "two"}
	var status int
	switch _, _ = fmt.Sscanf(r.URL.Path, "/status/%d", &status); {
	case status == 302:
		w.Header().Set("Location", "/elsewhere")
		fallthrough
	case status != 0:
		w.WriteHeader(status)
		if status != 204 && status != 304 {
			_, _ = io.WriteString(w, "body of a status")
		}
	case r.URL.Path == "/empty":
	case r.URL.Path == "/chunked":
		_, _ = io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "second")
	case r.URL.Path == "/large":
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
	default:
		_, _ = io.WriteString(w, "hello")
	}
}

type logTestServer struct {
	address string
	stop    func() []string
}

// logTestGateway is an access log in front of a plain reverse proxy.
func logTestGateway(t *testing.T, backend, format string) logTestServer {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.log")
	log, err := NewAccessLog(LogConfig{Access: path, Format: format}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stop := logTestRun(t, log)
	target, _ := url.Parse(backend)
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchangeOf(r.Context())
		x.site, x.backend = "api.example.com", "api"
		proxy := httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Header.Del("If-Modified-Since")
		}}
		proxy.ServeHTTP(w, r)
	})
	server := httptest.NewServer(log.Wrap(site))
	t.Cleanup(server.Close)
	return logTestServer{server.Listener.Addr().String(), func() []string {
		server.Close()
		stop()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	}}
}

// logTestRun opens a log and runs it until the returned function or the end of the test.
func logTestRun(t *testing.T, log *AccessLog) (stop func()) {
	t.Helper()
	if err := log.Open(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- log.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// logTestExchange sends a raw request and returns the status code of the
// answer, when the server is done with it.
func logTestExchange(t *testing.T, address, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if head, body, found := strings.Cut(request, "\r\n\r\n"); found {
		request = head + "\r\nConnection: close\r\n\r\n" + body
	} else if strings.Contains(request, "Connection:") {
		request += "\r\n"
	} else {
		request += "Connection: close\r\n\r\n"
	}
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("%.60q: %v", request, err)
	}
	if !strings.Contains(request, "keep-alive") {
		_, _ = io.Copy(io.Discard, r)
	}
	_, code, _ := strings.Cut(line, " ")
	return code[:3]
}

const logTestApacheConfig = `
ServerRoot %[1]q
PidFile %[1]s/pid
ErrorLog %[1]s/error.log
LogLevel warn
Mutex pthread
Listen %[2]s
ServerName api.example.com
LoadModule mpm_event_module %[3]s/mod_mpm_event.so
LoadModule authz_core_module %[3]s/mod_authz_core.so
LoadModule proxy_module %[3]s/mod_proxy.so
LoadModule proxy_http_module %[3]s/mod_proxy_http.so
StartServers 1
ThreadsPerChild 4
MaxRequestWorkers 4
ServerLimit 1
User nobody
Group nogroup
ProxyRequests Off
ProxyPreserveHost On
ProxyPass / %[4]s/
ProxyPassReverse / %[4]s/
LogFormat "%%h %%l %%u %%t \"%%r\" %%>s %%b" common
LogFormat "%%h %%l %%u %%t \"%%r\" %%>s %%b \"%%{Referer}i\" \"%%{User-Agent}i\"" combined
`

// logTestApache starts a real Apache httpd and returns its address.
func logTestApache(t *testing.T, backend, logs string) string {
	t.Helper()
	binary, err := exec.LookPath("apache2")
	const modules = "/usr/lib/apache2/modules"
	if _, missing := os.Stat(modules + "/mod_proxy_http.so"); err != nil || missing != nil {
		t.Skip("no Apache httpd to compare with: install the Debian package apache2")
	}
	address := frontFreeAddress(t)
	config := fmt.Sprintf(logTestApacheConfig, logs, address, modules, backend)
	for i, format := range logTestFormats {
		quoted := strings.NewReplacer(`\\`, `\\\\`, `"`, `\"`).Replace(format)
		config += fmt.Sprintf("CustomLog %s/access%d.log \"%s\"\n", logs, i, quoted)
	}
	path := filepath.Join(logs, "apache.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-f", path, "-DFOREGROUND")
	var output bytes.Buffer
	cmd.Stderr = &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			errors, _ := os.ReadFile(filepath.Join(logs, "error.log"))
			t.Logf("Apache said: %s%s", output.String(), errors)
		}
	})
	logTestEventually(t, "Apache answers", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return address
}

func logTestEventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func logTestWaitLines(t *testing.T, path string, n int) []string {
	t.Helper()
	var lines []string
	logTestEventually(t, path+" has all lines", func() bool {
		text, _ := os.ReadFile(path)
		lines = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		return len(lines) >= n && strings.HasSuffix(string(text), "\n")
	})
	return lines
}

var logTestTime = regexp.MustCompile(`\[\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]`)

// logTestNormal takes out what two servers cannot have in common: the second.
func logTestNormal(line string) string { return logTestTime.ReplaceAllString(line, "[time]") }
