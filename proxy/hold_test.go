package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// holdKnown is an Availability that a test sets.
type holdKnown struct {
	mu  sync.Mutex
	now Availability
	was chan struct{}
}

func newHoldKnown(a Availability) *holdKnown {
	k := &holdKnown{}
	k.set(a)
	return k
}

func (k *holdKnown) set(a Availability) {
	k.mu.Lock()
	defer k.mu.Unlock()
	last := k.was
	k.was = make(chan struct{})
	a.Changed = k.was
	k.now = a
	if last != nil {
		close(last)
	}
}

func (k *holdKnown) get() Availability {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now
}

var (
	holdUp      = Availability{Up: true}
	holdComing  = Availability{Coming: true, Reason: "it is starting"}
	holdStopped = Availability{Reason: "it was stopped by hand"}
	holdWatched = Availability{Watched: true, Reason: "it does not answer"}
)

// holdFront is a handler behind a plain server, with a backend whose
// availability the test sets.
type holdFront struct {
	*httptest.Server
	handler   *Handler
	known     *holdKnown
	log       *syncBuffer
	exchanges chan *exchange

	mu           sync.Mutex
	held, failed int64
	nudges       int
}

func newHoldFront(t *testing.T, backend string, known *holdKnown, change ...func(*Config)) *holdFront {
	t.Helper()
	hold := 10 * time.Second
	cfg := frontConfig(backend, append([]func(*Config){func(c *Config) { c.Backends[0].Hold = &hold }}, change...)...)
	f := &holdFront{known: known, log: &syncBuffer{}, exchanges: make(chan *exchange, 10_000)}
	deps := Deps{
		Log:         slog.New(slog.NewTextHandler(f.log, nil)),
		Unreachable: func(string) { f.mu.Lock(); f.nudges++; f.mu.Unlock() },
		Count:       func(_ string, held, failed int64) { f.mu.Lock(); f.held += held; f.failed += failed; f.mu.Unlock() },
	}
	if known != nil {
		deps.Availability = func(string) Availability { return known.get() }
	}
	var err error
	if f.handler, err = NewHandler(cfg, deps); err != nil {
		t.Fatal(err)
	}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{start: time.Now()}
		defer func() { f.exchanges <- x }()
		f.handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), exchangeKey, x)))
	}))
	t.Cleanup(func() { f.Close(); f.handler.Close() })
	return f
}

func (f *holdFront) counts() (held, failed int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.held, f.failed
}

// request is one to the site.
func (f *holdFront) request(t *testing.T, method, path string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, f.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "api.example.com"
	return r
}

// start sends a request and delivers its response later.
func (f *holdFront) start(t *testing.T, r *http.Request) <-chan *holdAnswer {
	t.Helper()
	answer := make(chan *holdAnswer, 1)
	go func() {
		res, err := f.Client().Do(r)
		if err != nil {
			answer <- &holdAnswer{err: err}
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		answer <- &holdAnswer{res, string(body), err}
	}()
	return answer
}

type holdAnswer struct {
	res  *http.Response
	body string
	err  error
}

func (a *holdAnswer) status() int {
	if a.res == nil {
		return 0
	}
	return a.res.StatusCode
}

func (f *holdFront) gate() *gate { return f.handler.upstreams["api"].gate }

// waiting blocks until n requests wait.
func (f *holdFront) waiting(t *testing.T, n int) {
	t.Helper()
	holdUntil(t, strconv.Itoa(n)+" waiting requests", func() bool {
		g := f.gate()
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.queue.tickets) == n
	})
}

