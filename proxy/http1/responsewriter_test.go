package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
)

// writerConn keeps what is written, and in how many pieces.
type writerConn struct {
	bytes.Buffer
	writes int
	failed error
}

func (c *writerConn) Write(p []byte) (int, error) {
	if c.failed != nil {
		return 0, c.failed
	}
	c.writes++
	return c.Buffer.Write(p)
}

func (*writerConn) SetReadDeadline(time.Time) error  { return nil }
func (*writerConn) SetWriteDeadline(time.Time) error { return nil }

// writerOurs has h answer a request, and returns what was written and whether
// the connection can be used again.
func writerOurs(l *ResponseWriters, method, fields string, h http.HandlerFunc) (c *writerConn, reusable bool) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(writerRequest(method, fields))))
	if err != nil {
		panic(err)
	}
	c = &writerConn{}
	w := l.Get(c, r)
	h(w, r)
	reusable = w.Finish()
	l.Put(w)
	return c, reusable
}

func writerRequest(method, fields string) string {
	return method + " / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"
}

// writerTheirs is the same with net/http's server.
func writerTheirs(t *testing.T, s *httptest.Server, method, fields string) (answer []byte, reusable bool) {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	second := "GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	if _, err := io.WriteString(c, writerRequest(method, fields)+second); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(c)
	if err != nil && len(all) == 0 {
		t.Fatal(err)
	}
	answer, _, reusable = bytes.Cut(all, []byte("HTTP/1.1 204 No Content\r\nX-End: "))
	return answer, reusable
}

// writerSeen is what a client makes of a response, interim ones in front of it.
type writerSeen struct {
	statuses []string
	headers  []http.Header
	length   int64
	coding   []string
	body     string
	broken   bool
	trailer  http.Header
}

func writerRead(t *testing.T, method string, answer []byte) (seen writerSeen) {
	t.Helper()
	reader := bufio.NewReader(bytes.NewReader(answer))
	for {
		res, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%q: %v", answer, err)
		}
		if date := res.Header["Date"]; len(date) == 1 && len(date[0]) == len(http.TimeFormat) {
			res.Header["Date"] = []string{"now"}
		}
		seen.statuses, seen.headers = append(seen.statuses, res.Status), append(seen.headers, res.Header)
		if res.StatusCode < 200 && res.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		body, err := io.ReadAll(res.Body)
		seen.length, seen.coding, seen.body, seen.broken, seen.trailer = res.ContentLength, res.TransferEncoding, string(body), err != nil, res.Trailer
		if rest, _ := io.ReadAll(reader); len(rest) > 0 {
			t.Errorf("%q follows the response", rest)
		}
		return seen
	}
}

