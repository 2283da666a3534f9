package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// forwardLab is one backend behind two fronts, one that forwards and one that
// leaves everything to httputil.ReverseProxy.
type forwardLab struct {
	answer        string      // of the backend, byte for byte
	seen          chan string // what the backend was sent, byte for byte
	ours, general *front
}

func newForwardLab(t *testing.T, answer string, change ...func(*Config)) *forwardLab {
	t.Helper()
	lab := &forwardLab{answer: answer, seen: make(chan string, 100)}
	url := lab.listen(t)
	cfg := frontConfig(url, append(change, func(c *Config) { c.Sites[0].Plain = plainProxy })...)
	lab.ours = newServedFront(t, cfg, func(h *Handler) { h.general = false })
	lab.general = newServedFront(t, cfg, func(h *Handler) { h.general = true })
	return lab
}

func (l *forwardLab) listen(t *testing.T) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go l.serve(c)
		}
	}()
	return "http://" + listener.Addr().String()
}

// serve answers the first request of a connection and closes it.
func (l *forwardLab) serve(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	var seen bytes.Buffer
	r, err := http.ReadRequest(bufio.NewReader(io.TeeReader(c, &seen)))
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	answer := l.answer
	if r.Method == http.MethodHead {
		answer = forwardHead(answer)
	}
	_, _ = io.WriteString(c, answer)
	l.seen <- seen.String()
}

// forwardHead is an answer without the body of its final response.
func forwardHead(answer string) string {
	final := max(0, strings.LastIndex(answer, "HTTP/1."))
	if end := strings.Index(answer[final:], "\r\n\r\n"); end >= 0 {
		return answer[:final+end+4]
	}
	return answer
}

// saw is what the backend was sent, or that it was sent nothing.
func (l *forwardLab) saw() string {
	select {
	case seen := <-l.seen:
		return seen
	case <-time.After(time.Minute):
		return "nothing"
	}
}

// volatile is what differs between any two requests.
var volatile = regexp.MustCompile(`(?m)^(Date|X-Request-Id): .*$|[0-9a-f]{32}|127\.0\.0\.1:[0-9]+|^X-Forwarded-Port: .*$`)

func forwardStable(s string) string { return volatile.ReplaceAllString(s, "*") }

// compare has both fronts asked, and compares what the two sides saw.
func (l *forwardLab) compare(t *testing.T, refused bool, ask func(t *testing.T, f *front) string) {
	t.Helper()
	var told, seen [2]string
	for i, f := range []*front{l.ours, l.general} {
		f.handler.upstreams["api"].dropIdle() // the backend closes them, and a POST may meet that
		told[i] = forwardStable(ask(t, f))
		if !refused {
			seen[i] = forwardStable(l.saw())
		}
	}
	if told[0] != told[1] {
		t.Errorf("the client was told\n%s\nand by httputil\n%s", told[0], told[1])
	}
	if seen[0] != seen[1] {
		t.Errorf("the backend was sent\n%s\nand by httputil\n%s", seen[0], seen[1])
	}
}

const forwardPlain = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"

