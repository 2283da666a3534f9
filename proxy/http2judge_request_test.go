package proxy

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// judgeSeen is a request as a handler saw it.
type judgeSeen struct {
	*http.Request
	body    string
	err     error
	trailer http.Header // after the body
}

// judgeRecorder answers every request with 200 when it has read it, and keeps it.
func judgeRecorder(t *testing.T, change ...func(*Options)) (*judgeClient, chan judgeSeen) {
	t.Helper()
	lab, seen := judgeRecording(t, change...)
	return lab.judge(), seen
}

func judgeRecording(t *testing.T, change ...func(*Options)) (*wireLab, chan judgeSeen) {
	t.Helper()
	seen := make(chan judgeSeen, 1000)
	lab := wireStart(t, func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		kept := *r // its memory is lent to the next request
		seen <- judgeSeen{&kept, string(body), err, r.Trailer.Clone()}
	}, change...)
	return lab, seen
}

func TestHTTP2_ARequestIsWhatItsFieldsSay(t *testing.T) {
	j, seen := judgeRecorder(t)
	j.post(1, "/a%2fb/c?d=e", "x-a", "1", "x-b", "2", "x-a", "3", "te", "trailers", "cookie", "a=1", "cookie", "b=2; c=3", "content-length", "4")
	j.data(1, false, "bo")
	j.data(1, true, "dy")
	judgeSame(t, j.outcome(1).String(), "200, end")
	r := frontWait(t, seen, "the request")
	for _, same := range []struct{ what, got, want string }{
		{"method", r.Method, "POST"},
		{"target", r.RequestURI, "/a%2fb/c?d=e"},
		{"path", r.URL.Path + " " + r.URL.RawPath + " " + r.URL.RawQuery, "/a/b/c /a%2fb/c d=e"},
		{"host", r.Host, "example.com"},
		{"protocol", fmt.Sprint(r.Proto, r.ProtoMajor, r.ProtoMinor), "HTTP/2.02 0"},
		{"client", r.RemoteAddr, j.c.LocalAddr().String()},
		{"TLS", fmt.Sprint(r.TLS != nil && r.TLS.NegotiatedProtocol == "h2"), "true"},
		{"length", fmt.Sprint(r.ContentLength, len(r.TransferEncoding)), "4 0"},
		{"body", r.body, "body"},
		{"header", fmt.Sprint(r.Header), "map[Content-Length:[4] Cookie:[a=1; b=2; c=3] Te:[trailers] X-A:[1 3] X-B:[2]]"},
		{"server", fmt.Sprint(r.Context().Value(http.ServerContextKey) != nil), "true"},
	} {
		judgeSame(t, same.what+" "+same.got, same.what+" "+same.want)
	}
	if r.err != nil {
		t.Error(r.err)
	}
}

func TestHTTP2_TheLengthOfARequestIsKnownOrNot(t *testing.T) {
	j, seen := judgeRecorder(t)
	for i, test := range []struct {
		body, length string
		end          bool
		want         int64
	}{
		{"", "", true, 0}, {"", "0", true, 0}, {"", "0", false, 0}, {"", "", false, -1}, {"hello", "", false, -1}, {"hello", "5", false, 5},
	} {
		id, more := uint32(2*i+1), []string{}
		if test.length != "" {
			more = []string{"content-length", test.length}
		}
		j.send(id, test.end, judgeRequest("PUT", "/", more...)...)
		if !test.end {
			j.data(id, true, test.body)
		}
		judgeSame(t, j.outcome(id).String(), "200, end")
		if r := frontWait(t, seen, "the request"); r.ContentLength != test.want || r.body != test.body || r.err != nil {
			t.Errorf("%+v: length %d, body %q, %v", test, r.ContentLength, r.body, r.err)
		}
	}
}

