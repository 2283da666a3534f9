package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// replayBackend carries out requests and dies, as far as their clients can see,
// before it answers the first deadly ones.
type replayBackend struct {
	*httptest.Server
	executed atomic.Int64 // requests that were read to their end, but for those that warm up
	deadly   atomic.Int64
	together sync.WaitGroup
}

func newReplayBackend(t *testing.T, dies func(w http.ResponseWriter)) *replayBackend {
	t.Helper()
	b := &replayBackend{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if r.URL.Path == "/warm" {
			b.together.Done()
			b.together.Wait()
			return
		}
		b.executed.Add(1)
		if b.deadly.Add(-1) >= 0 {
			dies(w)
			panic(http.ErrAbortHandler) // closes the connection
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(b.Close)
	return b
}

// warm leaves n idle connections of the kind that requests with method use.
func (b *replayBackend) warm(t *testing.T, f *holdFront, method string, n int) {
	t.Helper()
	b.together.Add(n)
	var answers []<-chan *holdAnswer
	for range n {
		answers = append(answers, f.start(t, f.request(t, method, "/warm", nil)))
	}
	for _, answer := range answers {
		if a := frontWait(t, answer, "a warm answer"); a.status() != 200 {
			t.Fatalf("%d %v", a.status(), a.err)
		}
		<-f.exchanges
	}
}

// replayBody is a body that gateway gathers, or streams because its length is
// not known.
func replayBody(kind string) io.Reader {
	switch kind {
	case "gathered":
		return strings.NewReader("body")
	case "streamed":
		return io.MultiReader(strings.NewReader("body"))
	}
	return nil
}

func TestReplay_WhatWasSentAndNotAnsweredGoesASecondTimeOnlyIfThatIsSafe(t *testing.T) {
	silently := func(http.ResponseWriter) {}
	early := func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints) }
	for _, c := range []struct {
		method, body, key string
		deadly            int64
		dies              func(http.ResponseWriter)
		status            int
		executed          int64
	}{
		{"GET", "none", "", 1, silently, 200, 2},
		{"HEAD", "none", "", 1, silently, 200, 2},
		{"OPTIONS", "none", "", 1, silently, 200, 2},
		{"DELETE", "none", "", 1, silently, 200, 2},
		{"DELETE", "gathered", "", 1, silently, 200, 2},
		{"PUT", "gathered", "", 1, silently, 200, 2},
		{"PUT", "none", "", 1, silently, 200, 2},
		{"GET", "gathered", "", 1, silently, 200, 2},
		{"GET", "none", "", 1, early, 200, 2},
		{"PUT", "streamed", "", 1, silently, 502, 1},
		{"DELETE", "streamed", "", 1, silently, 502, 1},
		{"POST", "none", "", 1, silently, 502, 1},
		{"POST", "gathered", "", 1, silently, 502, 1},
		{"POST", "streamed", "", 1, silently, 502, 1},
		{"POST", "gathered", "", 1, early, 502, 1},
		{"PATCH", "gathered", "", 1, silently, 502, 1},
		{"POST", "none", "k1", 1, silently, 200, 2},
		{"POST", "gathered", "k1", 1, silently, 200, 2},
		{"PATCH", "gathered", "k1", 1, silently, 200, 2},
		{"POST", "streamed", "k1", 1, silently, 502, 1},
		{"GET", "none", "", 100, silently, 502, 2},
		{"PUT", "gathered", "", 100, silently, 502, 2},
		{"POST", "gathered", "k1", 100, silently, 502, 2},
	} {
		for _, idle := range []int{0, 4} { // connections that http.Transport might try again on
			t.Run(fmt.Sprintf("%s %s %s %d deaths %d idle", c.method, c.body, c.key, c.deadly, idle), func(t *testing.T) {
				t.Parallel()
				backend := newReplayBackend(t, c.dies)
				f := newHoldFront(t, backend.URL, newHoldKnown(holdUp))
				backend.warm(t, f, c.method, idle)
				backend.deadly.Store(c.deadly)
				r := f.request(t, c.method, "/", replayBody(c.body))
				if c.key != "" {
					r.Header.Set("Idempotency-Key", c.key)
				}
				a := frontWait(t, f.start(t, r), "an answer")
				if a.status() != c.status || backend.executed.Load() != c.executed {
					t.Fatalf("status %d, executed %d times, want %d and %d; %v", a.status(), backend.executed.Load(), c.status, c.executed, a.err)
				}
				x := <-f.exchanges
				if int64(x.tries) != c.executed {
					t.Errorf("tries: %d", x.tries)
				}
				if c.status == 502 && (c.method != "HEAD" && !strings.Contains(a.body, a.res.Header.Get("X-Request-Id")) || a.res.Header.Get("X-Request-Id") == "") {
					t.Errorf("no request id: %v %q", a.res.Header, a.body)
				}
				if c.status == 200 && c.method != "HEAD" && c.body != "none" && a.body != "body" {
					t.Errorf("body %q", a.body)
				}
			})
		}
	}
}

