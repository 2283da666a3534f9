package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
)

// wireBad are requests that must be refused before a handler sees anything. Each
// is followed by a smuggled one, which must not be answered.
func wireBad() []struct {
	name   string
	raw    string
	status int
} {
	const host = "Host: example.com\r\n"
	get := func(fields string) string { return "GET / HTTP/1.1\r\n" + host + fields + "\r\n" }
	post := func(fields, body string) string { return "POST / HTTP/1.1\r\n" + host + fields + "\r\n" + body }
	chunked := func(body string) string { return post("Transfer-Encoding: chunked\r\n", body) }
	line := func(l string) string { return l + "\r\n" + host + "\r\n" }
	hosts := func(h string) string { return "GET / HTTP/1.1\r\n" + h + "\r\n" }
	return []struct {
		name   string
		raw    string
		status int
	}{
		{"length and coding", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
		{"coding and length", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400},
		{"length 0 and coding", post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
		{"two lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), 400},
		{"the same length twice", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400},
		{"two lengths in capitals and not", post("content-length: 5\r\nCONTENT-LENGTH: 5\r\n", "hello"), 400},
		{"a list of lengths", post("Content-Length: 5, 5\r\n", "hello"), 400},
		{"length with plus", post("Content-Length: +5\r\n", "hello"), 400},
		{"negative length", post("Content-Length: -5\r\n", "hello"), 400},
		{"hexadecimal length", post("Content-Length: 0x5\r\n", "hello"), 400},
		{"length with letters", post("Content-Length: 5a\r\n", "hello"), 400},
		{"length with inner space", post("Content-Length: 5 5\r\n", "hello"), 400},
		{"length with underscore", post("Content-Length: 1_0\r\n", "hellohello"), 400},
		{"length with point", post("Content-Length: 5.0\r\n", "hello"), 400},
		{"empty length", post("Content-Length: \r\n", "hello"), 400},
		{"length of 20 digits", post("Content-Length: 99999999999999999999\r\n", "hello"), 400},
		{"length above int64", post("Content-Length: 9223372036854775808\r\n", "hello"), 400},
		{"two codings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
		{"coding twice in a list", post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), 400},
		{"chunked before identity", post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), 400},
		{"gzip and chunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 400},
		{"identity", post("Transfer-Encoding: identity\r\n", "0\r\n\r\n"), 501},
		{"unknown coding", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 501},
		{"chunked in quotes", post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), 400},
		{"chunked with a parameter", post("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n"), 400},
		{"chunked with vertical tab", post("Transfer-Encoding: \vchunked\r\n", "0\r\n\r\n"), 400},
		{"empty coding", post("Transfer-Encoding: \r\n", "0\r\n\r\n"), 400},
		{"coding with a comma", post("Transfer-Encoding: ,chunked\r\n", "0\r\n\r\n"), 400},
		{"coding in HTTP/1.0", "POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"space before the colon", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400},
		{"tab before the colon", post("Content-Length\t: 5\r\n", "hello"), 400},
		{"folded coding", post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), 400},
		{"folded field", get("X: a\r\n b\r\n"), 400},
		{"folded first line", "GET / HTTP/1.1\r\n " + host + "\r\n", 400},
		{"no field name", get(": value\r\n"), 400},
		{"no colon", get("nonsense\r\n"), 400},
		{"name with parentheses", get("X(a): b\r\n"), 400},
		{"name with a space", get("X a: b\r\n"), 400},
		{"name with non-ASCII", get("X\xe9: b\r\n"), 400},
		{"NUL in a name", get("X\x00: b\r\n"), 400},
		{"NUL in a value", get("X: a\x00b\r\n"), 400},
		{"control character in a value", get("X: a\x01b\r\n"), 400},
		{"DEL in a value", get("X: a\x7fb\r\n"), 400},
		{"bare LF after the request line", "GET / HTTP/1.1\n" + host + "\r\n", 400},
		{"bare LF after a field", get("X: a\nY: b\r\n"), 400},
		{"bare LF to end the head", "GET / HTTP/1.1\r\n" + host + "\n", 400},
		{"bare CR in a value", get("X: a\rY: b\r\n"), 400},
		{"bare CR to end a line", "GET / HTTP/1.1\rHost: example.com\r\r", 400},
		{"LF in front", "\n" + get(""), 400},
		{"three empty lines in front", "\r\n\r\n\r\n" + get(""), 400},
		{"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"two Hosts", hosts("Host: example.com\r\nHost: example.com\r\n"), 400},
		{"two different Hosts", hosts("Host: example.com\r\nhost: other.com\r\n"), 400},
		{"empty Host", hosts("Host: \r\n"), 400},
		{"Host with userinfo", hosts("Host: a@example.com\r\n"), 400},
		{"Host with a path", hosts("Host: example.com/x\r\n"), 400},
		{"Host with a space", hosts("Host: example.com x\r\n"), 400},
		{"Host with a comma", hosts("Host: example.com,other.com\r\n"), 400},
		{"Host with a bad port", hosts("Host: example.com:abc\r\n"), 400},
		{"Host with a port too high", hosts("Host: example.com:65536\r\n"), 400},
		{"Host with two ports", hosts("Host: example.com:80:81\r\n"), 400},
		{"Host with a scheme", hosts("Host: http://example.com\r\n"), 400},
		{"Host with an open bracket", hosts("Host: [::1\r\n"), 400},
		{"Host with a false IPv6 address", hosts("Host: [::zz]\r\n"), 400},
		{"Host with a zone", hosts("Host: [fe80::1%25eth0]\r\n"), 400},
		{"Host with non-ASCII", hosts("Host: ex\xc3\xa4mple.com\r\n"), 400},
		{"Host with percent-encoding", hosts("Host: ex%61mple.com\r\n"), 400},
		{"absolute-form that disagrees", line("GET http://other.com/ HTTP/1.1"), 400},
		{"absolute-form with userinfo", line("GET http://a@example.com/ HTTP/1.1"), 400},
		{"absolute-form of another scheme", line("GET ftp://example.com/ HTTP/1.1"), 400},
		{"asterisk-form", line("GET * HTTP/1.1"), 400},
		{"asterisk-form of OPTIONS", line("OPTIONS * HTTP/1.1"), 400},
		{"authority-form", line("GET example.com:80 HTTP/1.1"), 400},
		{"CONNECT", line("CONNECT example.com:443 HTTP/1.1"), 400},
		{"relative target", line("GET index.html HTTP/1.1"), 400},
		{"fragment in the target", line("GET /#x HTTP/1.1"), 400},
		{"DEL in the target", line("GET /\x7f HTTP/1.1"), 400},
		{"HTTP/0.9 without a version", "GET /\r\n", 400},
		{"HTTP/1.2 before the rest has come", "GET / HTTP/1.2\r\nHost: a\r\n", 505},
		{"broken percent-encoding", line("GET /%zz HTTP/1.1"), 400},
		{"two spaces in the request line", line("GET  / HTTP/1.1"), 400},
		{"space at its end", line("GET / HTTP/1.1 "), 400},
		{"space in the target", line("GET /a b HTTP/1.1"), 400},
		{"tabs in the request line", line("GET\t/\tHTTP/1.1"), 400},
		{"space in front", " " + get(""), 400},
		{"method with a colon", line("GE:T / HTTP/1.1"), 400},
		{"method with NUL", line("GE\x00T / HTTP/1.1"), 400},
		{"no version", line("GET /"), 400},
		{"HTTP/0.9", line("GET / HTTP/0.9"), 505},
		{"HTTP/1.2", line("GET / HTTP/1.2"), 505},
		{"HTTP/2.0", line("GET / HTTP/2.0"), 505},
		{"HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
		{"HTTP/1.10", line("GET / HTTP/1.10"), 400},
		{"version in lower case", line("GET / http/1.1"), 400},
		{"version of another protocol", line("GET / ICAP/1.0"), 400},
		{"unknown expectation", get("Expect: 200-ok\r\n"), 417},
		{"long request line", line("GET /" + strings.Repeat("a", 9<<10) + " HTTP/1.1"), 414},
		{"large head", get("X: " + strings.Repeat("a", 65<<10) + "\r\n"), 431},
		{"many lines", get(strings.Repeat("X: y\r\n", 101)), 431},
		{"binary", "\x00\x01\x02\x03", 400},
		{"SSH", "SSH-2.0-OpenSSH_9.6\r\n\r\n", 400},
		{"chunk size with 0x", chunked("0x5\r\nhello\r\n0\r\n\r\n"), 400},
		{"chunk size with plus", chunked("+5\r\nhello\r\n0\r\n\r\n"), 400},
		{"negative chunk size", chunked("-5\r\nhello\r\n0\r\n\r\n"), 400},
		{"empty chunk size", chunked("\r\nhello\r\n0\r\n\r\n"), 400},
		{"chunk size with a space", chunked("5 \r\nhello\r\n0\r\n\r\n"), 400},
		{"space before a chunk size", chunked(" 5\r\nhello\r\n0\r\n\r\n"), 400},
		{"chunk size with letters", chunked("5g\r\nhello\r\n0\r\n\r\n"), 400},
		{"chunk size that overflows", chunked("10000000000000005\r\nhello\r\n0\r\n\r\n"), 400},
		{"chunk size ended by bare LF", chunked("5\nhello\r\n0\r\n\r\n"), 400},
		{"chunk size ended by bare CR", chunked("5\rhello\r\n0\r\n\r\n"), 400},
		{"chunk too short", chunked("6\r\nhello\r\n0\r\n\r\n"), 400},
		{"chunk too long", chunked("4\r\nhello\r\n0\r\n\r\n"), 400},
		{"chunk ended by bare LF", chunked("5\r\nhello\n0\r\n\r\n"), 400},
		{"bare LF in a chunk extension", chunked("5;a=b\n\r\nhello\r\n0\r\n\r\n"), 400},
		{"NUL in a chunk extension", chunked("5;a\x00\r\nhello\r\n0\r\n\r\n"), 400},
		{"endless chunk extension", chunked("5;" + strings.Repeat("a", 5<<10) + "\r\nhello\r\n0\r\n\r\n"), 400},
		{"length in the trailers", chunked("5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n"), 400},
		{"Host in the trailers", chunked("5\r\nhello\r\n0\r\nHost: a\r\n\r\n"), 400},
		{"trailer with a space before the colon", chunked("0\r\nX : y\r\n\r\n"), 400},
		{"folded trailer", chunked("0\r\nX: y\r\n z\r\n\r\n"), 400},
		{"bare LF in the trailers", chunked("0\r\nX: y\n\r\n"), 400},
		{"length announced as a trailer", post("Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n", "0\r\n\r\n"), 400},
	}
}

const wireSmuggled = "GET /smuggled HTTP/1.1\r\nHost: example.com\r\n\r\n"

func TestWireGuard_RefusesWhatIsAmbiguousBeforeAHandlerSeesIt(t *testing.T) {
	var seen atomic.Int64
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		wireEcho(w, r)
	})
	for _, test := range wireBad() {
		t.Run(test.name, func(t *testing.T) {
			c := lab.dial(wirePlain)
			wireSend(t, c, test.raw+wireSmuggled)
			statuses, bodies := wireAnswers(t, c)
			if len(statuses) != 1 || statuses[0] != test.status {
				t.Fatalf("answers %v %q, want one %d and a closed connection", statuses, bodies, test.status)
			}
			if lines := strings.Count(bodies[0], "\n"); lines != 1 || len(bodies[0]) < 10 {
				t.Errorf("the body is not one readable line: %q", bodies[0])
			}
			if n := seen.Swap(0); n != 0 {
				t.Errorf("the handler saw %d requests", n)
			}
		})
	}
}

func TestWireGuard_RefusesTheSameByteByByteOverTLS(t *testing.T) {
	if testing.Short() {
		t.Skip("many handshakes")
	}
	var seen atomic.Int64
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) { seen.Add(1) })
	for _, test := range wireBad() {
		if len(test.raw) > 1000 || strings.Contains(test.name, "chunk") || strings.Contains(test.name, "trailer") {
			continue // a handler may begin before a broken body comes
		}
		c := lab.dialTLS("http/1.1")
		go func() { _, _ = io.Copy(c, iotest.OneByteReader(strings.NewReader(test.raw))) }()
		statuses, _ := wireAnswers(t, c)
		if len(statuses) != 1 || statuses[0] != test.status || seen.Load() != 0 {
			t.Errorf("%s: answers %v, handler %d, want %d", test.name, statuses, seen.Load(), test.status)
		}
	}
}