func TestForward_SendsTheBackendWhatHttputilSends(t *testing.T) {
	requests := map[string]string{
		"plain":            "GET /a/b?c=d&e;f HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: x\r\nAccept: */*\r\n",
		"no user agent":    "GET / HTTP/1.1\r\nHost: api.example.com\r\n",
		"empty user agent": "GET / HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent:\r\n",
		"no body to post":  "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 0\r\n",
		"body":             "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 4\r\n",
		"chunked":          "PUT / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n",
		"get with a body":  "GET / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 4\r\n",
		"chunked delete":   "DELETE / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n",
		"head":             "HEAD / HTTP/1.1\r\nHost: api.example.com\r\n",
		"own method":       "PROPFIND / HTTP/1.1\r\nHost: api.example.com\r\nDepth: 1\r\n",
		"hop by hop": "GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: X-One, keep-alive , x-two\r\nConnection: X-Three,,\r\nX-One: 1\r\nX-Two: 2\r\nX-Three: 3\r\nX-Four: 4\r\n" +
			"Keep-Alive: 300\r\nProxy-Connection: keep-alive\r\nProxy-Authenticate: x\r\nProxy-Authorization: y\r\nTe: gzip\r\n",
		"strips ours":     "GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: X-Forwarded-For, X-Real-Ip, Forwarded, X-Request-Id, Host, User-Agent\r\nUser-Agent: x\r\n",
		"te trailers":     "GET / HTTP/1.1\r\nHost: api.example.com\r\nTe: gzip, trailers\r\nConnection: te\r\n",
		"upgrade to h2c":  "GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
		"forged origin":   "GET / HTTP/1.1\r\nHost: api.example.com\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: ftp\r\nX-Forwarded-Server: me\r\nForwarded: for=1.2.3.4\r\nX-Real-Ip: 5.6.7.8\r\n",
		"twins":           "GET / HTTP/1.1\r\nHost: api.example.com\r\nX_Forwarded_For: 1.2.3.4\r\nContent_Length: 4\r\nProxy: evil\r\nX-Ok: 1\r\nX_Ok: 2\r\naccess_token: 3\r\n",
		"repeated":        "GET / HTTP/1.1\r\nHost: api.example.com\r\nCookie: a=1\r\nCookie: b=2\r\nX-A: 1\r\nX-A: 2\r\nX-Empty:\r\n",
		"odd path":        "GET //a/../b%2Fc%20d/%7Euser;x=1?q=%zz?&= HTTP/1.1\r\nHost: api.example.com\r\n",
		"absolute target": "GET http://api.example.com/x?y HTTP/1.1\r\nHost: api.example.com\r\n",
		"http 1.0":        "GET / HTTP/1.0\r\nAccept: */*\r\n",
		"idempotency key": "POST / HTTP/1.1\r\nHost: api.example.com\r\nIdempotency-Key: k\r\nContent-Length: 4\r\n",
		"range":           "GET / HTTP/1.1\r\nHost: api.example.com:443\r\nRange: bytes=0-1\r\nIf-None-Match: \"x\"\r\nAccept-Encoding: gzip\r\n",
		"expectation":     "POST / HTTP/1.1\r\nHost: api.example.com\r\nExpect: 100-continue\r\nContent-Length: 4\r\n",
		"trailer":         "POST / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-Forwarded-For\r\n",
	}
	lab := newForwardLab(t, forwardPlain)
	trusting := newForwardLab(t, forwardPlain, func(c *Config) { c.TrustedProxies = []string{"127.0.0.0/8"} })
	changing := newForwardLab(t, forwardPlain, func(c *Config) {
		c.Sites[0].Headers = Headers{RequestSet: []string{"User-Agent: changed", "X-Set: {remote}"}, RequestAdd: []string{"Cookie: c=3", "X-A: 3"}, RequestRemove: []string{"Accept"}}
		c.Backends[0].PreserveHost = new(bool)
		c.Backends[0].URL += "/base"
	})
	for name, head := range requests {
		t.Run(name, func(t *testing.T) {
			labs := []*forwardLab{lab, trusting, changing}
			if name == "expectation" {
				labs = labs[:1] // it takes a second: the backend never says that it wants the body
			}
			for _, lab := range labs {
				lab.compare(t, false, func(t *testing.T, f *front) string { return forwardAsk(t, f, forwardRequest(head)) })
			}
		})
	}
}

// forwardRequest completes a head. The connection is closed after the answer,
// which the client asks for in a header of its own unless the head has one.
func forwardRequest(head string) string {
	body := ""
	switch {
	case strings.Contains(head, "Trailer:"):
		body = "4\r\nbody\r\n0\r\nX-Sum: 42\r\nX-Forwarded-For: 1.2.3.4\r\nX-Late: 1\r\n\r\n"
	case strings.Contains(head, "chunked"):
		body = "2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n"
	case strings.Contains(head, "Content-Length: 4"):
		body = "body"
	}
	return head + "\r\n" + body
}

// forwardAsk sends a request on a connection of its own, and half closes it: the
// server closes it after the answer.
func forwardAsk(t *testing.T, f *front, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(c)
	var answer strings.Builder
	for {
		res, err := http.ReadResponse(reader, &http.Request{Method: strings.Fields(request)[0]})
		if err != nil {
			fmt.Fprintln(&answer, "no answer:", err)
			return answer.String()
		}
		answer.WriteString(forwardDump(res))
		if res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols {
			return answer.String()
		}
	}
}

// forwardDump is all that a client gets of a response.
func forwardDump(res *http.Response) string {
	defer res.Body.Close()
	head, _ := httputil.DumpResponse(res, false)
	body, err := io.ReadAll(res.Body)
	return fmt.Sprintf("%s%s\nerror: %v\ntrailer: %v\nlength: %d %v\n", head, body, err, res.Trailer, res.ContentLength, res.TransferEncoding)
}