func TestReplay_ABackendThatWasKilledWithARequestGetsItAgainWhenItIsBack(t *testing.T) {
	backend := &holdBackend{}
	known := newHoldKnown(holdUp)
	killed := make(chan struct{})
	var first sync.Once
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		backend.note(r)
		first.Do(func() { killed <- struct{}{}; <-killed })
		_, _ = io.WriteString(w, "answer")
	})
	url, listen := holdAddress(t, handler)
	server := listen()
	f := newHoldFront(t, url, known)
	answer := f.start(t, f.request(t, "GET", "/", nil))
	frontWait(t, killed, "the request at the backend")
	server.Close()
	f.waiting(t, 1) // refused on the second try, before anybody knows of the death
	known.set(Availability{Coming: true, Reason: "it is down"})
	close(killed)
	listen()
	known.set(holdUp)
	if a := frontWait(t, answer, "an answer"); a.status() != 200 || a.body != "answer" {
		t.Fatalf("%d %q %v", a.status(), a.body, a.err)
	}
	if seen, _ := backend.seen(); len(seen) != 2 {
		t.Errorf("the backend saw %v", seen)
	}
	if x := <-f.exchanges; x.tries != 2 || x.held < 25*time.Millisecond {
		t.Errorf("tries %d held %v", x.tries, x.held)
	}
	if held, failed := f.counts(); held != 1 || failed != 0 {
		t.Errorf("counted %d held, %d failed", held, failed)
	}
}

// A dying process still accepts connections for a while, and resets them.
func TestReplay_TheSecondTryIsNotSwallowedByTheSameDeath(t *testing.T) {
	known := newHoldKnown(holdUp)
	var dying atomic.Bool
	dying.Store(true)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if dying.Load() {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "answer")
	}))
	t.Cleanup(backend.Close)
	f := newHoldFront(t, backend.URL, known)
	answer := f.start(t, f.request(t, "GET", "/", nil))
	f.suspected(t) // which is before the word of it
	known.set(Availability{Coming: true, Reason: "it is down"})
	dying.Store(false)
	known.set(holdUp)
	if a := frontWait(t, answer, "an answer"); a.status() != 200 || a.body != "answer" {
		t.Errorf("%d %q %v", a.status(), a.body, a.err)
	}
	if x := <-f.exchanges; x.tries != 2 {
		t.Errorf("sent %d times", x.tries)
	}
}

// suspected waits until the backend is.
func (f *holdFront) suspected(t *testing.T) {
	t.Helper()
	holdUntil(t, "suspicion", func() bool { return f.handler.upstreams["api"].suspicion.left(time.Now()) > 0 })
}

// What the kernel takes for a dying process is lost, and a POST can't be repeated.
func TestReplay_APostIsNotGivenToABackendThatJustDroppedARequest(t *testing.T) {
	for range 20 {
		if replayPostMeetsADeath(t) {
			return
		}
	}
	t.Error("the word of a death always comes late: the machine is too busy for this")
}

