package proxy

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// wireBackend counts what reaches it.
func wireBackend(t *testing.T) (url string, connections *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	connections = new(atomic.Int64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			_ = c.Close()
		}
	}()
	return "http://" + l.Addr().String(), connections
}

func TestRefused_RequestsGetAPageAndALineAndNoBackend(t *testing.T) {
	url, reached := wireBackend(t)
	path := filepath.Join(t.TempDir(), "access.log")
	access, err := NewAccessLog(LogConfig{Access: path, Format: "common", MaxSize: 1 << 20, Keep: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := access.Open(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan error)
	go func() { written <- access.Run(ctx) }()
	lab := wireStart(t, wireEcho)
	handler, err := NewHandler(Config{
		Limits: wireOptions().Limits, Timeouts: DefaultTimeouts(), Backends: []Backend{{Name: "api", URL: url}},
		Sites: []Site{{Name: "example.com", Listen: []string{wireTLS}, Backend: "api", Default: true}},
	}, Deps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer handler.Close()
	lab.server.SetHandler(access.Wrap(handler))
	for _, test := range wireBad() {
		c := lab.dialTLS("http/1.1")
		_, _ = io.WriteString(c, test.raw+wireSmuggled) // fails when the server has seen enough
		statuses, bodies := wireAnswers(t, c)
		if len(statuses) != 1 || statuses[0] != test.status || !strings.Contains(bodies[0], `"request_id"`) {
			t.Errorf("%s: answers %v %q", test.name, statuses, bodies)
		}
		_ = c.Close()
	}
	if err := lab.stopped(); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-written; err != nil && ctx.Err() == nil {
		t.Error(err)
	}
	_ = access.Close()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	if len(lines) != len(wireBad()) {
		t.Errorf("%d lines in the access log for %d requests", len(lines), len(wireBad()))
	}
	for i, test := range wireBad() {
		if i < len(lines) && (!strings.Contains(lines[i], fmt.Sprintf(" %d ", test.status)) || strings.Contains(lines[i], "refused.invalid")) {
			t.Errorf("%s: logged as %s", test.name, lines[i])
		}
	}
	if want := `"GET example.com:80 HTTP/1.1" 400`; !strings.Contains(string(content), want) {
		t.Errorf("no line shows %s", want)
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the backend was reached %d times", n)
	}
}

func TestRefusalOf_LooksAtHTTP2HeadsToo(t *testing.T) {
	limits := Limits{Header: 1 << 10, HeaderLines: 2}
	for _, test := range []struct {
		target string
		header http.Header
		want   int
	}{
		{"/", http.Header{"A": {"b", "c"}}, 0},
		{"/", http.Header{"A": {"b", "c", "d"}}, http.StatusRequestHeaderFieldsTooLarge},
		{"/", http.Header{"A": {strings.Repeat("b", 1<<10)}}, http.StatusRequestHeaderFieldsTooLarge},
		{"/" + strings.Repeat("a", maxRequestLine), nil, http.StatusRequestURITooLong},
	} {
		r := &http.Request{ProtoMajor: 2, Method: http.MethodGet, RequestURI: test.target, Host: "a", Header: test.header}
		got := 0
		if refused := refusalOf(r, limits); refused != nil {
			got = refused.status
		}
		if got != test.want {
			t.Errorf("%.20s %v: %d, want %d", test.target, test.header, got, test.want)
		}
	}
}
