package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
)

// routeSilent is a backend that accepts and never answers.
func routeSilent(t *testing.T) string {
	t.Helper()
	return routeRawBackend(t, func(c *net.TCPConn, _ *http.Request) { _, _ = io.Copy(io.Discard, c) })
}

// routeRefusing is an address at which nothing listens.
// routeRefusing is an address that refuses connections: a socket that is bound,
// so that nobody else gets the port, and does not listen.
func routeRefusing(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", bound.(*syscall.SockaddrInet4).Port)
}

func TestFailure_OfTheBackendHasItsOwnStatusAndReason(t *testing.T) {
	for name, c := range map[string]struct {
		url    string
		status int
		reason string
		told   bool
	}{
		"refused":      {routeRefusing(t), 502, "backend refused the connection", true},
		"no socket":    {"unix:" + t.TempDir() + "/none.sock", 502, "backend refused the connection", true},
		"silent":       {routeSilent(t), 504, "backend did not answer in time", true},
		"closed":       {routeAnswers(t, ""), 502, "backend closed the connection before it answered", true},
		"half a head":  {routeAnswers(t, "HTTP/1.1 200 OK\r\nX-Half: head\r\n"), 502, "backend closed the connection before it answered", true},
		"not HTTP":     {routeAnswers(t, "SSH-2.0-OpenSSH_9.6\r\n"), 502, "backend's answer is not valid HTTP", false},
		"bad header":   {routeAnswers(t, "HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), 502, "backend's answer is not valid HTTP", false},
		"unasked 101":  {routeAnswers(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"), 502, "backend's answer is not valid HTTP", false},
		"huge head":    {routeAnswers(t, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 2<<20)+"\r\n\r\n"), 502, "backend's answer is not valid HTTP", false},
		"two lengths":  {routeAnswers(t, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), 502, "backend's answer is not valid HTTP", false},
		"reset":        {routeRawBackend(t, func(c *net.TCPConn, _ *http.Request) { _ = c.SetLinger(0) }), 502, "backend closed the connection before it answered", true},
		"not that TLS": {"https" + strings.TrimPrefix(frontBackend(t, frontEcho).URL, "http"), 502, "backend's answer is not valid HTTP", false},
	} {
		t.Run(name, func(t *testing.T) {
			patience := time.Minute // that a busy machine does not make it a timeout
			if c.status == 504 {
				patience = 300 * time.Millisecond
			}
			f := newFront(t, frontConfig(c.url, func(c *Config) { c.Timeouts.FirstByte = patience }))
			bothProtocols(t, f, func(t *testing.T, client *http.Client) {
				r, _ := http.NewRequest("POST", "https://api.example.com/secret-path?q=secret", strings.NewReader("body"))
				res, page := frontDo(t, client, r)
				x := frontWait(t, f.exchanges, "the exchange")
				if res.StatusCode != c.status || x.failure != c.reason || (len(f.unreachable) > 0) != c.told {
					t.Errorf("%d %q told %d; log %s", res.StatusCode, x.failure, len(f.unreachable), f.log)
				}
				for len(f.unreachable) > 0 {
					<-f.unreachable
				}
				checkErrorJSON(t, res, page, x.id)
				if strings.Contains(page, "127.0.0.1") || strings.Contains(page, "refused") || strings.Contains(f.log.String(), "q=secret") {
					t.Errorf("internals leaked: %s %s", page, f.log)
				}
			})
		})
	}
}

func checkErrorJSON(t *testing.T, res *http.Response, page, id string) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal([]byte(page), &got); err != nil {
		t.Fatalf("%q: %v", page, err)
	}
	if got["error"] == "" || got["request_id"] != id || got["status"] != float64(res.StatusCode) {
		t.Errorf("page %v, id %s", got, id)
	}
	if res.Header.Get("Content-Type") != "application/json" || res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Request-Id") != id {
		t.Errorf("headers %v", res.Header)
	}
}

func TestFailure_ConnectTimeoutIs504(t *testing.T) {
	f := backendFailure(&unreachableError{&net.OpError{Op: "dial", Err: context.DeadlineExceeded}})
	if f.status != 504 || !f.backendBad {
		t.Errorf("%+v", f)
	}
}

func TestFailure_UntrustedCertificateOfABackendIs502(t *testing.T) {
	backend := httptest.NewTLSServer(http.HandlerFunc(frontEcho))
	t.Cleanup(backend.Close)
	backend.Config.ErrorLog = nil
	f := newFront(t, frontConfig(backend.URL))
	if res, _ := frontGet(t, f.client(t, false), "https://api.example.com/"); res.StatusCode != 502 {
		t.Errorf("status %d", res.StatusCode)
	}
	if x := frontWait(t, f.exchanges, "the exchange"); x.failure != "backend's certificate was not accepted" {
		t.Errorf("%q", x.failure)
	}
}

func TestFailure_OfTheClientGoesBeforeTheBackends(t *testing.T) {
	broken := errors.New("write: broken pipe")
	for _, c := range []struct {
		circumstances
		status int
	}{
		{circumstances{body: errBodyTooLarge}, 413},
		{circumstances{body: errBodyTooSlow}, 408},
		{circumstances{body: fmt.Errorf("%w", errors.Join(errBodyMalformed, broken))}, 400},
		{circumstances{body: errBodyCutShort}, 499},
		{circumstances{client: context.Canceled}, 499},
		{circumstances{client: ErrDraining}, 503},
		{circumstances{}, 502},
	} {
		if f := failureOf(broken, c.circumstances); f.status != c.status || !errors.Is(f.cause, broken) {
			t.Errorf("%+v: %+v", c.circumstances, f)
		}
	}
}

func TestFailure_IsLoggedInOneLine(t *testing.T) {
	f := newFront(t, frontConfig(routeRefusing(t)))
	frontGet(t, f.client(t, false), "https://api.example.com/a%0ab?secret=1", "X-Request-Id", "id-1")
	log := f.log.String()
	if strings.Count(log, "\n") != 1 || !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "request_id=id-1") || !strings.Contains(log, "connection refused") {
		t.Errorf("log %q", log)
	}
}