func TestHTTP2_TheHostIsTheAuthorityOrElseTheHostField(t *testing.T) {
	j, seen := judgeRecorder(t)
	base := []string{":method", "GET", ":scheme", "https", ":path", "/"}
	for i, test := range []struct {
		fields []string
		host   string
	}{
		{append(base, ":authority", "a.example.com:444"), "a.example.com:444"},
		{append(base, ":authority", "a.example.com", "host", "a.example.com"), "a.example.com"},
		{append(base, "host", "b.example.com"), "b.example.com"},
		{base, ""},
	} {
		id := uint32(2*i + 1)
		j.send(id, true, test.fields...)
		judgeSame(t, j.outcome(id).String(), "200, end")
		judgeSame(t, frontWait(t, seen, "the request").Host, test.host)
	}
}

func TestHTTP2_TrailersOfARequestAreThereAfterItsBody(t *testing.T) {
	j, seen := judgeRecorder(t)
	j.post(1, "/", "trailer", "x-sum, x-never")
	j.data(1, false, "hello")
	j.send(1, true, "x-sum", "42")
	judgeSame(t, j.outcome(1).String(), "200, end")
	if r := frontWait(t, seen, "the request"); fmt.Sprint(r.trailer) != "map[X-Never:[] X-Sum:[42]]" || r.body != "hello" || r.err != nil {
		t.Errorf("%v %q %v", r.trailer, r.body, r.err)
	}
	j.post(3, "/", "trailer", "x-sum")
	j.send(3, true, "x-sum", "43")
	judgeSame(t, j.outcome(3).String(), "200, end")
	if r := frontWait(t, seen, "the request"); fmt.Sprint(r.trailer) != "map[X-Sum:[43]]" || r.body != "" {
		t.Errorf("%v %q %v", r.trailer, r.body, r.err)
	}
	for i, fields := range [][]string{{":path", "/other"}, {"X-SUM", "1"}, {"connection", "close"}} {
		id := uint32(2*i + 5)
		j.post(id, "/", "trailer", "x-sum")
		j.data(id, false, "hello")
		j.send(id, true, fields...)
		judgeSame(t, j.outcome(id).String(), "reset PROTOCOL_ERROR")
		if r := frontWait(t, seen, "the request"); r.err == nil {
			t.Errorf("%q: the body looked complete", fields)
		}
	}
}

