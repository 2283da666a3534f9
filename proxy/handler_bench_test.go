package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// benchWriter is a client that takes everything at once.
type benchWriter struct {
	header http.Header
	status int
}

func (w *benchWriter) Header() http.Header               { return w.header }
func (w *benchWriter) WriteHeader(status int)            { w.status = status }
func (w *benchWriter) Write(p []byte) (int, error)       { return len(p), nil }
func (w *benchWriter) FlushError() error                 { return nil }
func (w *benchWriter) EnableFullDuplex() error           { return nil }
func (w *benchWriter) SetReadDeadline(time.Time) error   { return nil }
func (w *benchWriter) SetWriteDeadline(time.Time) error  { return nil }
func (w *benchWriter) WriteString(s string) (int, error) { return len(s), nil }

// benchAnswer is what most backends put on 1 KiB.
var benchAnswer = "HTTP/1.1 200 OK\r\nServer: uvicorn\r\nDate: Mon, 23 Nov 2026 10:00:00 GMT\r\nContent-Type: application/json\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024)

// benchBackend answers every request without allocating anything, so that what
// a benchmark counts is gateway's own.
func benchBackend(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	answer := []byte(benchAnswer)
	serve := func(c net.Conn) {
		defer c.Close()
		for buf, n := make([]byte, 16<<10), 0; ; {
			m, err := c.Read(buf[n:])
			if err != nil {
				return
			}
			if n += m; bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
				n = 0
				if _, err := c.Write(answer); err != nil {
					return
				}
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return "http://" + l.Addr().String()
}

// benchRequest is a GET as a server hands it to its handler.
func benchRequest() *http.Request {
	r := httptest.NewRequest("GET", "https://api.example.com/path/to/it?query=1", nil)
	r.RequestURI = "/path/to/it?query=1"
	r.Header = http.Header{"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64; rv:128.0)"}, "Accept": {"*/*"}, "Accept-Encoding": {"gzip, deflate, br"}}
	r.RemoteAddr = "203.0.113.7:50123"
	c := &conn{endpoint: ":443", local: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443},
		remote: &net.TCPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 50123}, tls: &tls.ConnectionState{}}
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), connKey, c))
	_ = cancel // as a server's, it lasts as long as the connection
	return r.WithContext(ctx)
}

// BenchmarkHandler_Get1KiB is one GET of 1 KiB from the access log to a backend
// on loopback and back, without the client's side of the network.
func BenchmarkHandler_Get1KiB(b *testing.B) {
	cfg := frontConfig(benchBackend(b))
	cfg.Log.Access = filepath.Join(b.TempDir(), "access.log")
	h, err := NewHandler(cfg, Deps{Log: newDiscardLog()})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	log := benchAccessLog(b, cfg.Log)
	benchServe(b, log.Wrap(h))
}

func benchAccessLog(b *testing.B, cfg LogConfig) *AccessLog {
	b.Helper()
	log, err := NewAccessLog(cfg, newDiscardLog())
	if err != nil {
		b.Fatal(err)
	}
	if err := log.Open(); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- log.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-ended })
	return log
}

func benchServe(b *testing.B, h http.Handler) {
	b.Helper()
	r := benchRequest()
	w := &benchWriter{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		if h.ServeHTTP(w, r); w.status != http.StatusOK {
			b.Fatal(w.status)
		}
	}
}

// BenchmarkAccessLog_Line is the line of one request.
func BenchmarkAccessLog_Line(b *testing.B) {
	log, err := NewAccessLog(LogConfig{Access: filepath.Join(b.TempDir(), "access.log"), Format: "combined"}, newDiscardLog())
	if err != nil {
		b.Fatal(err)
	}
	t := newTransaction(&benchWriter{header: http.Header{}}, benchRequest())
	t.exchange.client, t.response.status, t.response.body = "203.0.113.7", http.StatusOK, 1024
	t.finish()
	t.close()
	appendLine := log.target.Load().append
	line := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		line = appendLine(line[:0], t)
	}
	_, _ = io.Discard.Write(line)
}