// wireGood are requests that look odd and must pass.
func TestWireGuard_PassesSoundRequestsWhole(t *testing.T) {
	lab := wireStart(t, wireEcho)
	const host = "Host: example.com\r\n"
	long := strings.Repeat("a", 20<<10)
	for _, test := range []struct{ name, raw, want string }{
		{"plain", "GET / HTTP/1.1\r\n" + host + "\r\n", "GET / "},
		{"two empty lines in front", "\r\n\r\nGET / HTTP/1.1\r\n" + host + "\r\n", "GET / "},
		{"Host in lower case with port", "GET / HTTP/1.1\r\nhost:example.com:8443\r\n\r\n", "GET / "},
		{"IPv6 Host", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n", "GET / "},
		{"absolute-form", "GET http://EXAMPLE.com/x HTTP/1.1\r\n" + host + "\r\n", "GET /x "},
		{"absolute-form without path", "GET http://example.com?x HTTP/1.1\r\n" + host + "\r\n", "GET  "},
		{"odd query", "GET /?a=%zz&b={|}\"<> HTTP/1.1\r\n" + host + "\r\n", "GET / "},
		{"double slash", "GET //x HTTP/1.1\r\n" + host + "\r\n", "GET //x "},
		{"own method", "PURGE-all! / HTTP/1.1\r\n" + host + "\r\n", "PURGE-all! / "},
		{"length", "POST / HTTP/1.1\r\n" + host + "Content-Length:5\r\n\r\nhello", "POST / hello"},
		{"length with zeros", "POST / HTTP/1.1\r\n" + host + "Content-Length: 0005 \r\n\r\nhello", "POST / hello"},
		{"chunks", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: Chunked\r\n\r\n2\r\nhe\r\n003;a=\"b\"\r\nllo\r\n0\r\nX-T: y\r\n\r\n", "POST / hello"},
		{"large length", "POST / HTTP/1.1\r\n" + host + "Content-Length: 20480\r\n\r\n" + long, "POST / " + long},
		{"large chunk", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n5000\r\n" + long + "\r\n0\r\n\r\n", "POST / " + long},
		{"empty value and bytes above ASCII", "GET / HTTP/1.1\r\n" + host + "X:\r\nY: caf\xe9\t \r\n\r\n", "GET / "},
		{"large head", "GET / HTTP/1.1\r\n" + host + "X: " + long + "\r\n\r\n", "GET / "},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, one := range map[string]func(io.Reader) io.Reader{
				"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader,
			} {
				if one != nil && len(test.raw) > 4<<10 && name != "at once" {
					continue
				}
				c := lab.dial(wireTLS)
				twice := strings.NewReader(test.raw + test.raw + "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
				go func() { _, _ = io.Copy(c, one(twice)) }()
				statuses, bodies := wireAnswers(t, c)
				if fmt.Sprint(statuses) != "[200 200 200]" || bodies[0] != test.want || bodies[1] != test.want || bodies[2] != "GET /last " {
					t.Errorf("%s: answers %v %.200q", name, statuses, bodies)
				}
			}
		})
	}
}

func TestWireGuard_AnswersPipelinedRequestsBeforeItRefuses(t *testing.T) {
	lab := wireStart(t, wireEcho)
	c := lab.dial(wirePlain)
	const ok = "POST /%d HTTP/1.1\r\nHost: example.com\r\nContent-Length: 2\r\n\r\nok"
	wireSend(t, c, fmt.Sprintf(ok+ok, 1, 2)+"GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"+wireSmuggled)
	statuses, bodies := wireAnswers(t, c)
	if fmt.Sprint(statuses) != "[200 200 400]" || bodies[0] != "POST /1 ok" || bodies[1] != "POST /2 ok" {
		t.Errorf("answers %v %q", statuses, bodies)
	}
}

func TestWireGuard_DoesNotBlameARequestForABadOneSentDuringIt(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		entered <- true
		<-leave
		if r.Context().Err() != nil || connOf(r.Context()).refused.Load() != nil {
			t.Error("the request in flight was disturbed")
		}
		wireEcho(w, r)
	})
	c := lab.dial(wirePlain)
	wireSend(t, c, "GET /good HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	wireSend(t, c, "GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
	leave <- true
	statuses, bodies := wireAnswers(t, c)
	if fmt.Sprint(statuses) != "[200 400]" || bodies[0] != "GET /good " {
		t.Errorf("answers %v %q", statuses, bodies)
	}
}

