package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// routeBodies is a backend that shows how each request body ended.
type routeBody struct {
	length   int64
	body     string
	err      error
	encoding []string
	trailer  http.Header
}

func newRouteBodies(t *testing.T) (url string, bodies <-chan routeBody) {
	t.Helper()
	seen := make(chan routeBody, 100)
	backend := frontBackend(t, func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		seen <- routeBody{r.ContentLength, string(body), err, r.TransferEncoding, r.Trailer}
	})
	return backend.URL, seen
}

func TestBody_ArrivesWithItsLengthOrChunked(t *testing.T) {
	url, bodies := newRouteBodies(t)
	f := newServedFront(t, frontConfig(url))
	large := strings.Repeat("0123456789abcdef", 100_000)
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		for name, body := range map[string]io.Reader{"gathered": strings.NewReader("small"), "streamed": strings.NewReader(large), "chunked": io.MultiReader(strings.NewReader(large))} {
			r, _ := http.NewRequest("POST", "https://api.example.com/", body)
			frontDo(t, client, r)
			got := frontWait(t, bodies, name)
			want := map[string]routeBody{"gathered": {length: 5, body: "small"}, "streamed": {length: 1_600_000, body: large}, "chunked": {length: -1, body: large}}[name]
			if got.err != nil || got.length != want.length || got.body != want.body {
				t.Errorf("%s: length %d of %d bytes, %v", name, got.length, len(got.body), got.err)
			}
		}
	})
}

func TestBody_TooLargeByItsLengthIsRefusedWithoutAskingTheBackend(t *testing.T) {
	url, bodies := newRouteBodies(t)
	f := newServedFront(t, frontConfig(url, func(c *Config) { c.Limits.Body = 1 << 20 }))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		r, _ := http.NewRequest("POST", "https://api.example.com/", bytes.NewReader(make([]byte, 50<<20)))
		res, page := frontDo(t, client, r)
		if res.StatusCode != 413 || !strings.Contains(page, `"status":413`) {
			t.Errorf("%d %s", res.StatusCode, page)
		}
	})
	if len(bodies) > 0 {
		t.Error("the backend was asked")
	}
}

func TestBody_TooLargeArrivesAtAClientThatSendsEverythingFirst(t *testing.T) {
	url, _ := newRouteBodies(t)
	f := newServedFront(t, frontConfig(url, func(c *Config) { c.Limits.Body = 1 << 20 }))
	for name, framing := range map[string]string{"length": "Content-Length: 33554432\r\n", "chunked": "Transfer-Encoding: chunked\r\n"} {
		t.Run(name, func(t *testing.T) {
			c, r := f.raw(t)
			fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: api.example.com\r\n%s\r\n", framing)
			piece := make([]byte, 64<<10)
			for range (32 << 20) / len(piece) {
				if name == "chunked" {
					fmt.Fprintf(c, "%x\r\n", len(piece))
				}
				if _, err := c.Write(piece); err != nil {
					t.Fatalf("the connection was cut while the client was sending: %v", err)
				}
				if name == "chunked" {
					io.WriteString(c, "\r\n")
				}
			}
			if name == "chunked" {
				io.WriteString(c, "0\r\n\r\n")
			}
			res, err := http.ReadResponse(r, nil)
			if err != nil || res.StatusCode != 413 {
				t.Fatalf("%v %v", res, err)
			}
		})
	}
}

func TestBody_OfUnknownLengthNeverLooksCompleteOnceItIsTooLarge(t *testing.T) {
	url, bodies := newRouteBodies(t)
	f := newServedFront(t, frontConfig(url, func(c *Config) { c.Limits.Body = 100_000 }))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		r, _ := http.NewRequest("POST", "https://api.example.com/", io.MultiReader(bytes.NewReader(make([]byte, 100_001))))
		if res, _ := frontDo(t, client, r); res.StatusCode != 413 {
			t.Errorf("status %d", res.StatusCode)
		}
		if got := frontWait(t, bodies, "the cut body"); got.err == nil {
			t.Errorf("the backend took %d bytes for the whole body", len(got.body))
		}
		r, _ = http.NewRequest("POST", "https://api.example.com/", io.MultiReader(bytes.NewReader(make([]byte, 100_000))))
		if res, _ := frontDo(t, client, r); res.StatusCode != 200 {
			t.Errorf("a body of just the limit: status %d", res.StatusCode)
		}
		frontWait(t, bodies, "the allowed body")
	})
}