// writerHandlers write responses of every shape.
func writerHandlers() map[string]http.HandlerFunc {
	set := func(w http.ResponseWriter, fields ...string) {
		for i := 0; i < len(fields); i += 2 {
			w.Header().Add(fields[i], fields[i+1])
		}
	}
	say := func(w io.Writer, s string) { _, _ = io.WriteString(w, s) }
	flush := func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }
	status := func(code int, body string, fields ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			set(w, fields...)
			w.WriteHeader(code)
			say(w, body)
		}
	}
	long, longer := strings.Repeat("long ", 1000), strings.Repeat("longer ", 10000)
	return map[string]http.HandlerFunc{
		"nothing":                 func(http.ResponseWriter, *http.Request) {},
		"only a status":           status(201, ""),
		"small":                   status(200, "hello"),
		"html":                    status(200, "<!DOCTYPE html><p>hi"),
		"as much as waits":        status(200, strings.Repeat("x", smallBody)),
		"one byte more":           status(200, strings.Repeat("x", smallBody+1)),
		"long":                    status(200, long),
		"longer":                  status(200, longer),
		"length":                  status(200, "hello", "Content-Length", "5"),
		"longer with length":      status(200, longer, "Content-Length", "70000"),
		"too little for a length": status(200, "hell", "Content-Length", "5"),
		"length 0":                status(200, "", "Content-Length", "0"),
		"no content":              status(204, "ignored"),
		"no content with fields":  status(204, "", "Content-Length", "3", "Content-Type", "a/b", "Transfer-Encoding", "chunked"),
		"not modified":            status(304, "", "Content-Length", "3", "Content-Type", "a/b", "Etag", "x"),
		"unknown status":          status(299, "x"),
		"999":                     status(999, "x"),
		"close":                   status(200, "hello", "Connection", "close"),
		"close in a list":         status(200, "hello", "Connection", "x, close"),
		"keep-alive":              status(200, "hello", "Connection", "keep-alive"),
		"chunked by name":         status(200, "hello", "Transfer-Encoding", "chunked"),
		"identity":                status(200, "hello", "Transfer-Encoding", "identity"),
		"chunked and a length":    status(200, "hello", "Transfer-Encoding", "chunked", "Content-Length", "5"),
		"type":                    status(200, "<html>", "Content-Type", "text/plain"),
		"coding of the content":   status(200, "hello", "Content-Encoding", "x"),
		"own date":                status(200, "hello", "Date", "today"),
		"line breaks in a value":  status(200, "hello", "X", "a\r\nY: b"),
		"false name":              status(200, "hello", "X Y", "z", "A\r\nB", "c"),
		"several values":          status(200, "hello", "Set-Cookie", "b", "Set-Cookie", "a", "Set-Cookie", " c "),
		"announced trailers":      status(200, "hello", "Trailer", "X-A, X-B", "Trailer", "If-Match", "X-A", "1"),
		"without date and type": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Date"], w.Header()["Content-Type"] = nil, nil
			say(w, "<html>")
		},
		"trailers": func(w http.ResponseWriter, _ *http.Request) {
			set(w, "Trailer", "X-A", "Trailer:X-Early", "e")
			say(w, "hello")
			set(w, "X-A", "1", "X-A", "2", http.TrailerPrefix+"X-Late", "l", "X-None", "n")
		},
		"trailers in the end": func(w http.ResponseWriter, _ *http.Request) {
			say(w, long)
			set(w, http.TrailerPrefix+"X-Late", "l")
		},
		"header changed too late": func(w http.ResponseWriter, _ *http.Request) {
			set(w, "X-Early", "1")
			w.WriteHeader(200)
			set(w, "X-Late", "1")
			w.Header().Del("X-Early")
			say(w, "hello")
			w.WriteHeader(500)
		},
		"flushed": func(w http.ResponseWriter, _ *http.Request) {
			for _, part := range []string{"a", "", "bc"} {
				say(w, part)
				flush(w)
			}
		},
		"flushed at once": func(w http.ResponseWriter, _ *http.Request) {
			flush(w)
			say(w, "<html>")
		},
		"flushed with a length": func(w http.ResponseWriter, _ *http.Request) {
			set(w, "Content-Length", "6")
			flush(w)
			say(w, "<html>")
		},
		"interim": func(w http.ResponseWriter, _ *http.Request) {
			set(w, "Link", "</a>", "Content-Length", "5")
			w.WriteHeader(103)
			w.WriteHeader(102)
			say(w, "hello")
		},
		"many pieces": func(w http.ResponseWriter, _ *http.Request) {
			for i := range 3000 {
				_, _ = fmt.Fprintf(w, "%d,", i)
			}
		},
		"many pieces of a length": func(w http.ResponseWriter, _ *http.Request) {
			set(w, "Content-Length", "30000")
			for range 3000 {
				say(w, "0123456789")
			}
		},
		"large head": status(200, "hello", "X", strings.Repeat("x", 20<<10)),
	}
}

func TestResponseWriter_WritesWhatNetHTTPWrites(t *testing.T) {
	lender := NewResponseWriters()
	for name, h := range writerHandlers() {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/end" {
				w.Header()["Date"], w.Header()["X-End"] = nil, []string{"x"}
				w.WriteHeader(http.StatusNoContent)
				return
			}
			h(w, r)
		}))
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.Start()
		for _, method := range []string{"GET", "HEAD", "POST"} {
			for _, fields := range []string{"", "Connection: close\r\n"} {
				t.Run(name+"/"+method+"/"+fields, func(t *testing.T) {
					answer, reusable := writerTheirs(t, s, method, fields)
					want := writerRead(t, method, answer)
					c, ours := writerOurs(lender, method, fields, h)
					if got := writerRead(t, method, c.Bytes()); !reflect.DeepEqual(got, want) {
						t.Errorf("client reads\n%#v, from net/http\n%#v\n%q", got, want, c.Bytes()[:min(c.Len(), 1000)])
					}
					if ours != reusable {
						t.Errorf("reusable %v, with net/http %v", ours, reusable)
					}
				})
			}
		}
		s.Close()
	}
}