// A malformed request (RFC 9113, 8.1.1) reaches no handler, and costs nobody but itself.
func TestHTTP2_MalformedRequestsAreReset(t *testing.T) {
	const method, scheme, path, authority = ":method", ":scheme", ":path", ":authority"
	lab, seen := judgeRecording(t)
	for name, fields := range map[string][]string{
		"an uppercase name":          judgeRequest("GET", "/", "X-A", "1"),
		"an empty name":              judgeRequest("GET", "/", "", "1"),
		"a name with a blank":        judgeRequest("GET", "/", "x a", "1"),
		"a name with a colon":        judgeRequest("GET", "/", "x:a", "1"),
		"a name with a line's end":   judgeRequest("GET", "/", "x\r\ny", "1"),
		"a name that is not ASCII":   judgeRequest("GET", "/", "xé", "1"),
		"a value with CR":            judgeRequest("GET", "/", "x", "a\rb"),
		"a value with LF":            judgeRequest("GET", "/", "x", "a\nb"),
		"a value with NUL":           judgeRequest("GET", "/", "x", "a\x00b"),
		"an unknown pseudo-field":    judgeRequest("GET", "/", ":other", "1"),
		"a status":                   {method, "GET", scheme, "https", path, "/", authority, "example.com", ":status", "200"},
		"a pseudo-field behind":      judgeRequest("GET", "/", "x", "1", authority, "example.com"),
		"two methods":                {method, "GET", method, "GET", scheme, "https", path, "/", authority, "example.com"},
		"two paths":                  {method, "GET", scheme, "https", path, "/", path, "/", authority, "example.com"},
		"two authorities":            {method, "GET", scheme, "https", path, "/", authority, "example.com", authority, "example.com"},
		"no method":                  {scheme, "https", path, "/", authority, "example.com"},
		"no scheme":                  {method, "GET", path, "/", authority, "example.com"},
		"no path":                    {method, "GET", scheme, "https", authority, "example.com"},
		"an empty path":              judgeRequest("GET", ""),
		"a path without a slash":     judgeRequest("GET", "other"),
		"a scheme of another kind":   {method, "GET", scheme, "ftp", path, "/", authority, "example.com"},
		"CONNECT with a path":        {method, "CONNECT", scheme, "https", path, "/", authority, "example.com:443"},
		"a protocol without CONNECT": judgeRequest("GET", "/", "x", "1", ":protocol", "websocket"),
		"connection":                 judgeRequest("GET", "/", "connection", "close"),
		"connection for te":          judgeRequest("GET", "/", "connection", "te", "te", "trailers"),
		"keep-alive":                 judgeRequest("GET", "/", "keep-alive", "timeout=5"),
		"proxy-connection":           judgeRequest("GET", "/", "proxy-connection", "keep-alive"),
		"transfer-encoding":          judgeRequest("GET", "/", "transfer-encoding", "chunked"),
		"upgrade":                    judgeRequest("GET", "/", "upgrade", "h2c"),
		"te other than trailers":     judgeRequest("GET", "/", "te", "gzip"),
		"te more than trailers":      judgeRequest("GET", "/", "te", "trailers, gzip"),
	} {
		t.Run(name, func(t *testing.T) {
			j := lab.judge()
			j.send(1, true, fields...)
			s := j.streams[1]
			j.until("the reset", func() bool { return s.reset != nil })
			if *s.reset != http2.ErrCodeProtocol {
				t.Error(s)
			}
			j.get(3, "/sound")
			judgeSame(t, j.outcome(3).String(), "200, end")
			judgeSame(t, frontWait(t, seen, "the sound request").RequestURI, "/sound")
		})
	}
}

func TestHTTP2_ABodyOfAnotherLengthThanAnnouncedNeverLooksComplete(t *testing.T) {
	j, seen := judgeRecorder(t)
	for i, test := range []struct {
		name, length string
		pieces       []string
	}{
		{"shorter", "10", []string{"hello"}},
		{"shorter by all", "10", []string{""}},
		{"longer", "5", []string{"hello", "more"}},
		{"longer at once", "2", []string{"hello"}},
		{"longer than nothing", "0", []string{"hello"}},
	} {
		id := uint32(2*i + 1)
		j.post(id, "/", "content-length", test.length)
		for n, piece := range test.pieces {
			j.data(id, n == len(test.pieces)-1, piece)
		}
		if r := frontWait(t, seen, "the request"); r.err == nil {
			t.Errorf("%s: %q looked complete", test.name, r.body)
		}
		if got := j.outcome(id); got.reset == nil || *got.reset != http2.ErrCodeProtocol {
			t.Errorf("%s: %s", test.name, got)
		}
	}
	t.Run("announced and never sent", func(t *testing.T) {
		j, seen := judgeRecorder(t)
		j.send(1, true, judgeRequest("POST", "/", "content-length", "5")...)
		judgeSame(t, j.outcome(1).String(), "reset PROTOCOL_ERROR")
		if len(seen) > 0 {
			t.Error("a handler saw it")
		}
	})
}

func TestHTTP2_PaddingIsNoPartOfAnything(t *testing.T) {
	j, seen := judgeRecorder(t)
	j.opened(1, "POST")
	j.must(j.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 1, BlockFragment: j.fieldsOf(judgeRequest("POST", "/", "content-length", "1280")...), EndHeaders: true, PadLength: 255,
		Priority: http2.PriorityParam{StreamDep: 3, Exclusive: true, Weight: 9},
	}))
	for range 256 { // with their padding these are a window of 64 KiB
		j.must(j.WriteDataPadded(1, false, []byte("hello"), make([]byte, 250)))
	}
	j.must(j.WriteDataPadded(1, true, nil, make([]byte, 255)))
	judgeSame(t, j.outcome(1).String(), "200, end")
	if r := frontWait(t, seen, "the request"); r.body != strings.Repeat("hello", 256) || r.err != nil {
		t.Errorf("%d bytes, %v", len(r.body), r.err)
	}
}