func holdUntil(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("no %s", what)
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// holdBackend counts what reaches it, by path.
type holdBackend struct {
	*httptest.Server
	mu    sync.Mutex
	paths []string
	times []time.Time
}

func newHoldBackend(t *testing.T) *holdBackend {
	t.Helper()
	b := &holdBackend{}
	b.Server = httptest.NewServer(http.HandlerFunc(b.serve))
	t.Cleanup(b.Close)
	return b
}

func (b *holdBackend) serve(w http.ResponseWriter, r *http.Request) {
	b.note(r)
	body, _ := io.ReadAll(r.Body)
	_, _ = w.Write(body)
}

func (b *holdBackend) note(r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.paths = append(b.paths, r.Method+" "+r.URL.Path)
	b.times = append(b.times, time.Now())
}

func (b *holdBackend) seen() ([]string, []time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.paths), slices.Clone(b.times)
}

// newHoldPorter is a backend that reads the head of a request before it accepts
// the next connection, so that what it has seen is in the order of arrival.
func newHoldPorter(t *testing.T) *holdBackend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &holdBackend{Server: &httptest.Server{URL: "http://" + l.Addr().String()}}
	var answers sync.WaitGroup
	answers.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r, err := http.ReadRequest(bufio.NewReader(c))
			if err != nil {
				c.Close()
				continue
			}
			b.note(r)
			answers.Go(func() {
				defer c.Close()
				body, _ := io.ReadAll(r.Body)
				_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			})
		}
	})
	t.Cleanup(func() { l.Close(); answers.Wait() })
	return b
}

func TestHold_RequestsWaitAndGoInOrderWhenTheBackendIsUp(t *testing.T) {
	const requests = 100
	backend := newHoldPorter(t)
	f := newHoldFront(t, backend.URL, newHoldKnown(holdComing))
	f.gate().ramp.patience = time.Minute // however busy the machine is
	var answers []<-chan *holdAnswer
	var want []string
	for i := range requests {
		method := []string{"GET", "POST"}[i%2]
		answers = append(answers, f.start(t, f.request(t, method, "/"+strconv.Itoa(i), strings.NewReader("body"))))
		want = append(want, method+" /"+strconv.Itoa(i))
		f.waiting(t, i+1)
	}
	if seen, _ := backend.seen(); len(seen) != 0 {
		t.Fatalf("the backend saw %v while it was away", seen)
	}
	up := time.Now()
	f.known.set(holdUp)
	for _, answer := range answers {
		if a := frontWait(t, answer, "an answer"); a.status() != 200 || a.body != "body" {
			t.Fatalf("%d %q %v", a.status(), a.body, a.err)
		}
	}
	seen, times := backend.seen()
	if !slices.Equal(seen, want) {
		t.Errorf("order: %v", seen)
	}
	t.Logf("first after %v, last of %d after %v", times[0].Sub(up), requests, times[requests-1].Sub(up))
	for range requests {
		if x := <-f.exchanges; x.held <= 0 || x.tries != 1 || x.failure != "" {
			t.Errorf("held %v tries %d failure %q", x.held, x.tries, x.failure)
		}
	}
	if held, failed := f.counts(); held != requests || failed != 0 {
		t.Errorf("counted %d held and %d failed", held, failed)
	}
}

func TestHold_NewcomersDoNotOvertake(t *testing.T) {
	backend := newHoldPorter(t)
	f := newHoldFront(t, backend.URL, newHoldKnown(holdComing))
	first := f.start(t, f.request(t, "GET", "/first", nil))
	f.waiting(t, 1)
	g := f.gate()
	g.mu.Lock() // the backend is up, and nobody had time to let the first one go
	f.known.set(holdUp)
	second := f.start(t, f.request(t, "GET", "/second", nil))
	holdUntil(t, "second request", func() bool { return g.inFlight.Load() == 0 })
	g.mu.Unlock()
	for _, answer := range []<-chan *holdAnswer{first, second} {
		if a := frontWait(t, answer, "an answer"); a.status() != 200 {
			t.Fatalf("%d %v", a.status(), a.err)
		}
	}
	if seen, _ := backend.seen(); !slices.Equal(seen, []string{"GET /first", "GET /second"}) {
		t.Errorf("order: %v", seen)
	}
}

