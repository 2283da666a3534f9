package proxy

import (
	"bufio"
	"context"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// What the loop serves without net/http must be what net/http would have served.
func FuzzHead_BecomesTheRequestThatNetHTTPMakesOfIt(f *testing.F) {
	for _, test := range wireBad() {
		if len(test.raw) < 1000 {
			f.Add(test.raw)
		}
	}
	for _, fields := range []string{
		"", "x: y\r\nX: z\r\n", "Content-Length: 0005\r\n", "Pragma: no-cache\r\n", "Pragma: no-cache\r\nCache-Control: a\r\n",
		"Connection: keep-alive, Close\r\n", "Connection: upgrade\r\n", "Trailer: X\r\n", "Expect: 100-continue\r\n", "Empty:\r\nA:\t b \t\r\n",
		"Content-Length: 5\r\ncontent-type: text/plain\r\n", "te: trailers\r\nx_y: 1\r\n", "Upgrade: h2c\r\n", "Transfer-Encoding: chunked\r\n",
	} {
		f.Add("POST /a/b?c=d HTTP/1.1\r\nHost: a\r\n" + fields + "\r\nhello")
	}
	for _, target := range []string{"/", "//x", "/a%20b", "/%zz", "/?", "/??", "/?a=%zz#", "/a;b=c,d:e@f", "/caf\xe9", "/\"<>", "http://a/b", "http://A?c", "HTTP://a:80/%2f", "*", "/a?b?c", "/[x]", "/a\\b", "/!*'()"} {
		f.Add("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n")
	}
	limits := wireOptions().Limits
	f.Fuzz(func(t *testing.T, raw string) {
		var scan headScan
		end, refused := scan.next([]byte(raw), limits)
		if refused != nil || end == 0 {
			return
		}
		h, refused := parseHead(raw[:end], scan.lines)
		if refused != nil || !h.ordinary() {
			return
		}
		want, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", raw[:end], err)
		}
		line := &loop{guard: &wireGuard{conn: &conn{}}, context: context.Background()}
		loopSame(t, h.request(line, &turn{space: newWorkspace()}), want)
	})
}

func loopSame(t *testing.T, got, want *http.Request) {
	t.Helper()
	for _, same := range []struct {
		what      string
		got, want any
	}{
		{"method", got.Method, want.Method},
		{"target", got.RequestURI, want.RequestURI},
		{"protocol", []any{got.Proto, got.ProtoMajor, got.ProtoMinor}, []any{want.Proto, want.ProtoMajor, want.ProtoMinor}},
		{"URL", got.URL, want.URL},
		{"host", got.Host, want.Host},
		{"header", got.Header, want.Header},
		{"length", got.ContentLength, want.ContentLength},
		{"coding", got.TransferEncoding, want.TransferEncoding},
		{"close", got.Close, want.Close},
		{"body", got.Body == http.NoBody, want.Body == http.NoBody},
		{"trailer", got.Trailer, want.Trailer},
	} {
		if !reflect.DeepEqual(same.got, same.want) {
			t.Errorf("%s: %#v, net/http has %#v", same.what, same.got, same.want)
		}
	}
}
