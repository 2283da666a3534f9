package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// loopPaths runs a test with the loop and without.
func loopPaths(t *testing.T, h http.HandlerFunc, test func(t *testing.T, lab *wireLab)) {
	t.Helper()
	for name, general := range map[string]bool{"loop": false, "net/http": true} {
		t.Run(name, func(t *testing.T) {
			test(t, wireStart(t, h, func(o *Options) { o.generalOnly = general }))
		})
	}
}

func TestLoop_TheContextEndsWithTheHandler(t *testing.T) {
	contexts := make(chan context.Context, 1)
	loopPaths(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Context().Err() != nil || r.Context().Value(http.ServerContextKey) == nil || r.Context().Value(http.LocalAddrContextKey) == nil {
			t.Error("the context of a request is not as net/http has it")
		}
		contexts <- r.Context()
	}, func(t *testing.T, lab *wireLab) {
		c := lab.dial(wirePlain)
		wireSend(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		select {
		case <-(<-contexts).Done():
		case <-time.After(time.Minute):
			t.Error("the context goes on after the request")
		}
	})
}

func TestLoop_GoesOnBehindABodyThatNobodyRead(t *testing.T) {
	loopPaths(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.URL.Path)
	}, func(t *testing.T, lab *wireLab) {
		c := lab.dial(wirePlain)
		body := strings.Repeat("x", 100<<10)
		wireSend(t, c, fmt.Sprintf("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", len(body)))
		go func() { _, _ = io.WriteString(c, body+"GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") }()
		if _, bodies := wireAnswers(t, c); fmt.Sprint(bodies) != "[/1 /2]" {
			t.Errorf("answers %q", bodies)
		}
	})
}

func TestLoop_AnswersBeforeALargeBodyAndEndsTheConnection(t *testing.T) {
	loopPaths(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	}, func(t *testing.T, lab *wireLab) {
		c := lab.dialTLS("http/1.1")
		wireSend(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
		go func() { _, _ = c.Write(make([]byte, 1<<20)) }()
		if statuses, _ := wireAnswers(t, c); fmt.Sprint(statuses) != "[413]" {
			t.Errorf("answers %v", statuses)
		}
	})
}

func TestLoop_ABodyCanNotBeReadAfterItsRequest(t *testing.T) {
	bodies := make(chan io.Reader, 1)
	loopPaths(t, func(_ http.ResponseWriter, r *http.Request) { bodies <- r.Body }, func(t *testing.T, lab *wireLab) {
		c := lab.dial(wirePlain)
		wireSend(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		body := <-bodies
		<-bodies
		if n, err := body.Read(make([]byte, 10)); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("read %d bytes, %v", n, err)
		}
	})
}

func TestLoop_ABodyThatIsCutShortIsAnError(t *testing.T) {
	result := make(chan error, 1)
	loopPaths(t, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		result <- err
	}, func(t *testing.T, lab *wireLab) {
		c := lab.dial(wirePlain)
		wireSend(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
		_ = c.(*net.TCPConn).CloseWrite()
		if err := <-result; !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("error %v", err)
		}
	})
}

func TestLoop_NoticesAClientThatLeavesWhileItsBodyWasReadLate(t *testing.T) {
	entered, gone := make(chan bool), make(chan bool)
	loopPaths(t, func(_ http.ResponseWriter, r *http.Request) {
		entered <- true
		time.Sleep(2 * watchAfter) // the body is read when the loop would like to watch already
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		gone <- true
	}, func(t *testing.T, lab *wireLab) {
		c := lab.dialTLS("http/1.1")
		wireSend(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
		<-entered
		_ = c.Close()
		<-gone
	})
}

func TestLoop_KeepsWhatComesWhileItWatches(t *testing.T) {
	loopPaths(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			t.Error("the client was taken for gone")
		case <-time.After(3 * watchAfter):
		}
		_, _ = io.WriteString(w, r.URL.Path)
	}, func(t *testing.T, lab *wireLab) {
		c := lab.dialTLS("http/1.1")
		r := bufio.NewReader(c)
		wireSend(t, c, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HT")
		for _, more := range []string{"TP/1.1\r\nHost: a\r\n\r\n", ""} {
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			wireSend(t, c, more)
		}
	})
}

// loopScript is a client that has sent all that it will, and takes everything.
type loopScript struct {
	wireScript
	mu      sync.Mutex
	answers bytes.Buffer
	closed  chan struct{}
	once    sync.Once
}

func (s *loopScript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answers.Write(p)
}