func TestPages_AreHTMLForBrowsersAndJSONForTheRest(t *testing.T) {
	f := newFront(t, frontConfig(routeRefusing(t)))
	for accept, html := range map[string]bool{
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": true, "": false, "*/*": false, "application/json": false,
		"application/json, TEXT/HTML;q=0.5": true, "text/html;q=0, */*": false, "text/html; q=0.0": false,
	} {
		res, page := frontGet(t, f.client(t, true), "https://api.example.com/", "Accept", accept)
		if got := strings.HasPrefix(page, "<!doctype html>"); got != html || html != strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
			t.Errorf("Accept %q: %s", accept, page)
		}
		if html && !strings.Contains(page, res.Header.Get("X-Request-Id")) {
			t.Error("the page does not show the request's id")
		}
	}
	r, _ := http.NewRequest("HEAD", "https://api.example.com/", nil)
	if res, page := frontDo(t, f.client(t, false), r); res.StatusCode != 502 || page != "" {
		t.Errorf("HEAD: %d %q", res.StatusCode, page)
	}
}

func TestPages_OfTheBackendPassUntouched(t *testing.T) {
	f := newFront(t, frontConfig(routeAnswers(t, "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nmine")))
	if res, body := frontGet(t, f.client(t, true), "https://api.example.com/", "Accept", "text/html"); res.StatusCode != 503 || body != "mine" || res.Header.Get("Retry-After") != "7" {
		t.Errorf("%d %q %v", res.StatusCode, body, res.Header)
	}
}

func TestPages_SayWhenToComeBack(t *testing.T) {
	p, err := newPages()
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	p.write(w, httptest.NewRequest("GET", "/", nil), failureOf(context.Canceled, circumstances{client: ErrDraining}), "id", nil)
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestUpstream_BoundsTheWaitForAConnection(t *testing.T) {
	release := make(chan struct{})
	busy := make(chan struct{}, 10)
	backend := frontBackend(t, func(http.ResponseWriter, *http.Request) { busy <- struct{}{}; <-release })
	f := newFront(t, frontConfig(backend.URL, func(c *Config) {
		c.Backends[0].Connections = 1
		c.Timeouts.FirstByte = 20 * time.Second
	}))
	first := make(chan int, 1)
	client := f.client(t, true)
	go func() {
		if res, err := client.Get("https://api.example.com/"); err == nil {
			res.Body.Close()
			first <- res.StatusCode
		}
	}()
	<-busy
	time.AfterFunc(100*time.Millisecond, func() { close(release) })
	if res, _ := frontGet(t, client, "https://api.example.com/"); res.StatusCode != 200 {
		t.Errorf("a request that had to wait a little: %d", res.StatusCode)
	}
	if status := frontWait(t, first, "the first answer"); status != 200 {
		t.Errorf("first: %d", status)
	}
}

func TestUpstream_SaysWhenAllConnectionsAreBusy(t *testing.T) {
	release := make(chan struct{})
	busy := make(chan struct{}, 10)
	backend := frontBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		busy <- struct{}{}
		<-release
	})
	f := newFront(t, frontConfig(backend.URL, func(c *Config) {
		c.Backends[0].Connections = 1
		c.Timeouts.FirstByte = time.Second // in which the first one's answer must begin
	}))
	client := f.client(t, true)
	first, err := client.Get("https://api.example.com/")
	if err != nil {
		t.Fatal(err)
	}
	<-busy
	if res, _ := frontGet(t, client, "https://api.example.com/"); res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	close(release)
	first.Body.Close()
}

