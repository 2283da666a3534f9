package proxy

import (
	"bytes"
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func TestAdmit_RefusesAmbiguousRequestsBeforeTheBackendSeesAByte(t *testing.T) {
	backend, seen := routeRecorder(t)
	f := newFront(t, frontConfig(backend.URL))
	for _, c := range []struct{ head, status string }{
		{"CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443", "400"},
		{"CONNECT /x HTTP/1.1\r\nHost: api.example.com", "400"},
		{"TRACE / HTTP/1.1\r\nHost: api.example.com", "405"},
		{"OPTIONS * HTTP/1.1\r\nHost: api.example.com", "400"},
		{"GET * HTTP/1.1\r\nHost: api.example.com", "400"},
		{"GET api.example.com:443 HTTP/1.1\r\nHost: api.example.com", "400"},
		{"GET ftp://api.example.com/ HTTP/1.1\r\nHost: api.example.com", "400"},
		{"GET http://u:p@api.example.com/ HTTP/1.1\r\nHost: api.example.com", "400"},
		{"GET /a#b HTTP/1.1\r\nHost: api.example.com", "400"},
		{"GET / HTTP/1.1\r\nHost: ", "400"},
		{"GET / HTTP/1.1\r\nHost: user@api.example.com", "400"},
		{"GET / HTTP/1.1\r\nHost: api.example.com:", "400"},
		{"GET / HTTP/1.1\r\nHost: api.example.com:0", "400"},
		{"GET / HTTP/1.1\r\nHost: api.example.com:99999", "400"},
		{"GET / HTTP/1.1\r\nHost: api.example.com:80a", "400"},
		{"GET / HTTP/1.1\r\nHost: api..example.com", "400"},
		{"GET / HTTP/1.1\r\nHost: .example.com", "400"},
		{"GET / HTTP/1.1\r\nHost: a/b", "400"},
		{"GET / HTTP/1.1\r\nHost: a,b", "400"},
		{"GET / HTTP/1.1\r\nHost: a%41", "400"},
		{"GET / HTTP/1.1\r\nHost: [::1", "400"},
		{"GET / HTTP/1.1\r\nHost: [::1%25lo]", "400"},
		{"GET / HTTP/1.1\r\nHost: [1.2.3.4]", "400"},
		{"GET / HTTP/1.1\r\nHost: ::1", "400"},
		{"GET / HTTP/1.1\r\nHost: 中.com", "400"},
		{"GET /../x HTTP/1.1\r\nHost: api.example.com", "400"},
	} {
		answer := frontRaw(t, f, c.head+"\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: api.example.com\r\n\r\n") // ends only if the connection is closed
		if !strings.HasPrefix(answer, "HTTP/1.1 "+c.status) || !strings.Contains(answer, "Connection: close") {
			t.Errorf("%q: %.60q", c.head, answer)
		}
		if len(seen) > 0 {
			t.Fatalf("%q: the backend saw %s", c.head, (<-seen).RequestURI)
		}
	}
}

// routeH2 writes frames by hand and reads what comes back.
type routeH2 struct {
	*http2.Framer
	t    *testing.T
	conn *tls.Conn
}

func newRouteH2(t *testing.T, f *front) *routeH2 {
	t.Helper()
	c, err := tls.Dial("tcp", f.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	h := &routeH2{http2.NewFramer(c, c), t, c}
	h.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := c.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	if err := h.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *routeH2) headers(end bool, pairs ...string) {
	h.t.Helper()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := 0; i+1 < len(pairs); i += 2 {
		_ = encoder.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	if err := h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end}); err != nil {
		h.t.Fatal(err)
	}
}

// outcome is the status of stream 1, or "reset" or "closed".
func (h *routeH2) outcome() string {
	for {
		frame, err := h.ReadFrame()
		if err != nil {
			return "closed"
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			return frame.PseudoValue("status")
		case *http2.RSTStreamFrame:
			return "reset"
		}
	}
}

func TestAdmit_RefusesAmbiguousRequestsOverHTTP2(t *testing.T) {
	backend, seen := routeRecorder(t)
	f := newFront(t, frontConfig(backend.URL))
	base := []string{":method", "POST", ":scheme", "https", ":path", "/", ":authority", "api.example.com"}
	for name, c := range map[string]struct {
		pairs []string
		end   bool
		data  string
	}{
		"bad authority":           {[]string{":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a b"}, true, ""},
		"userinfo":                {[]string{":method", "GET", ":scheme", "https", ":path", "/", ":authority", "u@api.example.com"}, true, ""},
		"no authority":            {[]string{":method", "GET", ":scheme", "https", ":path", "/"}, true, ""},
		"two hosts":               {append(base, "host", "other.example.com"), true, ""},
		"asterisk":                {[]string{":method", "OPTIONS", ":scheme", "https", ":path", "*", ":authority", "api.example.com"}, true, ""},
		"trace":                   {[]string{":method", "TRACE", ":scheme", "https", ":path", "/", ":authority", "api.example.com"}, true, ""},
		"connect":                 {[]string{":method", "CONNECT", ":authority", "api.example.com:443"}, false, ""},
		"fragment":                {[]string{":method", "GET", ":scheme", "https", ":path", "/a#b", ":authority", "api.example.com"}, true, ""},
		"transfer-encoding":       {append(base, "transfer-encoding", "chunked"), true, ""},
		"upgrade":                 {append(base, "upgrade", "websocket"), true, ""},
		"length with no body":     {append(base, "content-length", "5"), true, ""},
		"malformed length":        {append(base, "content-length", "+5"), false, "hello"},
		"list of lengths":         {append(base, "content-length", "5, 5"), false, "hello"},
		"repeated length":         {append(base, "content-length", "5", "content-length", "5"), false, "hello"},
		"body shorter than said":  {append(base, "content-length", "50"), false, "hello"},
		"body longer than said":   {append(base, "content-length", "2"), false, "hello"},
		"length with zeros ahead": {append(base, "content-length", "005"), false, "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newRouteH2(t, f)
			h.headers(c.end, c.pairs...)
			if c.data != "" {
				_ = h.WriteData(1, true, []byte(c.data))
			}
			if got := h.outcome(); got != "400" && got != "405" && got != "reset" {
				t.Errorf("outcome %s", got)
			}
			if len(seen) > 0 {
				t.Errorf("the backend saw %v", <-seen)
			}
		})
	}
}

func TestAdmit_LetsEveryOtherMethodThrough(t *testing.T) {
	backend, seen := routeRecorder(t)
	f := newFront(t, frontConfig(backend.URL))
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "M-SEARCH"} {
		r, _ := http.NewRequest(method, "https://api.example.com/", nil)
		frontDo(t, f.client(t, true), r)
		if got := frontWait(t, seen, method).Method; got != method {
			t.Errorf("%s became %s", method, got)
		}
	}
}