func TestHold_PastItsBoundsIs503WithRetryAfter(t *testing.T) {
	backend := newHoldBackend(t)
	short := 50 * time.Millisecond
	for name, c := range map[string]struct {
		known  Availability
		change func(*Backend)
		reason string
	}{
		"time":        {holdComing, func(b *Backend) { b.Hold = &short }, "the backend was not back in time: it is starting"},
		"off":         {holdComing, func(b *Backend) { b.Hold = new(time.Duration) }, "the backend was not back in time: it is starting"},
		"stopped":     {holdStopped, func(*Backend) {}, "the backend is away: it was stopped by hand"},
		"known later": {Availability{Coming: true, Reason: "it is down", Next: time.Now().Add(time.Minute)}, func(*Backend) {}, "the backend will not be back in time: it is down"},
		"bytes":       {holdComing, func(b *Backend) { b.HoldBytes = 3 }, "the bodies of the requests that wait for the backend are too large"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newHoldFront(t, backend.URL, newHoldKnown(c.known), func(cfg *Config) { c.change(&cfg.Backends[0]) })
			a := frontWait(t, f.start(t, f.request(t, "POST", "/", strings.NewReader("body"))), "an answer")
			if a.status() != 503 || a.res.Header.Get("Retry-After") == "" || !strings.Contains(a.body, `"status":503`) {
				t.Fatalf("%d %v %q %v", a.status(), a.res.Header, a.body, a.err)
			}
			if after, _ := strconv.Atoi(a.res.Header.Get("Retry-After")); name == "known later" && (after < 50 || after > 60) {
				t.Errorf("Retry-After %d", after)
			}
			if x := <-f.exchanges; x.failure != c.reason || x.tries != 0 {
				t.Errorf("tries %d, %q", x.tries, x.failure)
			}
			if _, failed := f.counts(); failed != 1 {
				t.Errorf("counted %d failed", failed)
			}
			f.waiting(t, 0)
		})
	}
	if seen, _ := backend.seen(); len(seen) != 0 {
		t.Errorf("the backend saw %v", seen)
	}
}

func TestHold_AFullQueueRefusesTheNextOneAlone(t *testing.T) {
	backend := newHoldBackend(t)
	f := newHoldFront(t, backend.URL, newHoldKnown(holdComing), func(c *Config) { c.Backends[0].HoldRequests = 2 })
	one, two := f.start(t, f.request(t, "GET", "/1", nil)), f.start(t, f.request(t, "GET", "/2", nil))
	f.waiting(t, 2)
	if a := frontWait(t, f.start(t, f.request(t, "GET", "/3", nil)), "an answer"); a.status() != 503 || a.res.Header.Get("Retry-After") == "" {
		t.Fatalf("%d %v", a.status(), a.err)
	}
	f.known.set(holdUp)
	for _, answer := range []<-chan *holdAnswer{one, two} {
		if a := frontWait(t, answer, "an answer"); a.status() != 200 {
			t.Errorf("%d %v", a.status(), a.err)
		}
	}
}

func TestHold_AStopByHandEndsTheWait(t *testing.T) {
	f := newHoldFront(t, newHoldBackend(t).URL, newHoldKnown(holdComing))
	answer := f.start(t, f.request(t, "GET", "/", nil))
	f.waiting(t, 1)
	f.known.set(holdStopped)
	if a := frontWait(t, answer, "an answer"); a.status() != 503 {
		t.Errorf("%d %v", a.status(), a.err)
	}
}