func TestBody_LimitOfTheRouteGoesBeforeTheSitesAndTheCommonOne(t *testing.T) {
	url, _ := newRouteBodies(t)
	small, none := Size(10), Size(0)
	f := newServedFront(t, frontConfig(url, func(c *Config) {
		c.Limits.Body = 100
		c.Sites[0].Body = &small
		c.Sites[0].Routes = []Route{{Path: "/upload", Backend: "api", Body: &none}}
	}))
	for path, want := range map[string]int{"/": 413, "/upload": 200} {
		r, _ := http.NewRequest("POST", "https://api.example.com"+path, strings.NewReader("twenty bytes or more of body"))
		if res, _ := frontDo(t, f.client(t, true), r); res.StatusCode != want {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}

func TestBody_SmallOneIsGatheredBeforeTheBackendIsAsked(t *testing.T) {
	url, bodies := newRouteBodies(t)
	f := newServedFront(t, frontConfig(url, func(c *Config) { c.Timeouts.Body = 300 * time.Millisecond }))
	c, r := f.raw(t)
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 10\r\n\r\n12345")
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != 408 || !res.Close {
		t.Fatalf("%v %v", res, err)
	}
	if x := frontWait(t, f.exchanges, "the exchange"); x.tries != 0 || x.failure != "client sent the body too slowly" {
		t.Errorf("%+v", x)
	}
	if len(bodies) > 0 {
		t.Error("the backend was asked")
	}
}

func TestBody_SlowStreamIsCutAndNotBlamedOnTheBackend(t *testing.T) {
	url, bodies := newRouteBodies(t)
	f := newServedFront(t, frontConfig(url, func(c *Config) { c.Timeouts.Body = time.Second }))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		body, feed := io.Pipe()
		defer feed.Close()
		go func() { _, _ = feed.Write([]byte("some")) }()
		r, _ := http.NewRequest("POST", "https://api.example.com/", body)
		res, _ := frontDo(t, client, r)
		if res.StatusCode != 408 {
			t.Errorf("status %d", res.StatusCode)
		}
		if got := frontWait(t, bodies, "the cut body"); got.err == nil {
			t.Error("the backend took the body for complete")
		}
		if len(f.unreachable) > 0 {
			t.Error("the backend was blamed")
		}
	})
}

func TestBody_TimeOfTheBackendIsNotHeldAgainstTheClient(t *testing.T) {
	release := make(chan struct{})
	backend := frontBackend(t, func(_ http.ResponseWriter, r *http.Request) {
		<-release
		_, _ = io.Copy(io.Discard, r.Body)
	})
	f := newServedFront(t, frontConfig(backend.URL, func(c *Config) { c.Timeouts.Body = time.Second; c.Timeouts.Write = time.Second }))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		time.AfterFunc(1500*time.Millisecond, func() { release <- struct{}{} })
		r, _ := http.NewRequest("POST", "https://api.example.com/", bytes.NewReader(make([]byte, 8<<20)))
		if res, _ := frontDo(t, client, r); res.StatusCode != 200 {
			t.Errorf("status %d", res.StatusCode)
		}
	})
}

func TestBody_ContinueIsTheBackendsDecision(t *testing.T) {
	backend := frontBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.Copy(w, r.Body)
	})
	f := newServedFront(t, frontConfig(backend.URL))
	for path, want := range map[string]int{"/no": 401, "/yes": 200} {
		var continued bool
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got100Continue: func() { continued = true }})
		r, _ := http.NewRequestWithContext(ctx, "POST", "https://api.example.com"+path, strings.NewReader("body"))
		res, body := frontDo(t, f.client(t, false), r, "Expect", "100-continue")
		if res.StatusCode != want || continued != (want == 200) || want == 200 && body != "body" {
			t.Errorf("%s: status %d, continue %v, body %q", path, res.StatusCode, continued, body)
		}
	}
}

func TestBody_TooLargeIsToldInsteadOfContinue(t *testing.T) {
	url, _ := newRouteBodies(t)
	f := newServedFront(t, frontConfig(url, func(c *Config) { c.Limits.Body = 10 }))
	answer := frontRaw(t, f, "POST / HTTP/1.1\r\nHost: api.example.com\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 413 ") { // and the connection is closed, or frontRaw would wait
		t.Errorf("%.80q", answer)
	}
}

func TestBody_TrailersPassButNotThoseThatGatewayGuards(t *testing.T) {
	url, bodies := newRouteBodies(t)
	f := newServedFront(t, frontConfig(url))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		r, _ := http.NewRequest("POST", "https://api.example.com/", io.MultiReader(strings.NewReader("body")))
		r.Trailer = http.Header{"X-Checksum": {"abc"}, "X-Forwarded-For": {"6.6.6.6"}}
		frontDo(t, client, r)
		got := frontWait(t, bodies, "the body")
		if got.body != "body" || got.trailer.Get("X-Checksum") != "abc" || got.trailer.Get("X-Forwarded-For") != "" {
			t.Errorf("%+v", got)
		}
	})
}