func TestUpstream_PostDoesNotRideOnAnOldConnection(t *testing.T) {
	var connections []string
	backend := frontBackend(t, func(_ http.ResponseWriter, r *http.Request) { connections = append(connections, r.RemoteAddr) })
	cfg := frontConfig(backend.URL)
	f := newFront(t, cfg)
	address, _ := parseBackendURL(backend.URL)
	options, err := legOptions(cfg.Backends[0], cfg.Timeouts, address)
	if err != nil {
		t.Fatal(err)
	}
	if options.IdleTimeoutUnsafe > time.Second {
		t.Errorf("a connection counts as young for %v", options.IdleTimeoutUnsafe)
	}
	options.IdleTimeoutUnsafe = time.Nanosecond // every kept one is old
	f.handler.upstreams["api"].leg = newLeg(options)
	client := f.client(t, false)
	frontGet(t, client, "https://api.example.com/")
	for range 2 {
		r, _ := http.NewRequest("POST", "https://api.example.com/", strings.NewReader("x"))
		frontDo(t, client, r)
	}
	if connections[1] == connections[0] || connections[2] == connections[0] || connections[2] == connections[1] {
		t.Errorf("GET, POST, POST came over %v", connections)
	}
}

func TestUpstream_RetriesASafeRequestOnAStaleConnectionAndNoOther(t *testing.T) {
	served := make(chan string, 10)
	url := routeRawBackend(t, func(c *net.TCPConn, r *http.Request) {
		served <- r.Method
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") // and closes without a word
	})
	f := newFront(t, frontConfig(url))
	for range 20 {
		if res, _ := frontGet(t, f.client(t, true), "https://api.example.com/"); res.StatusCode != 200 {
			t.Fatalf("status %d", res.StatusCode)
		}
		<-served
	}
}

func TestUpstream_BackendThatStopsReadingIsNotWaitedForForEver(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	url := routeRawBackend(t, func(*net.TCPConn, *http.Request) { <-over })
	f := newFront(t, frontConfig(url, func(c *Config) { c.Timeouts.FirstByte = 300 * time.Millisecond }))
	r, _ := http.NewRequest("PUT", "https://api.example.com/", bytes.NewReader(make([]byte, 64<<20)))
	if res, _ := frontDo(t, f.client(t, true), r); res.StatusCode != 504 {
		t.Errorf("status %d", res.StatusCode)
	}
	if x := frontWait(t, f.exchanges, "the exchange"); x.failure != "backend stopped reading the request" {
		t.Errorf("%q", x.failure)
	}
}

func TestFailure_PredicatesKnowTheirErrors(t *testing.T) {
	if !isClosed(fmt.Errorf("read: %w", syscall.ECONNRESET)) || isClosed(errors.New("malformed HTTP response")) {
		t.Error("isClosed")
	}
	if isTimeout(errors.New("x")) || !isTimeout(&net.OpError{Op: "dial", Err: context.DeadlineExceeded}) {
		t.Error("isTimeout")
	}
}

func TestFailure_TellsHowLongAndHowOftenTheRequestHadTried(t *testing.T) {
	x := &exchange{id: "1", held: 1500 * time.Millisecond, tries: 2}
	c := &call{r: httptest.NewRequest(http.MethodGet, "/", nil), exchange: x}
	told := map[string]string{}
	for _, attr := range (failure{status: http.StatusBadGateway}).attributes(c) {
		told[attr.Key] = attr.Value.String()
	}
	if told["held"] != "1.5s" || told["tries"] != "2" || told["status"] != "502" {
		t.Errorf("it tells %v", told)
	}
}