func TestHTTP2_AHeadMayBeCutAnywhere(t *testing.T) {
	j, seen := judgeRecorder(t)
	id := uint32(1)
	send := func(pieces ...[]byte) {
		j.opened(id, "GET")
		j.must(j.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: pieces[0], EndStream: true, EndHeaders: len(pieces) == 1}))
		for i, piece := range pieces[1:] {
			j.must(j.WriteContinuation(id, i == len(pieces)-2, piece))
		}
		if got := j.outcome(id).String(); got != "200, end" {
			t.Fatalf("cut into %q: %s", pieces, got)
		}
		if r := frontWait(t, seen, "the request"); r.Header.Get("X-Long") != strings.Repeat("value ", 5)+"end" || r.RequestURI != "/cut" || r.err != nil {
			t.Fatalf("%v %v", r.RequestURI, r.Header)
		}
		id += 2
	}
	j.encoder.SetMaxDynamicTableSize(0) // for blocks that mean the same every time
	block := func() []byte {
		return j.fieldsOf(judgeRequest("GET", "/cut", "x-long", strings.Repeat("value ", 5)+"end")...)
	}
	send(block())
	b := block()
	for at := range b {
		send(b[:at], b[at:])
	}
	send(b[:0], b[:1], nil, b[1:2], b[2:3], nil, b[3:])
}

func TestHTTP2_TheClientsTableOfFieldsMayChange(t *testing.T) {
	long := strings.Repeat("v", 1000)
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Back", r.Header.Get("X-Long"))
		w.Header().Set("X-Same", long)
	})
	j := lab.judge()
	id := uint32(1)
	ask := func(what string) {
		t.Helper()
		for _, value := range []string{"a", long, "b", long} {
			j.get(id, "/", "x-long", value)
			if got := j.outcome(id); got.field("x-back") != value || got.field("x-same") != long {
				t.Fatalf("%s: %s %v", what, got, got.head)
			}
			id += 2
		}
	}
	ask("at first")
	for _, size := range []uint32{0, 4096, 0, 64, 1 << 20, 100} { // of the table that the server encodes with
		j.set(http2.Setting{ID: http2.SettingHeaderTableSize, Val: size})
		j.settle()
		j.ReadMetaHeaders.SetAllowedMaxDynamicTableSize(size)
		ask(fmt.Sprintf("with a table of %d bytes", size))
	}
	j.set(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0}, http2.Setting{ID: http2.SettingHeaderTableSize, Val: 4096})
	j.settle()
	j.ReadMetaHeaders.SetAllowedMaxDynamicTableSize(4096)
	ask("with a setting given twice")
	for _, size := range []uint32{0, 100, 4096} { // of the table that the client encodes with
		j.encoder.SetMaxDynamicTableSize(size)
		ask(fmt.Sprintf("with a table of %d bytes of the client", size))
	}
}

func TestHTTP2_AHeadThatCannotBeDecodedEndsTheConnection(t *testing.T) {
	lab, seen := judgeRecording(t)
	for name, block := range map[string][]byte{
		"no such index":              {0x82, 0xff, 0xff, 0x01},
		"index 0":                    {0x80},
		"a string beyond the end":    {0x82, 0x40, 0x7f, 0x01, 'a'},
		"a wrong Huffman code":       {0x82, 0x40, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00},
		"an integer without end":     append([]byte{0x82, 0x40}, bytes.Repeat([]byte{0xff}, 20)...),
		"a table that is too large":  {0x3f, 0xe2, 0x1f, 0x82},
		"a late change of the table": {0x82, 0x20},
	} {
		t.Run(name, func(t *testing.T) {
			j := lab.judge()
			j.get(1, "/", "x", "for the table")
			j.outcome(1)
			<-seen
			j.opened(3, "GET")
			j.must(j.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: block, EndStream: true, EndHeaders: true}))
			judgeSame(t, j.goodbye(), "COMPRESSION_ERROR")
			if len(seen) > 0 {
				t.Error("a handler saw it")
			}
		})
	}
}