func TestBody_CutShortByTheClientReachesNoBackendOrLooksCut(t *testing.T) {
	url, bodies := newRouteBodies(t)
	f := newServedFront(t, frontConfig(url))
	for name, head := range map[string]string{"gathered": "Content-Length: 10\r\n\r\n12345", "streamed": "Content-Length: 100000\r\n\r\n12345", "chunked": "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"} {
		c, _ := f.raw(t)
		fmt.Fprintf(c, "POST /%s HTTP/1.1\r\nHost: api.example.com\r\n%s", name, head)
		c.Close()
		x := frontWait(t, f.exchanges, "the exchange")
		if x.failure != "client went away" {
			t.Errorf("%s: %q", name, x.failure)
		}
		if name == "gathered" {
			if x.tries != 0 {
				t.Error("a body that broke off was sent to the backend")
			}
		} else if got := frontWait(t, bodies, name); got.err == nil {
			t.Errorf("%s: the backend took %q for complete", name, got.body)
		}
	}
	if len(f.unreachable) > 0 {
		t.Error("the backend was blamed for a client that went away")
	}
}

func TestBody_MalformedChunksAreTheClientsFault(t *testing.T) {
	url, bodies := newRouteBodies(t)
	f := newFront(t, frontConfig(url))
	answer := frontRaw(t, f, "POST / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 400 ") || !strings.Contains(answer, "Connection: close") {
		t.Errorf("%.80q", answer)
	}
	if got := frontWait(t, bodies, "the cut body"); got.err == nil {
		t.Error("the backend took the body for complete")
	}
}

func TestBody_AnswerBeforeTheEndOfAnUploadArrives(t *testing.T) {
	backend := frontBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "6")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "denied")
	})
	f := newServedFront(t, frontConfig(backend.URL))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		for range 5 {
			r, _ := http.NewRequest("PUT", "https://api.example.com/", bytes.NewReader(make([]byte, 20<<20)))
			if res, body := frontDo(t, client, r); res.StatusCode != 403 || body != "denied" {
				t.Errorf("%d %q %s", res.StatusCode, body, f.log)
			}
		}
	})
}

func TestBody_BothDirectionsStreamAtOnce(t *testing.T) {
	backend := frontBackend(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		w.WriteHeader(200)
		_ = rc.Flush()
		in := bufio.NewScanner(r.Body)
		for in.Scan() {
			fmt.Fprintf(w, "echo %s\n", in.Text())
			_ = rc.Flush()
		}
	})
	f := newServedFront(t, frontConfig(backend.URL))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		body, feed := io.Pipe()
		r, _ := http.NewRequest("POST", "https://api.example.com/", body)
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		lines := textproto.NewReader(bufio.NewReader(res.Body))
		for i := range 3 {
			fmt.Fprintf(feed, "%d\n", i)
			if line, err := lines.ReadLine(); err != nil || line != fmt.Sprintf("echo %d", i) {
				t.Fatalf("%q %v", line, err)
			}
		}
		feed.Close()
		if _, err := lines.ReadLine(); !errors.Is(err, io.EOF) {
			t.Errorf("end: %v", err)
		}
	})
}

func TestGatherer_StreamsWhenItsMemoryIsUsedUp(t *testing.T) {
	g := gatherer{largest: 1 << 20}
	g.held.Store(gatherTotal - 3)
	r, _ := http.NewRequest("POST", "/", strings.NewReader("body"))
	original := r.Body
	release, err := g.gather(r)
	if err != nil || r.Body != original {
		t.Errorf("gathered beyond its memory: %v", err)
	}
	release()
	g.held.Store(0)
	release, err = g.gather(r)
	if err != nil || g.held.Load() != 4 {
		t.Errorf("held %d, %v", g.held.Load(), err)
	}
	release()
	if g.held.Load() != 0 {
		t.Error("memory was not given back")
	}
}

// Answers that leave a request's body unread must not cost the connection, nor
// the request that the client sends next on it.
func TestBody_ThatNobodyReadsLeavesTheConnectionToTheNextRequest(t *testing.T) {
	early := frontBackend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	f := newServedFront(t, frontConfig(early.URL, func(c *Config) {
		c.Sites[0].Routes = []Route{routeTestRespond(404, Route{Path: "/own"}), {Path: "/moved", Rules: Rules{Redirect: "/"}}}
		c.Limits.Buffer = 0
	}))
	c, r := f.raw(t)
	for i := range 60 {
		path := []string{"/own", "/moved", "/backend"}[i%3]
		if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 70000\r\n\r\n%s", path, strings.Repeat("x", 70000)); err != nil {
			t.Fatal(i, err)
		}
		res, err := http.ReadResponse(r, &http.Request{Method: "POST"})
		if err != nil {
			t.Fatalf("request %d, to %s: %v", i, path, err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.Close {
			t.Fatalf("request %d, to %s: %v, closed: %v", i, path, err, res.Close)
		}
	}
}
