package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// traffic is what a front has to bear: requests, and beside them WebSockets and
// slow downloads that last longer than any change.
type traffic struct {
	lasts     time.Duration
	rate      int           // requests a second
	sockets   int           // WebSockets at a time
	life      time.Duration // after which every second WebSocket is closed and dialled anew; 0: never
	downloads int           // slow downloads at a time
}

// beat is how often each WebSocket is used.
const beat = 500 * time.Millisecond

// borne is what came of traffic.
type borne struct {
	requests           []request
	messages, cut      atomic.Int64 // of WebSockets
	downloads, corrupt atomic.Int64

	mu   sync.Mutex
	whys []string // of the first that were cut or corrupt
}

func (b *borne) String() string {
	failed := 0
	for _, r := range b.requests {
		if r.failed() {
			failed++
		}
	}
	return fmt.Sprintf("%d requests, %d failed; %d messages by WebSockets, %d WebSockets cut; %d slow downloads, %d corrupt",
		len(b.requests), failed, b.messages.Load(), b.cut.Load(), b.downloads.Load(), b.corrupt.Load())
}

func (b *borne) because(format string, a ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.whys) < 10 {
		b.whys = append(b.whys, fmt.Sprintf(format, a...))
	}
}

// bear sends the traffic and returns when all of it has ended.
func (f *front) bear(t testing.TB, tr traffic, stream *streams) *borne {
	b := &borne{}
	ctx, cancel := context.WithTimeout(t.Context(), tr.lasts+patience)
	defer cancel()
	stop := make(chan struct{})
	var beside sync.WaitGroup
	for i := range tr.sockets {
		life := tr.lasts + patience
		if tr.life > 0 && i%2 == 1 {
			life = tr.life + time.Duration(i)*tr.life/time.Duration(tr.sockets) // not all at once
		}
		beside.Go(func() { f.talk(ctx, stop, life, b) })
	}
	for i := range tr.downloads {
		client := f.clients[[]string{"HTTP/1.1", "HTTP/2.0"}[i%2]][i/2%clientsOfAProtocol]
		beside.Go(func() { f.fetch(ctx, stop, client, stream, b) })
	}
	b.requests = f.load(t, tr.rate, tr.lasts)
	close(stop)
	beside.Wait()
	return b
}

// talk has one WebSocket at a time. One that is cut is dialled anew, as its
// clients do.
func (f *front) talk(ctx context.Context, stop <-chan struct{}, life time.Duration, b *borne) {
	for !closed(stop) && ctx.Err() == nil {
		if err := f.converse(ctx, stop, life, b); err != nil {
			b.cut.Add(1)
			b.because("a WebSocket: %v", err)
			pause(beat, stop)
		}
	}
}

// converse keeps a WebSocket busy until its client has had enough.
func (f *front) converse(ctx context.Context, stop <-chan struct{}, life time.Duration, b *borne) error {
	c, _, err := websocket.Dial(ctx, strings.Replace(f.url, "https:", "wss:", 1)+"streams/ws", &websocket.DialOptions{HTTPClient: f.clients["HTTP/1.1"][0]})
	if err != nil {
		return err
	}
	defer c.CloseNow()
	for over := time.Now().Add(life); time.Now().Before(over); {
		if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
			return err
		}
		if _, text, err := c.Read(ctx); err != nil || string(text) != "hello" {
			return fmt.Errorf("echoed %q: %w", text, err)
		}
		b.messages.Add(1)
		if pause(beat, stop) {
			break
		}
	}
	return c.Close(websocket.StatusNormalClosure, "")
}

// fetch downloads slowly, again and again.
func (f *front) fetch(ctx context.Context, stop <-chan struct{}, client *http.Client, stream *streams, b *borne) {
	patient := *client
	patient.Timeout = 0
	for !closed(stop) && ctx.Err() == nil {
		if err := stream.fetch(ctx, &patient, f.url); err != nil {
			b.corrupt.Add(1)
			b.because("a download: %v", err)
			pause(beat, stop)
			continue
		}
		b.downloads.Add(1)
	}
}

func closed(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// pause tells whether it was ended by stop.
func pause(length time.Duration, stop <-chan struct{}) bool {
	select {
	case <-time.After(length):
		return false
	case <-stop:
		return true
	}
}

// streams is a backend of WebSockets and downloads, which nobody restarts.
type streams struct {
	url string
	sum [sha256.Size]byte
}

// downloadSize is what a slow download brings.
const downloadSize = 4 << 20

func newStreams(t testing.TB) *streams {
	t.Helper()
	body := make([]byte, downloadSize)
	_, _ = rand.Read(body)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/ws") {
			echoForever(w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return &streams{url: s.URL, sum: sha256.Sum256(body)}
}

func (s *streams) fetch(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"streams/large", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	digest := sha256.New()
	n, err := io.Copy(digest, &slowReader{Reader: response.Body, pause: 20 * time.Millisecond})
	if err == nil && [sha256.Size]byte(digest.Sum(nil)) != s.sum {
		err = fmt.Errorf("status %d, %d bytes that are not those of the backend", response.StatusCode, n)
	}
	return err
}

// slowReader takes 32 KiB at a time and rests.
type slowReader struct {
	io.Reader
	pause time.Duration
}

func (r *slowReader) Read(p []byte) (int, error) {
	<-time.After(r.pause)
	return r.Reader.Read(p[:min(len(p), 32<<10)])
}