func TestWireGuard_TheSubstituteCannotBeForged(t *testing.T) {
	lab := wireStart(t, wireEcho)
	c := lab.dial(wirePlain)
	wireSend(t, c, substitute)
	if statuses, bodies := wireAnswers(t, c); fmt.Sprint(statuses) != "[200]" || bodies[0] != "GET / " {
		t.Errorf("answers %v %q", statuses, bodies)
	}
}

func TestWireGuard_NeverCompletesABodyWhoseFramingBreaks(t *testing.T) {
	result := make(chan error, 1)
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		result <- err
	})
	for _, rest := range []string{"5\r\nhello\n", "zz\r\n", "0\r\nbad trailer\r\n\r\n", "0\r\n" + strings.Repeat("X: y\r\n", 1000) + "\r\n", ""} {
		c := lab.dial(wirePlain)
		wireSend(t, c, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
			t.Fatalf("%q %v", line, err)
		}
		_, _ = io.WriteString(c, "5\r\nhello\r\n"+rest) // fails when the server has seen enough
		_ = c.(*net.TCPConn).CloseWrite()
		if err := <-result; err == nil {
			t.Errorf("a body ended by %q was read without an error", rest)
		}
		_, _ = io.Copy(io.Discard, c)
	}
}

// The guard must know at least as much as the parser behind it: what net/http
// refuses would be answered without a line in the access log.
func FuzzParseHead_RefusesWhatNetHTTPRefuses(f *testing.F) {
	for _, test := range wireBad() {
		if len(test.raw) < 1000 {
			f.Add(test.raw)
		}
	}
	f.Add("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n")
	f.Add("POST http://a/%20 HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n")
	limits := wireOptions().Limits
	f.Fuzz(func(t *testing.T, raw string) {
		var scan headScan
		end, refused := scan.next([]byte(raw), limits)
		if refused != nil || end == 0 {
			return
		}
		framing, refused := parseHead(raw[:end], scan.lines)
		if refused != nil {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", raw[:end], err)
		}
		if r.ContentLength != framing.length && !framing.chunked || framing.chunked != (len(r.TransferEncoding) > 0) {
			t.Fatalf("%q: the guard reads %+v, net/http %d %v", raw[:end], framing, r.ContentLength, r.TransferEncoding)
		}
	})
}