func TestResponseWriter_DropsALengthThatIsNone(t *testing.T) {
	for _, length := range []string{"x", "-1", ""} {
		c, reusable := writerOurs(NewResponseWriters(), "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", length)
			_, _ = io.WriteString(w, "hello")
		})
		if seen := writerRead(t, "GET", c.Bytes()); seen.body != "hello" || seen.broken || !reusable {
			t.Errorf("%q: %+v", length, seen)
		}
	}
}

func TestResponseWriter_SendsAHeadAndASmallBodyInOneWrite(t *testing.T) {
	for size, want := range map[int]int{0: 1, 100: 1, 10 << 10: 1, 64 << 10: 2} {
		c, _ := writerOurs(NewResponseWriters(), "GET", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(size))
			_, _ = w.Write(make([]byte, size))
		})
		if c.writes != want {
			t.Errorf("%d bytes left in %d writes, want %d", size, c.writes, want)
		}
	}
}

func TestResponseWriter_TellsOfAConnectionThatFailed(t *testing.T) {
	lender := NewResponseWriters()
	r := httptest.NewRequest("GET", "/", nil)
	broken := errors.New("broken")
	for name, size := range map[string]int{"buffered": 10, "long": 100 << 10} {
		w := lender.Get(&writerConn{failed: broken}, r)
		_, err := w.Write(make([]byte, size))
		if flushed := w.FlushError(); !errors.Is(flushed, broken) || size > recordSize && !errors.Is(err, broken) {
			t.Errorf("%s: errors %v, %v", name, err, flushed)
		}
		if w.Finish() {
			t.Errorf("%s: the connection is to be used again", name)
		}
		lender.Put(w)
	}
}

func TestResponseWriter_AnAbortedResponseIsNeverWhole(t *testing.T) {
	for size, want := range map[int]bool{10: false, 3000: true} {
		c := &writerConn{}
		w := NewResponseWriters().Get(c, httptest.NewRequest("GET", "/", nil))
		_, _ = w.Write(make([]byte, size))
		w.Abort()
		if sent := c.Len() > 0; sent != want {
			t.Errorf("%d bytes: something was sent: %v", size, sent)
		}
		if c.Len() > 0 && !writerRead(t, "GET", c.Bytes()).broken {
			t.Errorf("%d bytes look complete", size)
		}
	}
}

func TestResponseWriter_RefusesABodyThatDoesNotFitItsHead(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	w := NewResponseWriters().Get(&writerConn{}, r)
	w.Header().Set("Content-Length", "3")
	if _, err := io.WriteString(w, "four"); !errors.Is(err, http.ErrContentLength) {
		t.Errorf("error %v", err)
	}
	w = NewResponseWriters().Get(&writerConn{}, r)
	w.WriteHeader(http.StatusNotModified)
	if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrBodyNotAllowed) {
		t.Errorf("error %v", err)
	}
}

func TestResponseWriters_KeepNothingOfAResponse(t *testing.T) {
	lender := NewResponseWriters()
	writerOurs(lender, "GET", "Connection: close\r\n", writerHandlers()["trailers"])
	for range 10 {
		c, reusable := writerOurs(lender, "GET", "", func(http.ResponseWriter, *http.Request) {})
		if seen := writerRead(t, "GET", c.Bytes()); !reusable || len(seen.headers[0]) != 2 || seen.length != 0 {
			t.Fatalf("%+v", seen)
		}
	}
}

func TestResponseWriters_RenewTheDateEverySecond(t *testing.T) {
	lender := NewResponseWriters()
	now := time.Date(2026, 11, 22, 23, 59, 59, 0, time.UTC)
	lender.now = func() time.Time { return now }
	for _, want := range []string{"Sun, 22 Nov 2026 23:59:59 GMT", "Mon, 23 Nov 2026 00:00:00 GMT"} {
		if got := lender.Date(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		now = now.Add(time.Second)
	}
}

func BenchmarkResponseWriter_SmallBody(b *testing.B) {
	lender, c := NewResponseWriters(), &writerConn{}
	r := httptest.NewRequest("GET", "/", nil)
	values := [][]string{{"text/plain"}, {"1024"}, {"nginx"}, {"0123456789abcdef"}}
	body := make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		c.Reset()
		w := lender.Get(c, r)
		h := w.Header()
		h["Content-Type"], h["Content-Length"], h["Server"], h["X-Request-Id"] = values[0], values[1], values[2], values[3]
		_, _ = w.Write(body)
		w.Finish()
		lender.Put(w)
	}
}
