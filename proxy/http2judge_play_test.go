package proxy

// x/net/http2 marks its server as deprecated in favour of net/http's, which takes
// HTTP/2 from a *tls.Conn only: it could not be played to through a pipe.
//
//lint:file-ignore SA1019 ServeConn is the way in for a connection without TLS

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	own "gateway/proxy/http2"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// judgeServe serves one connection until it ends.
type judgeServe func(c net.Conn, h http.Handler)

const (
	judgeStreams = 100      // that a client may have open, more than it opens in a script
	judgeList    = 4096     // bytes of a header list
	judgeAhead   = 64 << 10 // bytes that may be sent ahead on a stream
)

// judgeXNet serves as golang.org/x/net does.
func judgeXNet(c net.Conn, h http.Handler) {
	server := &http2.Server{MaxConcurrentStreams: judgeStreams, MaxReadFrameSize: 16 << 10, MaxUploadBufferPerStream: judgeAhead}
	base := &http.Server{Handler: h, MaxHeaderBytes: judgeList - 320, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	_ = http2.ConfigureServer(base, server) // for its pools: nothing is shared with another bubble
	server.ServeConn(c, &http2.ServeConnOpts{BaseConfig: base})
}

// judgeOwn serves as package proxy/http2 does.
func judgeOwn(c net.Conn, h http.Handler) {
	server := own.NewServer(own.Options{
		Handler: h, MaxStreams: judgeStreams, MaxHeaderList: judgeList, Date: func() string { return "now" },
		HeaderTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: time.Hour,
	})
	_ = server.NewConn(c, judgeOwner{}).Serve(context.Background())
}

// judgeOwner does not care for its connections.
type judgeOwner struct{}

func (judgeOwner) Busy()      {}
func (judgeOwner) Idle()      {}
func (judgeOwner) Cut(string) {}

var judgePathsOf = []string{
	"/echo", "/echo", "/echo", "/early", "/big", "/full", "/204", "/304", "/103", "/trailer", "/panic", "/short", "/wait",
}

// judgeHandler answers in a way that the same request has always the same answer
// to, and notes what it saw.
type judgeHandler struct {
	mu   sync.Mutex
	seen []string
}

func (h *judgeHandler) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = append(h.seen, fmt.Sprintf(format, args...))
}

func (h *judgeHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.note("%s %q host %q length %d trailer %v fields %q", r.Method, r.RequestURI, r.Host, r.ContentLength, judgeKeys(r.Trailer), judgeHeader(r.Header))
	path := r.URL.Path
	w.Header().Set("X-Path", path)
	switch path {
	case "/early":
		_, _ = io.WriteString(w, "early")
	case "/big":
		_, _ = io.WriteString(w, strings.Repeat("b", 70_000))
	case "/full":
		n, err := io.Copy(newJudgeFlusher(w, r), r.Body)
		if err != nil {
			n = 0 // how much of the last piece was taken is a matter of buffers
		}
		h.note("%s: %d bytes, whole %v", path, n, err == nil)
	case "/204":
		w.WriteHeader(http.StatusNoContent)
	case "/304":
		w.WriteHeader(http.StatusNotModified)
	case "/103":
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "late")
	case "/panic":
		_, _ = r.Body.Read(make([]byte, 1))
		panic(http.ErrAbortHandler)
	case "/short":
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "short")
	case "/wait":
		<-r.Context().Done()
		h.note("%s: %v", path, r.Context().Err())
	default:
		h.echo(w, r)
	}
}

func (h *judgeHandler) echo(w http.ResponseWriter, r *http.Request) {
	sum := sha256.New()
	n, err := io.Copy(sum, r.Body)
	h.note("%s: %d bytes, whole %v, trailer %q", r.URL.Path, n, err == nil, judgeHeader(r.Trailer))
	if r.URL.Path == "/trailer" {
		w.Header().Set("Trailer", "X-Sum")
	}
	_, _ = fmt.Fprintf(w, "%d %x", n, sum.Sum(nil))
	if r.URL.Path == "/trailer" {
		w.Header().Set("X-Sum", fmt.Sprint(n))
	}
}

// judgeFlusher flushes after each write, so that nothing depends on buffers.
type judgeFlusher struct{ w http.ResponseWriter }

// newJudgeFlusher takes the body of a response. x/net ends a response to HEAD with
// its head, and breaks off writing.
func newJudgeFlusher(w http.ResponseWriter, r *http.Request) io.Writer {
	if r.Method == http.MethodHead {
		return io.Discard
	}
	_ = http.NewResponseController(w).Flush()
	return judgeFlusher{w}
}