// Where the guard says a chunked body ends, net/http must see its end too.
func FuzzChunkedBody_EndsWhereNetHTTPEndsIt(f *testing.F) {
	for _, body := range []string{"0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\nrest", "3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n", "1\r\n\r\n"} {
		f.Add(body, 3)
	}
	f.Fuzz(func(t *testing.T, raw string, cut int) {
		var whole, parts chunkedBody
		n, err := whole.next([]byte(raw))
		cut = max(0, min(cut, len(raw)))
		first, errFirst := parts.next([]byte(raw[:cut]))
		if errFirst == nil && first == cut {
			more, errMore := parts.next([]byte(raw[cut:]))
			if first+more != n || errMore != err {
				t.Fatalf("%q is read as %d %v whole, and %d %v cut at %d", raw, n, err, first+more, errMore, cut)
			}
		}
		if err != nil || !whole.done() {
			return
		}
		reader := bufio.NewReader(strings.NewReader("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + raw))
		r, err := http.ReadRequest(reader)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Fatalf("%q: %v", raw[:n], err)
		}
		if rest, _ := io.ReadAll(reader); len(raw) < 4<<10 && string(rest) != raw[n:] {
			t.Fatalf("%q: the guard ends the body at %d, net/http leaves %q", raw, n, rest)
		}
	})
}

// wireScript is a connection on which the client has sent some parts and then
// ended its side.
type wireScript struct {
	net.Conn
	parts []string
}

func (s *wireScript) Read(p []byte) (int, error) {
	for len(s.parts) > 0 && s.parts[0] == "" {
		s.parts = s.parts[1:]
	}
	if len(s.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.parts[0])
	s.parts[0] = s.parts[0][n:]
	return n, nil
}

func (s *wireScript) SetReadDeadline(time.Time) error { return nil }
func (s *wireScript) RemoteAddr() net.Addr            { return &net.UnixAddr{} }

// Whatever a client sends and however it is cut, net/http must be able to parse
// all that the guard passes on, and must find the same number of requests in it.
func FuzzWireGuard_PassesOnlyWhatNetHTTPParses(f *testing.F) {
	for _, test := range wireBad() {
		if len(test.raw) < 1000 {
			f.Add("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok"+test.raw, 40, 80)
		}
	}
	f.Add("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 30, 90)
	opts := wireOptions()
	opts.Log, opts.Handler = slog.New(slog.DiscardHandler), http.NotFoundHandler()
	f.Fuzz(func(t *testing.T, raw string, cut, size int) {
		cut, size = max(0, min(cut, len(raw))), max(1, min(size, 4096))
		s := NewServer(opts)
		script := &wireScript{parts: []string{raw[:cut], raw[cut:]}}
		c, _ := s.clients.admit(script)
		g := s.newWireGuard(script, c, &conn{settings: s.settings.Load()})
		var passed bytes.Buffer
		_, err := io.CopyBuffer(struct{ io.Writer }{&passed}, struct{ io.Reader }{g}, make([]byte, size))
		r := bufio.NewReader(bytes.NewReader(passed.Bytes()))
		requests := 0
		for {
			request, errParse := http.ReadRequest(r)
			if errParse == io.EOF {
				break
			}
			if errParse != nil {
				t.Fatalf("%q passed as %q: %v", raw, passed.Bytes(), errParse)
			}
			requests++
			if _, errBody := io.Copy(io.Discard, request.Body); errBody != nil {
				break // it was cut off, or its framing broke
			}
		}
		if requests != g.heads {
			t.Fatalf("%q passed as %q: %d requests, the guard counted %d (%v)", raw, passed.Bytes(), requests, g.heads, err)
		}
	})
}