func (s *loopScript) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *loopScript) CloseWrite() error                { return nil }
func (s *loopScript) SetDeadline(time.Time) error      { return nil }
func (s *loopScript) SetWriteDeadline(time.Time) error { return nil }
func (s *loopScript) LocalAddr() net.Addr              { return &net.UnixAddr{} }

// loopConversation is what a client that sends raw gets, and what handlers saw.
func loopConversation(t *testing.T, raw string, cut int, general bool) (answers []string, seen []string) {
	opts := wireOptions()
	opts.generalOnly = general
	opts.Log = slog.New(slog.DiscardHandler)
	opts.Handler = wireRefusing(opts.Limits, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		seen = append(seen, fmt.Sprintf("%s %s %s %v %q %v", r.Method, r.RequestURI, r.Host, r.Header, body, err != nil))
		_, _ = w.Write(body)
	}))
	s := NewServer(opts)
	script := &loopScript{wireScript: wireScript{parts: []string{raw[:cut], raw[cut:]}}, closed: make(chan struct{})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.http1.Serve(s.heads) })
	c, _ := s.clients.admit(script)
	s.serveHTTP1(script, c, &conn{settings: s.settings.Load(), local: script.LocalAddr(), remote: script.RemoteAddr()})
	_ = s.clients.wait(t.Context(), func(open, _ int) bool { return open == 0 })
	_ = s.heads.Close()
	serving.Wait()
	r := bufio.NewReader(&script.answers)
	for {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return append(answers, fmt.Sprint(errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF))), seen
		}
		body, _ := io.ReadAll(res.Body)
		res.Header.Del("Date")
		answers = append(answers, fmt.Sprint(res.StatusCode, res.Header, res.Close, string(body)))
	}
}

// A client can't tell whether the loop or net/http serves it, whatever it sends
// and however that is cut, and neither can a handler.
func FuzzLoop_ServesWhatNetHTTPServes(f *testing.F) {
	const ok = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok"
	for _, test := range wireBad() {
		if len(test.raw) < 1000 {
			f.Add(test.raw+wireSmuggled, 30)
			f.Add(ok+test.raw, 60)
		}
	}
	f.Add(ok+ok+ok, 50)
	f.Add(ok+"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n"+ok, 70)
	f.Add(ok+"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"+ok, 70)
	f.Add(ok+"HEAD /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"+ok, 70)
	f.Add("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\nshort", 55)
	f.Add("\r\n\r\n"+ok+"\r\n"+ok, 1)
	f.Fuzz(func(t *testing.T, raw string, cut int) {
		cut = max(0, min(cut, len(raw)))
		answers, seen := loopConversation(t, raw, cut, false)
		wantAnswers, wantSeen := loopConversation(t, raw, cut, true)
		if !reflect.DeepEqual(answers, wantAnswers) || !reflect.DeepEqual(seen, wantSeen) {
			t.Errorf("%q cut at %d: the client gets\n%q, with net/http\n%q; handlers see\n%q, with net/http\n%q", raw, cut, answers, wantAnswers, seen, wantSeen)
		}
	})
}

// The watch's timer runs on from one request to the next.
func TestWatch_IsDueForTheRequestThatIsServedAndNotForTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		isDue := func(w *watch) bool {
			synctest.Wait()
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.due
		}
		var w watch
		w.begin(false)
		time.Sleep(watchAfter - time.Millisecond)
		w.end()
		w.begin(false)
		time.Sleep(watchAfter - time.Millisecond)
		if isDue(&w) {
			t.Error("a request is watched from the start")
		}
		time.Sleep(time.Millisecond)
		if !isDue(&w) {
			t.Errorf("a request that was served for %v is not watched", watchAfter)
		}
		w.end()
		w.begin(false)
		w.end()
		time.Sleep(watchAfter)
		if isDue(&w) {
			t.Error("a request that was answered is watched")
		}
	})
}

// Else a client whose requests are slow, such as one that polls, would come back
// once more on a connection that nobody wants to keep.
func TestLoop_TellsInAnAnswerThatBeginsWhileStoppingThatTheConnectionEnds(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	lab := wireStart(t, func(w http.ResponseWriter, _ *http.Request) {
		entered <- true
		<-leave
		_, _ = io.WriteString(w, "done")
	})
	c := lab.dialTLS("http/1.1")
	wireSend(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	lab.cancel()
	wireUntil(t, lab.server.draining.Load)
	leave <- true
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(res.Body); string(body) != "done" || err != nil || !res.Close {
		t.Errorf("%q, %v; it says that the connection ends: %t", body, err, res.Close)
	}
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection goes on: %v", err)
	}
	if err := lab.stopped(); err != nil {
		t.Error(err)
	}
}
