package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// storm is what happens while an admin changes everything at noon.
type storm struct {
	lasts                                  time.Duration
	sockets, downloads                     int
	reloads, upgrades, restarts, badChange int
}

// TestNothingDrops_WhileEverythingChanges is the short form of the soak below.
func TestNothingDrops_WhileEverythingChanges(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a load for 20 s")
	}
	storm{lasts: 20 * time.Second, sockets: 50, downloads: 10, reloads: 12, upgrades: 3, restarts: 2, badChange: 3}.blow(t)
}

func TestSoak_NothingDropsWhileEverythingChanges(t *testing.T) {
	if os.Getenv("GATEWAY_SOAK") == "" {
		t.Skip("make soak runs a load for a minute")
	}
	storm{lasts: time.Minute, sockets: 200, downloads: 20, reloads: 50, upgrades: 10, restarts: 5, badChange: 5}.blow(t)
}

// downloadSize is what a slow download brings.
const downloadSize = 4 << 20

// streams is a backend of WebSockets and downloads, which nobody restarts.
func streams(t *testing.T) (url string, sum [sha256.Size]byte) {
	t.Helper()
	body := bytes.Repeat([]byte("0123456789abcdef"), downloadSize/16)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/ws") {
			echoForever(w, r)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body)
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL, sha256.Sum256(body)
}

// blow loads a gateway and changes everything about it meanwhile.
func (s storm) blow(t *testing.T) {
	url, sum := streams(t)
	w := newWorldWith(t, "0s", "")
	w.change("[[backend]]", fmt.Sprintf("[[site.route]]\npath = \"/streams/\"\nbackend = \"streams\"\n[[backend]]\nname = \"streams\"\nurl = %q\n[[backend]]", url))
	w.do("reload")
	stop := make(chan struct{})
	var beside sync.WaitGroup
	var echoes, cut, downloads, corrupt atomic.Int64
	for range s.sockets {
		beside.Go(func() { w.talk(stop, s.lasts, &echoes, &cut) })
	}
	for range s.downloads {
		beside.Go(func() { w.fetch(stop, s.lasts, sum, &downloads, &corrupt) })
	}
	changing := s.change(w)
	all := w.load(s.lasts)
	close(stop)
	changing.Wait()
	beside.Wait()
	w.tally(all, false)
	t.Logf("%d requests, %d WebSockets with %d messages, %d slow downloads; during %d reloads, %d upgrades, %d restarts of the backend, %d bad files: %d WebSockets cut, %d downloads corrupt",
		len(all), s.sockets, echoes.Load(), downloads.Load(), s.reloads, s.upgrades, s.restarts, s.badChange, cut.Load(), corrupt.Load())
	if cut.Load() > 0 || corrupt.Load() > 0 || echoes.Load() == 0 || downloads.Load() == 0 {
		t.Errorf("%d WebSockets were cut, %d downloads were corrupt", cut.Load(), corrupt.Load())
	}
}

// change does all changes one after the other, spread over the time.
func (s storm) change(w *world) *sync.WaitGroup {
	good, err := os.ReadFile(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	other, extra := w.ca.install(w.t, "api.example.com"), freePort(w.t)
	var acts []func(i int)
	reload := func(i int) { w.reloadTo(variant(string(good), other, extra, i)) }
	for range s.reloads {
		acts = append(acts, reload)
	}
	spread := func(n int, act func(int)) {
		for i := range n {
			at := (i + 1) * len(acts) / (n + 1)
			acts = append(acts[:at], append([]func(int){act}, acts[at:]...)...)
		}
	}
	spread(s.upgrades, func(int) { w.upgraded() })
	spread(s.restarts, func(int) { w.do("backend", "restart", "api") })
	spread(s.badChange, func(int) {
		w.write("nonsense = 1\n" + string(good))
		if out, code := w.verb("reload"); code != exitFailed {
			w.t.Errorf("a bad file was taken over: %s", out)
		}
		w.write(string(good))
	})
	return every(len(acts), s.lasts, func(i int) { acts[i](i) })
}

// variant is the file with another certificate, with and without another site,
// with other limits and times.
func variant(good, certificates string, port, i int) string {
	text := strings.Replace(good, "[admin]", fmt.Sprintf("[timeouts]\nidle = \"%ds\"\n[admin]", 60+i), 1)
	if i%2 == 0 {
		at := strings.Index(text, "files = ")
		text = text[:at] + fmt.Sprintf("files = %q\n#", certificates) + text[at:]
	}
	if i%3 == 0 {
		text += fmt.Sprintf("\n[limits]\nstreams = %d\n[[site]]\nname = \"other.example.com\"\nlisten = [\"127.0.0.1:%d\"]\ncertificate = \"local\"\nbackend = \"streams\"\n", 100+i, port)
	}
	return text
}

func (w *world) write(text string) {
	if err := os.WriteFile(filepath.Join(filepath.Dir(w.config), "next.toml"), []byte(text), 0o600); err != nil {
		w.t.Error(err)
		return
	}
	if err := os.Rename(filepath.Join(filepath.Dir(w.config), "next.toml"), w.config); err != nil {
		w.t.Error(err)
	}
}

func (w *world) reloadTo(text string) {
	w.write(text)
	if out, code := w.verb("reload"); code != exitDone {
		w.t.Errorf("reload: exit code %d: %s", code, out)
	}
}

// talk keeps one WebSocket busy.
func (w *world) talk(stop <-chan struct{}, lasts time.Duration, echoes, cut *atomic.Int64) {
	ctx, cancel := context.WithTimeout(context.Background(), lasts+patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, fmt.Sprintf("wss://api.example.com:%d/streams/ws", w.port), &websocket.DialOptions{HTTPClient: w.ca.client(w.t, false)})
	if err != nil {
		w.t.Errorf("a WebSocket was refused: %v", err)
		return
	}
	defer c.CloseNow()
	beat := time.NewTicker(200 * time.Millisecond)
	defer beat.Stop()
	for {
		select {
		case <-stop:
			c.Close(websocket.StatusNormalClosure, "")
			return
		case <-beat.C:
		}
		if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
			cut.Add(1)
			return
		}
		if _, text, err := c.Read(ctx); err != nil || string(text) != "hello" {
			cut.Add(1)
			return
		}
		echoes.Add(1)
	}
}

// fetch downloads slowly, again and again.
func (w *world) fetch(stop <-chan struct{}, lasts time.Duration, sum [sha256.Size]byte, done, corrupt *atomic.Int64) {
	client := w.ca.client(w.t, false)
	client.Timeout = lasts + patience
	for {
		select {
		case <-stop:
			return
		default:
		}
		response, err := client.Get(fmt.Sprintf("https://api.example.com:%d/streams/large", w.port))
		if err != nil {
			corrupt.Add(1)
			return
		}
		digest := sha256.New()
		_, err = io.Copy(digest, &slowReader{Reader: response.Body, pause: 20 * time.Millisecond})
		response.Body.Close()
		if err != nil || [sha256.Size]byte(digest.Sum(nil)) != sum {
			corrupt.Add(1)
			return
		}
		done.Add(1)
	}
}

// slowReader takes 32 KiB at a time and rests.
type slowReader struct {
	io.Reader
	pause time.Duration
}

func (r *slowReader) Read(p []byte) (int, error) {
	time.Sleep(r.pause)
	return r.Reader.Read(p[:min(len(p), 32<<10)])
}
