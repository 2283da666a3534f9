package http1

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// transportFor is a Transport to an address, with limits that no test meets by
// accident.
func transportFor(t testing.TB, address string, change ...func(*Options)) *Transport {
	t.Helper()
	o := Options{
		Dial: func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", address)
		},
		MaxIdleConns: 256, IdleTimeout: 90 * time.Second, IdleTimeoutUnsafe: time.Minute,
		ResponseHeaderTimeout: time.Minute, WriteTimeout: time.Minute, ExpectContinueTimeout: time.Second,
		MaxResponseHeaderBytes: 1 << 20,
	}
	for _, f := range change {
		f(&o)
	}
	transport := New(o)
	t.Cleanup(transport.Close)
	return transport
}

func BenchmarkRoundTrip(b *testing.B) {
	content := strings.Repeat("x", 1024)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, content)
	}))
	defer backend.Close()
	for name, transport := range map[string]http.RoundTripper{
		"http1":    transportFor(b, backend.Listener.Addr().String()),
		"net/http": &http.Transport{DisableCompression: true, ResponseHeaderTimeout: time.Minute},
	} {
		b.Run(name, func(b *testing.B) {
			r, err := http.NewRequest("GET", backend.URL+"/path?query", nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Header = http.Header{"Accept": {"*/*"}, "User-Agent": {"bench"}, "X-Forwarded-For": {"192.0.2.1"}, "X-Request-Id": {"0123456789"}}
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			r = r.WithContext(ctx)
			piece := make([]byte, 4096)
			b.ReportAllocs()
			for b.Loop() {
				res, err := transport.RoundTrip(r)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for err == nil {
					var m int
					m, err = res.Body.Read(piece)
					n += m
				}
				if n != len(content) {
					b.Fatal(n, err)
				}
				res.Body.Close()
			}
		})
	}
}