// A few bytes stand for a lot once they are in the table of fields.
func TestHTTP2_AHeadThatUnfoldsIsRefused(t *testing.T) {
	j, seen := judgeRecorder(t, func(o *Options) { o.Limits.Header = 8 << 10 })
	j.get(1, "/", "x-bomb", strings.Repeat("b", 4000))
	judgeSame(t, j.outcome(1).String(), "200, end")
	<-seen
	bomb := append(j.fieldsOf(judgeRequest("GET", "/")...), bytes.Repeat([]byte{0x80 | 62}, 10_000)...) // 40 MB
	j.opened(3, "GET")
	j.must(j.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: bomb, EndStream: true, EndHeaders: true}))
	for s := j.streams[3]; !s.over() && j.next(); {
	}
	if got := j.streams[3]; strings.HasPrefix(got.status, "2") || len(seen) > 0 {
		t.Errorf("it was served: %s", got)
	}
}

func TestHTTP2_MethodsAndTargetsPassAsTheyAre(t *testing.T) {
	j, seen := judgeRecorder(t)
	for i, test := range [][2]string{
		{"OPTIONS", "*"}, {"PROPFIND", "/a;b=c"}, {"M-SEARCH", "/%41%zz?%zz"}, {"GET", "//a//b"}, {"GET", "/?"}, {"DELETE", "/a?b?c"}, {"QUERY", "/"},
	} {
		id := uint32(2*i + 1)
		j.send(id, true, judgeRequest(test[0], test[1])...)
		got := j.outcome(id)
		if got.reset != nil { // a target that net/url does not read may be refused
			if !strings.Contains(test[1], "%zz") {
				t.Errorf("%q: %s", test, got)
			}
			continue
		}
		if r := frontWait(t, seen, "the request"); r.Method != test[0] || r.RequestURI != test[1] {
			t.Errorf("%q became %s %s", test, r.Method, r.RequestURI)
		}
	}
}

// A thousand requests on one connection, the frames of a hundred at a time mixed.
func TestHTTP2_RequestsDoNotMixHoweverTheirFramesDo(t *testing.T) {
	random := rand.New(rand.NewPCG(9113, 0))
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		_, _ = fmt.Fprintf(w, "%s %d %x %v", r.Header.Get("X-Id"), n, sum.Sum(nil), err)
	})
	j := lab.judge()
	j.generous = true
	type upload struct {
		id   uint32
		left []byte
		want string
	}
	next := uint32(1)
	for range 10 {
		var open []*upload
		for range 100 {
			body := make([]byte, random.IntN(1000))
			for i := range body {
				body[i] = byte(random.Uint32())
			}
			u := &upload{next, body, fmt.Sprintf("%d %d %x <nil>", next, len(body), sha256.Sum256(body))}
			j.post(u.id, "/", "x-id", fmt.Sprint(u.id))
			open, next = append(open, u), next+2
		}
		wants := map[uint32]string{}
		for len(open) > 0 {
			at := random.IntN(len(open))
			u := open[at]
			n := min(len(u.left), 1+random.IntN(500))
			j.must(j.WriteData(u.id, n == len(u.left), u.left[:n]))
			if u.left = u.left[n:]; len(u.left) == 0 {
				wants[u.id] = u.want
				open = append(open[:at], open[at+1:]...)
			}
		}
		for id, want := range wants {
			if got := j.outcome(id); string(got.body) != want {
				t.Fatalf("stream %d: %s, want %s", id, got, want)
			}
		}
	}
}