func TestForward_TellsTheClientWhatHttputilTells(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 10_000)
	answers := map[string]string{
		"plain":             forwardPlain,
		"no content":        "HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
		"not modified":      "HTTP/1.1 304 Not Modified\r\nEtag: \"x\"\r\nContent-Length: 10\r\n\r\n",
		"empty":             "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"no type":           "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
		"large":             fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(large), large),
		"chunked":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"until the end":     "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nto the end",
		"trailers":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-Other\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n",
		"unannounced":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Late: 2\r\n\r\n",
		"missing trailer":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"events":            "HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\nContent-Length: 9\r\n\r\ndata: 1\n\n",
		"hop by hop":        "HTTP/1.1 200 OK\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\nUpgrade: h2c\r\nTe: x\r\nContent-Length: 0\r\n\r\n",
		"repeated":          "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\nX-Request-Id: theirs\r\nVia: 1.1 a\r\nVia: 1.1 b\r\nContent-Length: 0\r\n\r\n",
		"redirect":          "HTTP/1.1 302 Found\r\nLocation: http://api.example.com/x\r\nContent-Length: 0\r\n\r\n",
		"own page":          "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\nContent-Encoding: br\r\n\r\nerror",
		"cut short":         "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
		"cut in a chunk":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
		"no http":           "SSH-2.0-OpenSSH_9.2\r\n",
		"nothing":           "",
		"early hints":       "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n" + forwardPlain,
		"two interim heads": "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\n" + forwardPlain,
		"unasked switch":    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"unnamed switch":    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			lab := newForwardLab(t, answer, func(c *Config) {
				c.Sites[0].ErrorPages = []ErrorPage{{Status: []int{503}, Text: "ours", Override: true}}
				c.Sites[0].Headers = Headers{ResponseSet: []string{"X-Frame-Options: DENY"}, ResponseRemove: []string{"Server"}}
			})
			for _, method := range []string{"GET", "HEAD", "POST"} {
				request := method + " / HTTP/1.1\r\nHost: api.example.com\r\n\r\n"
				lab.compareWith(t, func(t *testing.T, f *front) string { return forwardAsk(t, f, request) })
				if method != "POST" {
					lab.compareWith(t, func(t *testing.T, f *front) string { return forwardAskHTTP2(t, f, method) })
				}
			}
		})
	}
}

// compareWith also compares why a request failed, and leaves aside what the
// backend saw, and how often.
func (l *forwardLab) compareWith(t *testing.T, ask func(t *testing.T, f *front) string) {
	t.Helper()
	l.compare(t, true, func(t *testing.T, f *front) string {
		told := ask(t, f)
		x := frontWait(t, f.exchanges, "the exchange")
		return fmt.Sprintf("%s\nfailure: %q", told, x.failure)
	})
}

func forwardAskHTTP2(t *testing.T, f *front, method string) string {
	t.Helper()
	var interim strings.Builder
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		fmt.Fprintln(&interim, code, h)
		return nil
	}}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), method, "https://api.example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := f.client(t, true)
	defer client.CloseIdleConnections()
	res, err := client.Do(r)
	if err != nil {
		return interim.String() + err.Error()
	}
	return interim.String() + forwardDump(res)
}

func TestForward_FlushesAPieceThatNothingFollowsSoon(t *testing.T) {
	for _, length := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
		t.Run(length, func(t *testing.T) {
			step := make(chan struct{})
			url := routeRawBackend(t, func(c *net.TCPConn, _ *http.Request) {
				pieces := []string{"HTTP/1.1 200 OK\r\n" + length + "\r\n\r\n", "hello", "world"}
				if strings.Contains(length, "chunked") {
					pieces = []string{pieces[0], "5\r\nhello\r\n", "5\r\nworld\r\n0\r\n\r\n"}
				}
				for _, piece := range pieces {
					_, _ = io.WriteString(c, piece)
					<-step
				}
			})
			f := newServedFront(t, frontConfig(url))
			bothProtocols(t, f, func(t *testing.T, client *http.Client) {
				res, err := client.Get("https://api.example.com/") // returns when the head is there
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				piece := make([]byte, 5)
				for _, want := range []string{"hello", "world"} {
					step <- struct{}{}
					if _, err := io.ReadFull(res.Body, piece); err != nil || string(piece) != want {
						t.Fatalf("%q, %v", piece, err)
					}
				}
				step <- struct{}{}
			})
		})
	}
}

func TestForward_KeepsTheHeadersThatAreThereAroundAnInterimResponse(t *testing.T) {
	recorder := &benchWriter{header: http.Header{"Connection": {"close"}, "Link": {"</a>"}}}
	var w pacedWriter
	w.init(recorder, time.Second, new(watchdogs))
	var i interim
	i.begin(&w)
	if err := i.pass(http.StatusEarlyHints, textproto.MIMEHeader{"Link": {"</b>"}}); err != nil {
		t.Fatal(err)
	}
	i.end()
	if err := i.pass(http.StatusEarlyHints, textproto.MIMEHeader{"X-Late": {"1"}}); err != nil {
		t.Fatal(err)
	}
	if got := recorder.header; len(got) != 2 || got.Get("Connection") != "close" || !slices.Equal(got["Link"], []string{"</a>"}) {
		t.Errorf("header %v", got)
	}
}
