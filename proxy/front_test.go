package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// front is a real server with a Handler behind it, spoken to over HTTP/1.1,
// HTTP/2 and raw sockets.
type front struct {
	*httptest.Server
	handler     *Handler
	log         *syncBuffer
	unreachable chan string
	exchanges   chan *exchange
	plain       *httptest.Server // the same handler without TLS
	addr        string           // where clients go
}

type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// frontConfig is one site with one backend and the defaults.
func frontConfig(backend string, change ...func(*Config)) Config {
	cfg := Config{
		Log:      DefaultLog(),
		Limits:   DefaultLimits(),
		Timeouts: DefaultTimeouts(),
		Sites:    []Site{{Name: "api.example.com", Listen: []string{":443"}, Backend: "api"}},
		Backends: []Backend{{Name: "api", URL: backend, Hold: new(time.Duration)}},
	}
	for _, f := range change {
		f(&cfg)
	}
	return cfg
}

// testGeneral has every request of these tests go the general way: served by
// net/http, passed on by httputil.ReverseProxy and, with -tags nethttp, sent by
// net/http's Transport: GATEWAY_TEST_PATH=general go test -tags nethttp ./proxy.
func testGeneral() bool { return os.Getenv("GATEWAY_TEST_PATH") == "general" }

func newFront(t *testing.T, cfg Config, change ...func(*Handler)) *front {
	t.Helper()
	f := &front{log: &syncBuffer{}, unreachable: make(chan string, 100), exchanges: make(chan *exchange, 1000)}
	var err error
	f.handler, err = NewHandler(cfg, Deps{
		Log:         slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Unreachable: func(backend string) { f.unreachable <- backend },
	})
	if err != nil {
		t.Fatal(err)
	}
	f.handler.general = testGeneral()
	for _, c := range change {
		c(f.handler)
	}
	noted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{conn: connOf(r.Context()), start: time.Now()}
		defer func() { f.exchanges <- x }()
		f.handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), exchangeKey, x)))
	})
	f.Server = httptest.NewUnstartedServer(noted)
	f.Config.DisableGeneralOptionsHandler = true
	f.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey, &conn{endpoint: ":443", local: c.LocalAddr(), remote: c.RemoteAddr(), tls: &tls.ConnectionState{}})
	}
	f.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	//lint:ignore SA1019 gateway serves HTTP/2 with x/net, and so do these tests
	if err := http2.ConfigureServer(f.Config, &http2.Server{}); err != nil {
		t.Fatal(err)
	}
	f.StartTLS()
	f.addr = f.Listener.Addr().String()
	f.plain = httptest.NewUnstartedServer(noted)
	f.plain.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey, &conn{endpoint: ":443", local: c.LocalAddr(), remote: c.RemoteAddr()})
	}
	f.plain.Start()
	t.Cleanup(func() { f.plain.Close(); f.Close(); f.handler.Close() })
	return f
}

// newServedFront is a front whose clients arrive at gateway's own server: TLS and
// plain HTTP on one port, behind the wire guards.
func newServedFront(t *testing.T, cfg Config, change ...func(*Handler)) *front {
	t.Helper()
	f := newFront(t, cfg, change...)
	config := f.TLS.Clone()
	config.NextProtos = []string{"h2", "http/1.1"}
	s := NewServer(Options{Limits: cfg.Limits, Timeouts: cfg.Timeouts, TLS: config, Handler: f.Config.Handler, Log: newDiscardLog(), generalOnly: testGeneral()})
	if err := s.Bind(t.Context(), []string{"127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(context.Background()) }()
	t.Cleanup(func() { s.Close(); <-ended })
	f.addr = s.Addrs()["127.0.0.1:0"].String()
	return f
}

// client speaks HTTP/1.1 or HTTP/2 to the front, whatever host a URL names.
func (f *front) client(t *testing.T, h2 bool) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(f.Certificate())
	var protocols http.Protocols
	protocols.SetHTTP1(!h2)
	protocols.SetHTTP2(h2)
	transport := &http.Transport{
		Protocols:          &protocols,
		DisableCompression: true,
		TLSClientConfig:    &tls.Config{RootCAs: pool, ServerName: "example.com"},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, f.addr)
		},
		ExpectContinueTimeout: 5 * time.Second,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// raw is a TLS connection for HTTP/1.1 written by hand.
func (f *front) raw(t *testing.T) (*tls.Conn, *bufio.Reader) {
	t.Helper()
	c, err := tls.Dial("tcp", f.addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c, bufio.NewReader(c)
}

// bothProtocols runs a test over HTTP/1.1 and over HTTP/2.
func bothProtocols(t *testing.T, f *front, test func(t *testing.T, client *http.Client)) {
	t.Helper()
	for name, h2 := range map[string]bool{"http1": false, "http2": true} {
		t.Run(name, func(t *testing.T) { test(t, f.client(t, h2)) })
	}
}

// frontBackend is a real backend on loopback.
func frontBackend(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

func frontEcho(w http.ResponseWriter, r *http.Request) { _ = r.Write(w) }

func frontGet(t *testing.T, client *http.Client, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return frontDo(t, client, r, headers...)
}

func frontDo(t *testing.T, client *http.Client, r *http.Request, headers ...string) (*http.Response, string) {
	t.Helper()
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1])
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// frontRaw sends bytes as they are and gives back what comes until the end.
func frontRaw(t *testing.T, f *front, request string) string {
	t.Helper()
	c, r := f.raw(t)
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(r)
	return string(answer)
}

// frontWait waits for one value, for a bounded time.
func frontWait[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(time.Minute):
		t.Fatalf("%s did not happen", what)
		panic("not reached")
	}
}

func TestHandler_ProxiesAGetOverBothProtocols(t *testing.T) {
	backend := frontBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Backend", "yes")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, r.Host+r.URL.Path+"|"+r.Proto)
	})
	f := newFront(t, frontConfig(backend.URL))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		res, body := frontGet(t, client, "https://api.example.com/x")
		if res.StatusCode != 418 || body != "api.example.com/x|HTTP/1.1" || res.Header.Get("X-Backend") != "yes" {
			t.Fatalf("%d %q %v", res.StatusCode, body, res.Header)
		}
		if len(res.Header.Get("X-Request-Id")) != 32 {
			t.Errorf("X-Request-Id: %q", res.Header.Get("X-Request-Id"))
		}
		x := frontWait(t, f.exchanges, "the exchange")
		if x.site != "api.example.com" || x.backend != "api" || x.tries != 1 || x.firstByte <= 0 || x.client != "127.0.0.1" || x.failure != "" {
			t.Errorf("exchange %+v", x)
		}
	})
}

func TestHandler_WorksWithoutAServerOfOurs(t *testing.T) {
	backend := frontBackend(t, frontEcho)
	h, err := NewHandler(frontConfig(backend.URL), Deps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "http://api.example.com/p", strings.NewReader("body")))
	if w.Code != 200 || !strings.Contains(w.Body.String(), "body") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
}

func newDiscardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

func listenUnix(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// frontFreeAddress is an address that is the test's own until its end, and at
// which nobody listens. A socket that is bound and does not listen holds it, so
// that the system gives it to nobody else; whoever sets SO_REUSEADDR may listen
// there, as every net.Listen does.
func frontFreeAddress(t *testing.T) string {
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
	t.Cleanup(func() { _ = syscall.Close(holder) })
	if err := errors.Join(syscall.SetsockoptInt(holder, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(holder, &syscall.SockaddrInet4{})); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(holder)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}
