package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// loggedGateway is a gateway with log files, in front of a backend that says hello.
type loggedGateway struct {
	*process
	dir     string
	address string
	ca      *authority
}

func startLoggedGateway(t *testing.T, format string) *loggedGateway {
	t.Helper()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "s3cret"})
		fmt.Fprint(w, "hello")
	}))
	t.Cleanup(backend.Close)
	ca, dir, port := newAuthority(t), t.TempDir(), freePort(t)
	p := startProcess(t, builtGateway(t), "run", "-c", writeFile(t, dir, "config.toml", fmt.Sprintf(`
state = "%[1]s/state"
[log]
access = "%[1]s/access.log"
error = "%[1]s/error.log"
level = "debug"
format = '%[2]s'
[[site]]
name = "api.example.com"
listen = ["127.0.0.1:%[3]d"]
certificate = "files"
files = "%[4]s"
backend = "api"
[[backend]]
name = "api"
url = "%[5]s"
[admin]
socket = "%[1]s/admin.sock"
`, dir, format, port, ca.install(t, "api.example.com"), backend.URL)))
	g := &loggedGateway{process: p, dir: dir, address: fmt.Sprintf("127.0.0.1:%d", port), ca: ca}
	g.waitForText(t, "error.log", "msg=serving")
	return g
}

// waitForText waits until a log file holds the words, and returns all of it.
func (g *loggedGateway) waitForText(t *testing.T, name, words string) string {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(filepath.Join(g.dir, name)); err == nil && strings.Contains(string(text), words) {
			return string(text)
		}
	}
	t.Fatalf("%s never held %q", name, words)
	return ""
}

// exchange sends one raw request over TLS and returns how many bytes came back.
func (g *loggedGateway) exchange(t *testing.T, request string) int {
	t.Helper()
	c, err := tls.Dial("tcp", g.address, &tls.Config{RootCAs: g.ca.pool, ServerName: "api.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return len(answer)
}

func TestLogs_AreReopenedOnSIGUSR1AndCountTheBytesInsideTLS(t *testing.T) {
	t.Parallel()
	g := startLoggedGateway(t, "%U %I %O")
	for i, target := range []string{"/first", "/second"} {
		request := "GET " + target + " HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n"
		received := g.exchange(t, request)
		want := fmt.Sprintf("%s %d %d\n", target, len(request), received)
		if got := g.waitForText(t, "access.log", target); got != want {
			t.Errorf("log holds %q, want %q", got, want)
		}
		if i == 0 {
			g.rotateByHand(t)
		}
	}
	g.signal(syscall.SIGTERM)
	if code := g.exitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func (g *loggedGateway) rotateByHand(t *testing.T) {
	t.Helper()
	for _, name := range []string{"access.log", "error.log"} {
		path := filepath.Join(g.dir, name)
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
	}
	g.signal(syscall.SIGUSR1)
	g.waitForText(t, "access.log", "")
	g.waitForText(t, "error.log", "")
}

func TestLogs_HoldNoSecrets(t *testing.T) {
	t.Parallel()
	g := startLoggedGateway(t, `%r %q %{Referer}i %{Cookie}i %{Authorization}i %{Set-Cookie}o`)
	g.exchange(t, "GET /login?js_code=s3cret&appid=wx1&session%5Fkey=s3cret HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n"+
		"Cookie: a=s3cret\r\nAuthorization: Basic s3cret\r\nReferer: https://x/?access_token=s3cret\r\n\r\n")
	g.exchange(t, "GET /%zz?password=s3cret HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n") // refused, which both logs tell
	access := g.waitForText(t, "access.log", "/%zz?password=[hidden]")
	errors := g.waitForText(t, "error.log", "percent-encoding")
	if strings.Contains(access+errors, "s3cret") {
		t.Errorf("access log:\n%serror log:\n%s", access, errors)
	}
	if want := "GET /login?js_code=[hidden]&appid=wx1&session%5Fkey=[hidden] HTTP/1.1 "; !strings.HasPrefix(access, want) {
		t.Errorf("access log:\n%swant %s", access, want)
	}
}