// replayPostMeetsADeath tells whether the word of the death came in time.
func replayPostMeetsADeath(t *testing.T) (inTime bool) {
	t.Helper()
	known := newHoldKnown(holdUp)
	var dying atomic.Bool
	dying.Store(true)
	var posts atomic.Int64
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if dying.Load() {
			panic(http.ErrAbortHandler)
		}
		if r.Method == http.MethodPost {
			posts.Add(1)
		}
	}))
	t.Cleanup(backend.Close)
	f := newHoldFront(t, backend.URL, known)
	first := f.start(t, f.request(t, "GET", "/", nil))
	f.suspected(t)
	post := f.start(t, f.request(t, "POST", "/", strings.NewReader("body")))
	<-time.After(30 * time.Millisecond) // until the word of the death
	known.set(Availability{Coming: true, Reason: "it is down"})
	dying.Store(false)
	inTime = f.handler.upstreams["api"].suspicion.left(time.Now()) > 0
	known.set(holdUp)
	for name, answer := range map[string]<-chan *holdAnswer{"GET": first, "POST": post} {
		if a := frontWait(t, answer, "an answer"); a.status() != 200 && inTime {
			t.Errorf("%s: %d %q %v", name, a.status(), a.body, a.err)
		}
	}
	if n := posts.Load(); n != 1 && inTime {
		t.Errorf("the POST was carried out %d times", n)
	}
	return inTime
}

func TestReplay_AResponseThatHasBegunIsNotAskedForAgain(t *testing.T) {
	backend := newReplayBackend(t, func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
	})
	backend.deadly.Store(1)
	f := newHoldFront(t, backend.URL, newHoldKnown(holdUp))
	a := frontWait(t, f.start(t, f.request(t, "GET", "/", nil)), "an answer")
	if a.err == nil || backend.executed.Load() != 1 { // the client may not even see its head
		t.Errorf("%q %v, executed %d times", a.body, a.err, backend.executed.Load())
	}
}

func TestReplay_ATimeoutIsNotTriedAgain(t *testing.T) {
	release := make(chan struct{})
	var executed atomic.Int64
	backend := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		executed.Add(1)
		<-release
	}))
	t.Cleanup(backend.Close)
	t.Cleanup(func() { close(release) })
	f := newHoldFront(t, backend.URL, newHoldKnown(holdUp), func(c *Config) { c.Timeouts.FirstByte = 50 * time.Millisecond })
	a := frontWait(t, f.start(t, f.request(t, "GET", "/", nil)), "an answer")
	if a.status() != 504 || executed.Load() != 1 {
		t.Errorf("%d, executed %d times", a.status(), executed.Load())
	}
}

// replayLeaver answers each request as if the connection stayed open, and closes
// it. closed is told when the close is done.
func replayLeaver(t *testing.T, executed *atomic.Int64) (url string, closed <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{}, 1000)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
				executed.Add(1)
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
			c.Close()
			done <- struct{}{}
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return "http://" + l.Addr().String(), done
}

func TestReplay_AKeptAliveConnectionThatWasClosedCostsNoRequest(t *testing.T) {
	for _, kind := range []string{"none", "gathered", "streamed"} {
		t.Run(kind, func(t *testing.T) {
			var executed atomic.Int64
			url, closed := replayLeaver(t, &executed)
			f := newHoldFront(t, url, newHoldKnown(holdUp))
			const requests = 200
			for i := range requests {
				a := frontWait(t, f.start(t, f.request(t, "POST", "/", replayBody(kind))), "an answer")
				if a.status() != 200 {
					t.Fatalf("request %d: %d %q %v", i, a.status(), a.body, a.err)
				}
				frontWait(t, closed, "the close")
			}
			if executed.Load() != requests {
				t.Errorf("%d requests were executed %d times", requests, executed.Load())
			}
		})
	}
}
