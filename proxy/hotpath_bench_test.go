package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// The request for the backend, and the way to it, piece by piece.

func benchHandler(b testing.TB, cfg Config, general bool) *Handler {
	b.Helper()
	h, err := NewHandler(cfg, Deps{Log: newDiscardLog()})
	if err != nil {
		b.Fatal(err)
	}
	h.general = general
	b.Cleanup(h.Close)
	return h
}

// BenchmarkForward is a GET of 1 KiB from a backend on loopback, passed on by
// forward and by httputil.ReverseProxy, without the client's side of the network.
func BenchmarkForward(b *testing.B) {
	for name, general := range map[string]bool{"forward": false, "httputil": true} {
		b.Run(name, func(b *testing.B) {
			benchServe(b, benchHandler(b, frontConfig(benchBackend(b)), general))
		})
	}
}

// BenchmarkRewrite makes the client's request the backend's, the copy of the
// header included.
func BenchmarkRewrite(b *testing.B) {
	h := benchHandler(b, frontConfig("http://127.0.0.1:7878"), false)
	c := h.newCall(&benchWriter{header: http.Header{}}, benchRequest())
	if refused := h.admit(c); refused != nil {
		b.Fatal(refused.reason)
	}
	c.site = h.sites.find(c.endpoint(), c.host.name)
	c.route, _ = c.site.route(c.target.path)
	b.ReportAllocs()
	for b.Loop() {
		c.parts.values = values{}
		clear(c.parts.header)
		out := c.outgoing()
		out.Header = c.parts.endToEnd(c.r.Header)
		c.readdress(out, c.r)
	}
}

// benchTable has many sites, the last of them with many routes.
func benchTable(b *testing.B) *siteTable {
	b.Helper()
	cfg := frontConfig("http://127.0.0.1:7878")
	cfg.Sites[0].Name = "other.example.com"
	for i := range 100 {
		cfg.Sites = append(cfg.Sites, Site{Name: fmt.Sprintf("site%d.example.com", i), Listen: []string{":443"}, Backend: "api"})
	}
	wide := Site{Name: "*.example.org", Listen: []string{":443"}, Backend: "api"}
	for i := range 20 {
		wide.Routes = append(wide.Routes, Route{Path: fmt.Sprintf("/part%d/", i), Backend: "api"})
	}
	cfg.Sites = append(cfg.Sites, wide)
	return benchHandler(b, cfg, false).sites
}

// BenchmarkSites_Find finds one of a hundred sites, by its name and by a wildcard.
func BenchmarkSites_Find(b *testing.B) {
	table := benchTable(b)
	for _, name := range []string{"site50.example.com", "some.example.org"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if s := table.find(":443", name); s == nil || s.name == "other.example.com" {
					b.Fatal("found the wrong site")
				}
			}
		})
	}
}

// BenchmarkSite_Route finds one of twenty routes: for a path that can be read in
// one way only, for one that must be looked at closely, and where none of them fits.
func BenchmarkSite_Route(b *testing.B) {
	site := benchTable(b).find(":443", "some.example.org")
	for name, path := range map[string]string{"plain": "/part7/to/it", "escaped": "/part7/t%C3%B6/it", "none fits": "/else/where"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := site.route(path); !ok {
					b.Fatal("refused")
				}
			}
		})
	}
}

// BenchmarkTransfer carries 16 MiB over TLS through a whole server, to a backend and
// from it. The time is that of the processor, client and backend included.
func BenchmarkTransfer(b *testing.B) {
	for name, method := range map[string]string{"up": http.MethodPost, "down": http.MethodGet} {
		b.Run(name, func(b *testing.B) { benchTransfer(b, method) })
	}
}

const benchTransferSize = 16 << 20

func benchTransfer(b *testing.B, method string) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Length", fmt.Sprint(benchTransferSize))
			_, _ = io.CopyN(w, benchZeros{}, benchTransferSize)
		}
	}))
	defer backend.Close()
	client, url := benchFront(b, benchHandler(b, frontConfig(backend.URL), false))
	b.SetBytes(benchTransferSize)
	b.ReportAllocs()
	before := loopCPU(b)
	for b.Loop() {
		r, err := http.NewRequest(method, url, nil)
		if err != nil {
			b.Fatal(err)
		}
		if method == http.MethodPost {
			r.Body, r.ContentLength = io.NopCloser(io.LimitReader(benchZeros{}, benchTransferSize)), benchTransferSize
		}
		res, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
			b.Fatal(res.Status, err)
		}
		_ = res.Body.Close()
	}
	b.ReportMetric(float64(loopCPU(b)-before)/float64(b.N), "cpu-ns/op")
}

// benchFront is a client of a server with a handler, both on loopback.
func benchFront(b *testing.B, h http.Handler) (client *http.Client, url string) {
	b.Helper()
	certificate, roots := wireCertificate(b)
	opts := wireOptions()
	opts.Log, opts.Handler = slog.New(slog.DiscardHandler), h
	opts.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	s := NewServer(opts)
	if err := s.Bind(b.Context(), []string{wireTLS}); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(context.Background()) }()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"}}
	b.Cleanup(func() { transport.CloseIdleConnections(); s.Close(); <-ended })
	return &http.Client{Transport: transport, Timeout: time.Minute}, "https://" + s.Addrs()[wireTLS].String() + "/"
}

type benchZeros struct{}

func (benchZeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