func (f judgeFlusher) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	return n, errors.Join(err, http.NewResponseController(f.w).Flush())
}

func judgeKeys(h http.Header) []string {
	keys := []string{}
	for key := range h {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// judgeHeader shows a header. x/net takes Expect out of it, where a proxy may want
// to know.
func judgeHeader(h http.Header) (lines []string) {
	for _, key := range judgeKeys(h) {
		if key == "Expect" {
			continue
		}
		lines = append(lines, key+": "+strings.Join(h[key], "|"))
	}
	return lines
}

// judgeTrace is what came of a script.
type judgeTrace struct {
	*judgeWatch
	model   *judgeModel
	seen    []string // by the handlers
	answers map[uint32]string
	ended   int // the step with which the connection was over or dying, or the number of steps
}

// certain takes down what there is. What is under way when a connection ends is
// cut anywhere, so the state before that is what can be compared.
func (r *judgeTrace) certain(h *judgeHandler) {
	r.seen, r.answers = slices.Sorted(slices.Values(h.seen)), map[uint32]string{}
	for id, s := range r.streams {
		r.answers[id] = s.show()
	}
}

// judgePlay plays a script to a server, each step when all is still after the one
// before, or all of them at once. Time stands still meanwhile.
func judgePlay(t *testing.T, serve judgeServe, script judgeScript, atOnce bool) (trace judgeTrace) {
	t.Helper()
	if atOnce {
		script.steps = [][]byte{slices.Concat(script.steps...)}
	}
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		handler := &judgeHandler{}
		w, model := newJudgeWatch(), newJudgeModel()
		trace = judgeTrace{judgeWatch: w, model: model, ended: len(script.steps)}
		served := make(chan bool)
		go func() {
			defer close(served)
			serve(judgeConn{server}, handler)
			_ = server.Close()
		}()
		var mu sync.Mutex // of w and dead
		dead := make(chan bool)
		go func() {
			defer close(dead)
			judgeListen(client, w, &mu)
		}()
		steps := make(chan []byte, len(script.steps))
		var writing sync.WaitGroup
		writing.Go(func() {
			for step := range steps {
				_, _ = client.Write(step)
			}
		})
		for i, step := range script.steps {
			trace.certain(handler)
			mu.Lock()
			model.take(step, w)
			mu.Unlock()
			steps <- step
			synctest.Wait()
			if judgeIsOver(w, dead) {
				trace.ended = i
				break
			}
		}
		if fault := judgeOverdue(w); fault != "" && !atOnce {
			w.fault("%s", fault)
		}
		if trace.ended == len(script.steps) {
			trace.certain(handler)
		}
		close(steps)
		_ = client.Close()
		writing.Wait()
		<-dead
		select {
		case <-served:
		case <-time.After(time.Minute):
			t.Error("the server goes on a minute after its client is gone")
		}
	})
	return trace
}

// judgeConn has the addresses that a server asks for.
type judgeConn struct{ net.Conn }

func (judgeConn) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }
func (judgeConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 50000} }

func judgeListen(c net.Conn, w *judgeWatch, mu *sync.Mutex) {
	framer := http2.NewFramer(io.Discard, c)
	framer.SetMaxReadFrameSize(1<<24 - 1)
	framer.ReadMetaHeaders = hpack.NewDecoder(1<<31-1, nil)
	for {
		f, err := framer.ReadFrame()
		mu.Lock()
		if err == nil {
			w.see(f)
		} else if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, io.ErrUnexpectedEOF) {
			w.fault("it can't be read: %v", err)
		}
		mu.Unlock()
		if err != nil {
			return
		}
	}
}

// judgeIsOver reports whether a connection is over, or is about to be for an error.
func judgeIsOver(w *judgeWatch, dead chan bool) bool {
	select {
	case <-dead:
		return true
	default:
	}
	return w.goAway != nil && w.goAway.ErrCode != http2.ErrCodeNo
}

// judgeOverdue tells what a server should have sent by now.
func judgeOverdue(w *judgeWatch) string {
	switch {
	case w.goAway != nil: // what comes behind it is nobody's
	case w.pings > 0:
		return fmt.Sprintf("%d PINGs are not answered", w.pings)
	case len(w.pending) > 0:
		return fmt.Sprintf("%d SETTINGS are not acknowledged", len(w.pending))
	}
	return ""
}
