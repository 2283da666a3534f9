package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// slowBackend answers when it is told to, and echoes on WebSockets.
type slowBackend struct {
	*httptest.Server
	asked   chan struct{}
	release chan struct{}
}

func newSlowBackend(t *testing.T) *slowBackend {
	b := &slowBackend{asked: make(chan struct{}, 10), release: make(chan struct{})}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ws" {
			echoForever(w, r)
			return
		}
		b.asked <- struct{}{}
		select {
		case <-b.release:
			fmt.Fprint(w, "finished")
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { b.CloseClientConnections(); b.Close() })
	return b
}

func echoForever(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		kind, message, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), kind, message) != nil {
			return
		}
	}
}

type answer struct {
	body string
	err  error
}

func ask(client *http.Client, url string) <-chan answer {
	answers := make(chan answer, 1)
	go func() {
		response, err := client.Get(url)
		if err != nil {
			answers <- answer{err: err}
			return
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		answers <- answer{string(body), err}
	}()
	return answers
}

func TestStop_RequestsInFlightFinishAndNewConnectionsAreRefused(t *testing.T) {
	t.Parallel()
	ca, backend, port := newAuthority(t), newSlowBackend(t), freePort(t)
	p := startGateway(t, racyGateway(t), oneSite(t, ca.install(t, "api.example.com"), port, backend.URL, "[timeouts]\ndrain = '60s'"))
	url := fmt.Sprintf("https://api.example.com:%d/", port)
	h1, h2 := ask(ca.client(t, false), url), ask(ca.client(t, true), url)
	<-backend.asked
	<-backend.asked

	p.signal(syscall.SIGTERM)
	p.waitFor("stopping")
	waitUntilRefused(t, port)
	close(backend.release)
	for _, answers := range []<-chan answer{h1, h2} {
		if got := <-answers; got.err != nil || got.body != "finished" {
			t.Errorf("a request in flight got %q, %v", got.body, got.err)
		}
	}
	if code := p.exitCode(); code != 0 {
		t.Errorf("exit code %d after a clean stop, want 0\n%s", code, p.text())
	}
}

func waitUntilRefused(t *testing.T, port int) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		c, err := dialLoopback(t.Context(), "tcp", fmt.Sprintf("any:%d", port))
		if err != nil {
			return
		}
		c.Close()
	}
	t.Fatal("the port still accepts connections")
}

func TestStop_DrainIsBounded(t *testing.T) {
	t.Parallel()
	ca, backend, port := newAuthority(t), newSlowBackend(t), freePort(t)
	p := startGateway(t, racyGateway(t), oneSite(t, ca.install(t, "api.example.com"), port, backend.URL, "[timeouts]\ndrain = '200ms'"))
	answers := ask(ca.client(t, false), fmt.Sprintf("https://api.example.com:%d/", port))
	<-backend.asked
	p.signal(syscall.SIGTERM)
	p.exitCode()
	if got := <-answers; got.err == nil && got.body == "finished" {
		t.Error("the request finished although its backend never answered")
	}
}

func TestStop_ASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	ca, backend, port := newAuthority(t), newSlowBackend(t), freePort(t)
	p := startGateway(t, racyGateway(t), oneSite(t, ca.install(t, "api.example.com"), port, backend.URL, "[timeouts]\ndrain = '1h'"))
	answers := ask(ca.client(t, false), fmt.Sprintf("https://api.example.com:%d/", port))
	<-backend.asked
	p.signal(syscall.SIGTERM)
	p.waitFor("stopping")
	p.signal(syscall.SIGTERM)
	if code := p.exitCode(); code != 1 {
		t.Errorf("exit code %d after the second signal, want 1: requests were cut", code)
	}
	if got := <-answers; got.err == nil {
		t.Errorf("the cut request got %q", got.body)
	}
}

func TestStop_WebSocketsGetTheirOwnGrace(t *testing.T) {
	t.Parallel()
	ca, backend, port := newAuthority(t), newSlowBackend(t), freePort(t)
	p := startGateway(t, racyGateway(t), oneSite(t, ca.install(t, "api.example.com"), port, backend.URL, "[timeouts]\ndrain = '5s'\nupgraded = '1h'"))
	c, _, err := websocket.Dial(t.Context(), fmt.Sprintf("wss://api.example.com:%d/ws", port), &websocket.DialOptions{HTTPClient: ca.client(t, false)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	p.signal(syscall.SIGTERM)
	p.waitFor("stopping")
	waitUntilRefused(t, port)
	checkEcho(t, c, "still here")
	c.Close(websocket.StatusNormalClosure, "done")
	if code := p.exitCode(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestStop_WebSocketsAreCutAfterTheirGrace(t *testing.T) {
	t.Parallel()
	ca, backend, port := newAuthority(t), newSlowBackend(t), freePort(t)
	p := startGateway(t, racyGateway(t), oneSite(t, ca.install(t, "api.example.com"), port, backend.URL, "[timeouts]\nupgraded = '100ms'"))
	c, _, err := websocket.Dial(t.Context(), fmt.Sprintf("wss://api.example.com:%d/ws", port), &websocket.DialOptions{HTTPClient: ca.client(t, false)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	checkEcho(t, c, "before")
	p.signal(syscall.SIGTERM)
	p.exitCode()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, _, err := c.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("the WebSocket outlived its grace: %v", err)
	}
}

func checkEcho(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		t.Fatalf("write: %v", err)
	}
	_, got, err := c.Read(ctx)
	if err != nil || !strings.Contains(string(got), text) {
		t.Fatalf("echo %q, %v", got, err)
	}
}
