package http1

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// responseSeeds are bytes that backends send, soundly or not.
var responseSeeds = []string{
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 \r\n\r\nto the end",
	"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
	"HTTP/1.0 200 OK\r\n\r\nto the end",
	"HTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc",
	"HTTP/1.1 304 Not Modified\r\nContent-Length: 300\r\nEtag: \"a\"\r\n\r\n",
	"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\ntrailer: X-Sum, x-other\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 1\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n00\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello",
	"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\n Content-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "HTTP/1.0 200\n\nhello", "HTTP/1.1 200 OK\n\r\nhello", "HTTP/1.1 200 OK\r\r\n\nhello",
	"HTTP/1.1 200 OK\r\nX: a\rContent-Length: 3\r\nContent-Length: 5\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\n: empty\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nno colon\r\n\r\nhello",
	"HTTP/1.1 200 OK\r\nPragma: no-cache\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nSET-COOKIE: c=3\r\nConnection: Close, x\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 +20 OK\r\n\r\n", "HTTP/1.1 000 OK\r\n\r\n",
	"HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.10 200 OK\r\n\r\n", "http/1.1 200 OK\r\n\r\n", "HTTP/1.1200 OK\r\n\r\n", "\r\nHTTP/1.1 200 OK\r\n\r\n", "ICY 200 OK\r\n\r\n",
	"HTTP/1.1 200 O\x01K\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n", "", "H",
	"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello",
}

// responseSeen is what a client sees of a response.
type responseSeen struct {
	*http.Response
	body  []byte
	err   error // of the head
	ended error // of the body
}

func responseOurs(t *testing.T, wire []byte, piece int, r *http.Request) responseSeen {
	t.Helper()
	tape := &transportTape{Reader: bytes.NewReader(wire), piece: piece}
	transport := New(Options{Dial: func(context.Context) (net.Conn, error) { return tape, nil }, MaxResponseHeaderBytes: 1 << 20})
	defer transport.Close()
	res, err := transport.RoundTrip(r)
	if err != nil {
		return responseSeen{err: err}
	}
	body, err := io.ReadAll(res.Body)
	return responseSeen{res, body, nil, err}
}

// responseTheirs is what net/http's Transport makes of it.
func responseTheirs(wire []byte, r *http.Request) responseSeen {
	in := bufio.NewReader(bytes.NewReader(wire))
	for {
		res, err := http.ReadResponse(in, r)
		if err != nil {
			return responseSeen{err: err}
		}
		if res.StatusCode >= 100 && res.StatusCode < 200 && res.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		body, err := io.ReadAll(res.Body)
		return responseSeen{res, body, nil, err}
	}
}

func FuzzResponse(f *testing.F) {
	for _, seed := range responseSeeds {
		f.Add([]byte(seed), 0, false)
		f.Add([]byte(seed), 1, true)
	}
	f.Fuzz(func(t *testing.T, wire []byte, piece int, head bool) {
		r, _ := http.NewRequest("GET", "http://backend/", nil)
		if head {
			r.Method = "HEAD"
		}
		ours, theirs := responseOurs(t, wire, piece, r), responseTheirs(wire, r)
		switch {
		case ours.err != nil:
			return // it is stricter
		case theirs.err != nil:
			t.Fatalf("net/http refuses it: %v", theirs.err)
		case ours.ended == nil && theirs.ended != nil:
			t.Fatalf("net/http refuses the body: %v", theirs.ended)
		}
		compareResponses(t, ours, theirs)
	})
}

func compareResponses(t *testing.T, ours, theirs responseSeen) {
	t.Helper()
	if _, added := theirs.Header["Cache-Control"]; added && ours.Header["Cache-Control"] == nil && ours.Header.Get("Pragma") == "no-cache" {
		delete(theirs.Header, "Cache-Control") // which the backend has not sent
	}
	if ours.StatusCode != theirs.StatusCode || ours.Status != theirs.Status || ours.ProtoMinor != theirs.ProtoMinor ||
		ours.ContentLength != theirs.ContentLength || !slices.Equal(ours.TransferEncoding, theirs.TransferEncoding) || theirs.Close && !ours.Close {
		t.Errorf("%+v\nnet/http: %+v", ours.Response, theirs.Response)
	}
	if !maps.EqualFunc(ours.Header, theirs.Header, slices.Equal) {
		t.Errorf("header %v\nnet/http: %v", ours.Header, theirs.Header)
	}
	if ours.ended != nil {
		return
	}
	if !bytes.Equal(ours.body, theirs.body) || !reflect.DeepEqual(ours.Trailer, theirs.Trailer) {
		t.Errorf("body %q trailer %v\nnet/http: %q %v", ours.body, ours.Trailer, theirs.body, theirs.Trailer)
	}
}

func TestResponse_ThatRecipientsCouldReadDifferentlyIsRefused(t *testing.T) {
	for name, wire := range map[string]string{
		"two lengths":               "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
		"length and chunks":         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunks in HTTP/1.0":        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"folded field":              "HTTP/1.1 200 OK\r\nX: a\r\n b: c\r\nContent-Length: 0\r\n\r\n",
		"bare CR":                   "HTTP/1.1 200 OK\r\nX: a\rY: b\r\nContent-Length: 0\r\n\r\n",
		"NUL":                       "HTTP/1.1 200 OK\r\nX: a\x00\r\nContent-Length: 0\r\n\r\n",
		"space before the colon":    "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
		"no name":                   "HTTP/1.1 200 OK\r\n: 0\r\n\r\n",
		"other version":             "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		"no status":                 "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
		"huge head":                 "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"protocol nobody asked for": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
	} {
		r, _ := http.NewRequest("GET", "http://backend/", nil)
		if seen := responseOurs(t, []byte(wire), 0, r); seen.err == nil || !strings.Contains(seen.err.Error(), "malformed") {
			t.Errorf("%s: %v", name, seen.err)
		}
	}
}

// A script that prints its answer line by line is a backend too, and net/http,
// nginx and httpd all take what it says.
func TestResponse_WhoseLinesEndWithLFAloneIsTaken(t *testing.T) {
	for _, wire := range []string{
		"HTTP/1.1 200 OK\nX: a\nContent-Length: 5\n\nhello",
		"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 5\r\n\nhello",
		"HTTP/1.0 200 OK\nX: a\n\nhello",
		"HTTP/1.0 200\n\nhello",
	} {
		r, _ := http.NewRequest("GET", "http://backend/", nil)
		for _, piece := range []int{0, 1} {
			seen := responseOurs(t, []byte(wire), piece, r)
			if seen.err != nil || seen.ended != nil || string(seen.body) != "hello" {
				t.Errorf("%q: %q %v %v", wire, seen.body, seen.err, seen.ended)
				continue
			}
			compareResponses(t, seen, responseTheirs([]byte(wire), r))
		}
	}
}

func TestResponse_BodyThatBreaksOffIsNeverWhole(t *testing.T) {
	for name, wire := range map[string]string{
		"length":            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
		"chunk":             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello",
		"no last chunk":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"half a last chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0",
		"no end":            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
		"half a trailer":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: a\r\n",
	} {
		r, _ := http.NewRequest("GET", "http://backend/", nil)
		for _, piece := range []int{0, 1} {
			if seen := responseOurs(t, []byte(wire), piece, r); seen.err != nil || string(seen.body) != "hello" || seen.ended == nil || !strings.Contains(seen.ended.Error(), io.ErrUnexpectedEOF.Error()) {
				t.Errorf("%s: %q %v %v", name, seen.body, seen.err, seen.ended)
			}
		}
	}
}
