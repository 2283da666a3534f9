package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestDrain_NoRequestReachesTheBackendAfterwardsAndNoneIsLost(t *testing.T) {
	for name, knownFirst := range map[string]bool{"the backend is away first": true, "the backend is away afterwards": false} {
		t.Run(name, func(t *testing.T) {
			var stopped atomic.Bool
			var late atomic.Int64
			backend := frontBackend(t, func(w http.ResponseWriter, r *http.Request) {
				if stopped.Load() {
					late.Add(1)
				}
				_, _ = io.Copy(w, r.Body)
				if stopped.Load() {
					late.Add(1)
				}
			})
			known := newHoldKnown(holdUp)
			f := newHoldFront(t, backend.URL, known)
			end := drainCrowd(t, f)
			for range 25 {
				if knownFirst {
					known.set(holdComing)
				}
				if err := f.handler.Drain(t.Context(), "api"); err != nil {
					t.Fatal(err)
				}
				stopped.Store(true)
				known.set(holdComing)
				f.waiting(t, drainClients) // all of them
				stopped.Store(false)
				known.set(holdUp)
			}
			t.Logf("%d requests", end())
			if late.Load() > 0 {
				t.Errorf("%d requests met a stopped backend", late.Load())
			}
		})
	}
}

const drainClients = 8

// drainCrowd sends requests until end is called, which gives their number. Each
// must succeed.
func drainCrowd(t *testing.T, f *holdFront) (end func() int64) {
	t.Helper()
	var stop atomic.Bool
	var total atomic.Int64
	var clients sync.WaitGroup
	for i := range drainClients {
		clients.Go(func() {
			for !stop.Load() {
				a := <-f.start(t, f.request(t, []string{"GET", "POST"}[i%2], "/", strings.NewReader("body")))
				if a.status() != 200 || a.body != "body" {
					t.Errorf("%d %q %v", a.status(), a.body, a.err)
					return
				}
				<-f.exchanges
				total.Add(1)
			}
		})
	}
	return func() int64 { stop.Store(true); clients.Wait(); return total.Load() }
}

func TestDrain_WaitsForResponsesAndNotForWebSockets(t *testing.T) {
	finish := make(chan struct{})
	backend := frontBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ws" {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			_, _, _ = c.Read(r.Context())
			return
		}
		_, _ = io.WriteString(w, "begin ")
		_ = http.NewResponseController(w).Flush()
		<-finish
		_, _ = io.WriteString(w, "end")
	})
	f := newHoldFront(t, backend.URL, newHoldKnown(holdUp))
	ws, _, err := websocket.Dial(t.Context(), f.URL+"/ws", &websocket.DialOptions{Host: "api.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	if err := f.handler.Drain(t.Context(), "api"); err != nil {
		t.Fatal(err)
	}
	f.known.set(holdUp)

	answer := f.start(t, f.request(t, "GET", "/", nil))
	holdUntil(t, "request in flight", func() bool { return f.gate().inFlight.Load() == 1 })
	f.known.set(holdComing)
	drained := make(chan error, 1)
	go func() { drained <- f.handler.Drain(t.Context(), "api") }()
	holdUntil(t, "drain", func() bool { return f.gate().drains.Load() == 1 })
	later := f.start(t, f.request(t, "GET", "/later", nil))
	f.waiting(t, 1)
	select {
	case <-drained:
		t.Fatal("the drain did not wait")
	default:
	}
	close(finish)
	if err := frontWait(t, drained, "the end of the drain"); err != nil {
		t.Error(err)
	}
	if a := frontWait(t, answer, "the answer"); a.body != "begin end" {
		t.Errorf("%q %v", a.body, a.err)
	}
	f.known.set(holdUp)
	if a := frontWait(t, later, "the later answer"); a.body != "begin end" {
		t.Errorf("%q %v", a.body, a.err)
	}
}

// A backend that is told to stop may wait for connections that nobody uses, as
// Go's http.Server does for seconds if no request ever came on them.
func TestDrain_LeavesNoIdleConnectionToTheBackend(t *testing.T) {
	var idle atomic.Int64
	backend := httptest.NewUnstartedServer(http.HandlerFunc(frontEcho))
	var states sync.Map // the last of each connection
	backend.Config.ConnState = func(c net.Conn, now http.ConnState) {
		before, _ := states.Swap(c, now)
		if before == http.StateIdle {
			idle.Add(-1)
		}
		if now == http.StateIdle {
			idle.Add(1)
		}
	}
	backend.Start()
	t.Cleanup(backend.Close)
	f := newHoldFront(t, backend.URL, newHoldKnown(holdUp))
	for _, method := range []string{"GET", "POST"} { // which may have connections of their own
		if a := frontWait(t, f.start(t, f.request(t, method, "/", nil)), "the answer"); a.err != nil {
			t.Fatal(a.err)
		}
	}
	holdUntil(t, "kept connection", func() bool { return idle.Load() > 0 })
	if err := f.handler.Drain(t.Context(), "api"); err != nil {
		t.Fatal(err)
	}
	holdUntil(t, "end of all that were kept", func() bool { return idle.Load() == 0 })
}

func TestDrain_IsBoundedByItsContextAndOpensAgain(t *testing.T) {
	finish := make(chan struct{})
	backend := frontBackend(t, func(http.ResponseWriter, *http.Request) { <-finish })
	f := newHoldFront(t, backend.URL, nil) // nobody has news of it
	answer := f.start(t, f.request(t, "GET", "/", nil))
	holdUntil(t, "request in flight", func() bool { return f.gate().inFlight.Load() == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := f.handler.Drain(ctx, "api")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `backend "api" still has requests in flight (1)`) {
		t.Errorf("%v", err)
	}
	close(finish)
	for _, answer := range []<-chan *holdAnswer{answer, f.start(t, f.request(t, "GET", "/", nil))} {
		if a := frontWait(t, answer, "an answer"); a.status() != 200 {
			t.Errorf("%d %v", a.status(), a.err)
		}
	}
	if err := f.handler.Drain(t.Context(), "other"); err == nil {
		t.Error("a backend that does not exist was drained")
	}
}
