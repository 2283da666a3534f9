package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestServer_ServesHTTP1AndHTTP2AndPlainHTTPOnOnePort(t *testing.T) {
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		c := connOf(r.Context())
		w.Header().Set("X-Proto", r.Proto)
		if (c.tls != nil) != (r.TLS != nil) {
			t.Errorf("conn.tls is %v, r.TLS is %v", c.tls, r.TLS)
		}
		if c.tls != nil {
			w.Header().Set("X-TLS", "yes")
		}
		wireEcho(w, r)
	})
	for _, test := range []struct {
		url        string
		http2      bool
		proto, tls string
	}{
		{"https://" + lab.addr(wireTLS), true, "HTTP/2.0", "yes"},
		{"https://" + lab.addr(wireTLS), false, "HTTP/1.1", "yes"},
		{"http://" + lab.addr(wireTLS), false, "HTTP/1.1", ""},
		{"http://" + lab.addr(wirePlain), false, "HTTP/1.1", ""},
	} {
		client := lab.client(test.http2)
		for range 3 {
			res, err := client.Post(test.url+"/path", "text/plain", strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if got := string(body); got != "POST /path body" {
				t.Errorf("%s: %q", test.url, got)
			}
			if res.Header.Get("X-Proto") != test.proto || res.Header.Get("X-TLS") != test.tls {
				t.Errorf("%s: %v, want %s and TLS %q", test.url, res.Header, test.proto, test.tls)
			}
		}
	}
}