func TestHold_AClientThatIsGoneFreesItsPlace(t *testing.T) {
	backend := newHoldBackend(t)
	f := newHoldFront(t, backend.URL, newHoldKnown(holdComing), func(c *Config) { c.Backends[0].HoldRequests = 1 })
	ctx, cancel := context.WithCancel(context.Background())
	f.start(t, f.request(t, "POST", "/gone", strings.NewReader("body")).WithContext(ctx))
	f.waiting(t, 1)
	cancel()
	f.waiting(t, 0)
	g := f.gate()
	g.mu.Lock()
	if g.queue.bytes != 0 || g.detour.Load() {
		t.Errorf("%d bytes are kept, detour %v", g.queue.bytes, g.detour.Load())
	}
	g.mu.Unlock()
	next := f.start(t, f.request(t, "GET", "/next", nil))
	f.waiting(t, 1)
	f.known.set(holdUp)
	if a := frontWait(t, next, "an answer"); a.status() != 200 {
		t.Errorf("%d %v", a.status(), a.err)
	}
	if seen, _ := backend.seen(); !slices.Equal(seen, []string{"GET /next"}) {
		t.Errorf("the backend saw %v", seen)
	}
}

// holdAddress is an address of which nobody listens, and a function that makes a
// server listen there.
func holdAddress(t *testing.T, handler http.Handler) (url string, listen func() *http.Server) {
	t.Helper()
	address := frontFreeAddress(t)
	return "http://" + address, func() *http.Server {
		t.Helper()
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: handler}
		go func() { _ = server.Serve(l) }()
		t.Cleanup(func() { server.Close() })
		return server
	}
}

func TestHold_ARefusedConnectionIsWaitedForWhateverIsKnown(t *testing.T) {
	for name, known := range map[string]*holdKnown{
		"nothing is known":    nil,
		"it is said to be up": newHoldKnown(holdUp),
		"it is watched":       newHoldKnown(holdWatched),
	} {
		t.Run(name, func(t *testing.T) {
			backend := &holdBackend{}
			url, listen := holdAddress(t, http.HandlerFunc(backend.serve))
			f := newHoldFront(t, url, known)
			answers := []<-chan *holdAnswer{f.start(t, f.request(t, "POST", "/1", strings.NewReader("small")))}
			f.waiting(t, 1)
			// A body of unknown length is not gathered.
			answers = append(answers, f.start(t, f.request(t, "POST", "/2", io.MultiReader(strings.NewReader("streamed")))))
			f.waiting(t, 2)
			listen()
			for i, want := range []string{"small", "streamed"} {
				if a := frontWait(t, answers[i], "an answer"); a.status() != 200 || a.body != want {
					t.Errorf("%d %q %v", a.status(), a.body, a.err)
				}
			}
			if seen, _ := backend.seen(); len(seen) != 2 {
				t.Errorf("the backend saw %v", seen)
			}
			for range 2 {
				if x := <-f.exchanges; x.tries != 1 || x.held <= 0 {
					t.Errorf("tries %d held %v", x.tries, x.held)
				}
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.nudges == 0 {
				t.Error("nobody was told")
			}
		})
	}
}

func TestHold_AnOldOutageOfAWatchedBackendIsToldAtOnceAndItsEndIsMetAtOnce(t *testing.T) {
	backend := &holdBackend{}
	url, listen := holdAddress(t, http.HandlerFunc(backend.serve))
	hold := 3 * time.Second // so that half of it is long, also on a busy machine
	f := newHoldFront(t, url, newHoldKnown(holdWatched), func(c *Config) { c.Backends[0].Hold = &hold })
	if a := frontWait(t, f.start(t, f.request(t, "GET", "/1", nil)), "an answer"); a.status() != 503 {
		t.Fatalf("%d %v", a.status(), a.err)
	}
	frontWait(t, f.exchanges, "the exchange")
	if a := frontWait(t, f.start(t, f.request(t, "GET", "/2", nil)), "an answer"); a.status() != 503 || a.res.Header.Get("Retry-After") == "" {
		t.Fatalf("%d %v", a.status(), a.err)
	}
	if x := frontWait(t, f.exchanges, "the exchange"); x.held > hold/2 {
		t.Errorf("an old outage was waited for %v", x.held)
	}
	listen()
	if a := frontWait(t, f.start(t, f.request(t, "GET", "/3", nil)), "an answer"); a.status() != 200 {
		t.Errorf("%d %v", a.status(), a.err)
	}
}
