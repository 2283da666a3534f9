package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// nextOf changes the configuration of a handler and has the new one take its place.
func nextOf(t *testing.T, f *holdFront, cfg Config) (before *Handler) {
	t.Helper()
	next, err := f.handler.Next(cfg)
	if err != nil {
		t.Fatal(err)
	}
	before = f.handler
	f.handler = next
	before.Retire(next)
	return before
}

func TestNext_KeepsBackendsThatHaveNotChanged(t *testing.T) {
	backend := frontBackend(t, frontEcho)
	known := newHoldKnown(holdUp)
	f := newHoldFront(t, backend.URL, known)
	cfg := frontConfig(backend.URL)
	hold := 10 * time.Second
	cfg.Backends[0].Hold = &hold // equal, and another pointer
	cfg.Sites[0].Aliases = []string{"www.example.com"}
	before := nextOf(t, f, cfg)
	if f.handler.upstreams["api"] != before.upstreams["api"] {
		t.Error("the backend was made anew, though only a site has changed")
	}
	cfg.Timeouts.FirstByte++
	before = nextOf(t, f, cfg)
	if f.handler.upstreams["api"] == before.upstreams["api"] {
		t.Error("the backend keeps a timeout that was changed")
	}
}

func TestNext_LetsRequestsThatWaitForTheirBackendGoOn(t *testing.T) {
	backend := frontBackend(t, frontEcho)
	known := newHoldKnown(holdComing)
	f := newHoldFront(t, backend.URL, known)
	answer := f.start(t, f.request(t, "GET", "/held", nil))
	logTestEventually(t, "the request waits", func() bool {
		g := f.handler.upstreams["api"].gate
		g.mu.Lock()
		defer g.mu.Unlock()
		return !g.queue.empty()
	})
	cfg := frontConfig(backend.URL)
	cfg.Backends[0].Connections = 7
	nextOf(t, f, cfg)
	known.set(holdUp)
	if a := frontWait(t, answer, "the answer"); a.status() != http.StatusOK {
		t.Errorf("status %d, error %v", a.status(), a.err)
	}
}

func TestNext_DrainsWhatCameBeforeTheReload(t *testing.T) {
	release := make(chan struct{})
	arrived := make(chan struct{}, 1)
	backend := frontBackend(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
		_, _ = io.WriteString(w, "late")
	})
	f := newHoldFront(t, backend.URL, newHoldKnown(holdUp))
	answer := f.start(t, f.request(t, "GET", "/slow", nil))
	frontWait(t, arrived, "the request")
	for i := range 3 { // also when it is reloaded again and again
		cfg := frontConfig(backend.URL)
		cfg.Backends[0].Connections = 10 + i
		nextOf(t, f, cfg)
	}
	if n := len(f.handler.upstreams["api"].elders); n != 1 {
		t.Errorf("%d former backends are kept, only one has a request left", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := f.handler.Drain(ctx, "api"); err == nil {
		t.Error("drained, though a request from before the reload goes on")
	}
	drained := make(chan error, 1)
	go func() { drained <- f.handler.Drain(t.Context(), "api") }()
	close(release)
	if a := frontWait(t, answer, "the answer"); a.body != "late" {
		t.Errorf("answer %q, error %v", a.body, a.err)
	}
	if err := frontWait(t, drained, "the end of draining"); err != nil {
		t.Error(err)
	}
}

func TestRetire_ClosesTheConnectionsThatNobodyUsesAnyMore(t *testing.T) {
	release, arrived := make(chan struct{}), make(chan struct{}, 1)
	backend := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			arrived <- struct{}{}
			<-release
		}
	}))
	var open atomic.Int64
	backend.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	backend.Start()
	t.Cleanup(backend.Close)
	f := newHoldFront(t, backend.URL, newHoldKnown(holdUp))
	answer := f.start(t, f.request(t, "GET", "/slow", nil))
	frontWait(t, arrived, "the request")
	frontWait(t, f.start(t, f.request(t, "GET", "/", nil)), "the answer") // its connection is idle now
	cfg := frontConfig(backend.URL)
	cfg.Backends[0].Connections = 7
	nextOf(t, f, cfg)
	logTestEventually(t, "the idle connection is closed", func() bool { return open.Load() == 1 })
	close(release)
	frontWait(t, answer, "the answer")
	logTestEventually(t, "the other one is closed when its request is done", func() bool { return open.Load() == 0 })
}
