package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// plainVisit is one plain request that arrived at an endpoint.
func plainVisit(t *testing.T, h *Handler, endpoint, host, target string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("POST", target, strings.NewReader("body"))
	r.Host = host
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	e := mustEndpoint(t, endpoint)
	c := &conn{endpoint: endpoint, local: &net.TCPAddr{Port: e.Port()}}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), connKey, c)))
	return w
}

func plainHandler(t *testing.T, sites ...Site) *Handler {
	t.Helper()
	backend := frontBackend(t, frontEcho)
	h, err := NewHandler(frontConfig(backend.URL, func(c *Config) { c.Sites = sites; c.TrustedProxies = []string{"192.0.2.1"} }), Deps{Log: newDiscardLog()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func TestPlain_IsRedirectedToTheSameHostPortPathAndQuery(t *testing.T) {
	h := plainHandler(t,
		Site{Name: "api.example.com", Listen: []string{"http://:80", ":7879", ":443"}, Backend: "api"},
		Site{Name: "odd.example.com", Listen: []string{"http://:80", ":8443"}, Backend: "api"})
	for _, c := range []struct{ endpoint, host, target, want string }{
		{":7879", "api.example.com:7879", "/a%2Fb//c?x=%zz;y", "https://api.example.com:7879/a%2Fb//c?x=%zz;y"},
		{":7879", "api.example.com:9999", "/", "https://api.example.com:9999/"},
		{":7879", "api.example.com", "/?", "https://api.example.com:7879/?"},
		{":443", "api.example.com", "/", "https://api.example.com/"},
		{":443", "API.example.com:443", "//x", "https://api.example.com//x"},
		{"http://:80", "api.example.com", "/x", "https://api.example.com/x"},
		{"http://:80", "api.example.com:80", "/x", "https://api.example.com/x"},
		{"http://:80", "odd.example.com", "/x", "https://odd.example.com:8443/x"},
		{":7879", "[::1]:7879", "/", "https://[::1]:7879/"},
	} {
		w := plainVisit(t, h, c.endpoint, c.host, c.target)
		if w.Code != 308 || w.Header().Get("Location") != c.want {
			t.Errorf("%+v: %d %s", c, w.Code, w.Header().Get("Location"))
		}
	}
}

func TestPlain_IsServedWhereTheSiteSaysSoOrHasNoTLS(t *testing.T) {
	h := plainHandler(t,
		Site{Name: "both.example.com", Listen: []string{":7879"}, Backend: "api", Plain: "proxy"},
		Site{Name: "plain.example.com", Listen: []string{"http://:80"}, Backend: "api"})
	for endpoint, host := range map[string]string{":7879": "both.example.com", "http://:80": "plain.example.com"} {
		w := plainVisit(t, h, endpoint, host, "/x")
		if w.Code != 200 || !strings.Contains(w.Body.String(), "X-Forwarded-Proto: http\r\n") {
			t.Errorf("%s: %d %s", host, w.Code, w.Body)
		}
	}
}

func TestPlain_IsRefusedInOneReadableLine(t *testing.T) {
	h := plainHandler(t, Site{Name: "api.example.com", Listen: []string{":7879", "http://:80"}, Backend: "api", Plain: "refuse"})
	for _, endpoint := range []string{":7879", "http://:80"} {
		w := plainVisit(t, h, endpoint, "api.example.com", "/x")
		if w.Code != 400 || strings.Count(w.Body.String(), "\n") != 1 || !strings.Contains(w.Body.String(), "https://") || w.Header().Get("Connection") != "close" {
			t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
		}
	}
}

func TestPlain_BehindATrustedProxyThatSpokeTLSIsNotRedirected(t *testing.T) {
	h := plainHandler(t, Site{Name: "api.example.com", Listen: []string{":7879"}, Backend: "api"})
	if w := plainVisit(t, h, ":7879", "api.example.com", "/", "X-Forwarded-Proto", "https"); w.Code != 200 {
		t.Errorf("status %d", w.Code)
	}
}

func TestPlain_OverARealSocketOfATLSPort(t *testing.T) {
	backend := frontBackend(t, frontEcho)
	f := newFront(t, frontConfig(backend.URL))
	r, _ := http.NewRequest("GET", f.plain.URL+"/x?y", nil)
	r.Host = "api.example.com:7879"
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	if res.StatusCode != 308 || res.Header.Get("Location") != "https://api.example.com:7879/x?y" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}
