package proxy

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// queueTestSink takes down every call, in order.
type queueTestSink struct {
	blocked chan struct{} // nil, or what every write waits for
	full    bool

	mu    sync.Mutex
	calls []string
}

func (s *queueTestSink) Open() error { return nil }

func (s *queueTestSink) Write(lines []byte) (int, error) {
	if s.blocked != nil {
		<-s.blocked
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return 0, syscall.ENOSPC
	}
	s.calls = append(s.calls, string(lines))
	return len(lines), nil
}

func (s *queueTestSink) Reopen() error { s.note("reopen"); return nil }
func (s *queueTestSink) Close() error  { s.note("close"); return nil }

func (s *queueTestSink) note(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
}

func (s *queueTestSink) setFull(full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = full
}

func (s *queueTestSink) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// lines are what was written, call by call.
func (s *queueTestSink) lines() []string {
	return strings.Fields(strings.Join(slices.DeleteFunc(s.seen(), func(call string) bool { return call == "reopen" || call == "close" }), ""))
}

// queueTestLog runs a log of the requests' paths. To be called in a bubble.
func queueTestLog(t *testing.T, sink sink) (log *AccessLog, ask func(path string), stop func()) {
	t.Helper()
	log, err := NewAccessLog(LogConfig{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	format, err := ParseLogFormat("%U")
	if err != nil {
		t.Fatal(err)
	}
	log.target.Store(&accessTarget{format.appendLine, newLineWriter(sink, log.errors)})
	stop = logTestRun(t, log)
	queueTestPass(time.Second) // a quiet time
	handler := log.Wrap(http.NotFoundHandler())
	ask = func(path string) { handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)) }
	return log, ask, stop
}

// queueTestPass lets the bubble's time pass, until everybody waits for more of it.
func queueTestPass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func queueTestWant(t *testing.T, sink *queueTestSink, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := sink.seen(); !slices.Equal(got, want) {
		t.Fatalf("calls %q, want %q", got, want)
	}
}

func TestAccessLog_WritesALineAfterAQuietTimeAtOnceAndTheNextOnesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &queueTestSink{}
		_, ask, stop := queueTestLog(t, sink)
		ask("/1")
		queueTestWant(t, sink, "/1\n")
		ask("/2")
		ask("/3")
		queueTestPass(gatherFor - time.Nanosecond)
		queueTestWant(t, sink, "/1\n")
		queueTestPass(time.Nanosecond)
		queueTestWant(t, sink, "/1\n", "/2\n/3\n")
		ask("/4")
		queueTestPass(gatherFor)
		queueTestWant(t, sink, "/1\n", "/2\n/3\n", "/4\n")
		queueTestPass(gatherFor)
		ask("/5")
		queueTestWant(t, sink, "/1\n", "/2\n/3\n", "/4\n", "/5\n")
		ask("/6")
		stop()
		queueTestWant(t, sink, "/1\n", "/2\n/3\n", "/4\n", "/5\n", "/6\n", "close")
	})
}

func TestAccessLog_NeedsFewWritesForManyLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &queueTestSink{}
		_, ask, stop := queueTestLog(t, sink)
		const requests, every = 2000, time.Second / 2000
		for i := range requests {
			ask(fmt.Sprintf("/%d", i))
			queueTestPass(every)
		}
		stop()
		if got, most := len(sink.seen()), int(requests*every/gatherFor)+3; got > most {
			t.Errorf("%d calls for %d lines, want at most %d", got, requests, most)
		}
		queueTestComplete(t, sink, requests)
	})
}

func queueTestComplete(t *testing.T, sink *queueTestSink, requests int) {
	t.Helper()
	got := sink.lines()
	for i := range requests {
		if want := fmt.Sprintf("/%d", i); i >= len(got) || got[i] != want {
			t.Fatalf("%d lines, and %q is missing or not at its place", len(got), want)
		}
	}
	if len(got) != requests {
		t.Errorf("%d lines of %d requests", len(got), requests)
	}
}

func TestAccessLog_WritesABatchAsSoonAsItIsLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &queueTestSink{}
		_, ask, _ := queueTestLog(t, sink)
		ask("/1")
		synctest.Wait()
		for _, path := range []string{"/2", "/" + strings.Repeat("x", batchBytes)} {
			ask(path)
		}
		queueTestWant(t, sink, "/1\n", "/2\n/"+strings.Repeat("x", batchBytes)+"\n")
	})
}

func TestAccessLog_WritesWhatWasGatheredBeforeItReopensOrChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &queueTestSink{}
		log, ask, stop := queueTestLog(t, sink)
		ask("/1")
		synctest.Wait()
		ask("/2")
		log.Reopen()
		queueTestWant(t, sink, "/1\n", "/2\n", "reopen")
		ask("/3")
		next := &queueTestSink{}
		log.commit(&accessTarget{log.target.Load().append, newLineWriter(next, log.errors)})
		queueTestWant(t, sink, "/1\n", "/2\n", "reopen", "/3\n", "close")
		ask("/4")
		stop()
		queueTestWant(t, next, "/4\n", "close")
		ask("/late") // neither blocks nor is written
		log.Reopen()
		queueTestWant(t, next, "/4\n", "close")
	})
}

// queueTestAsk asks from clients at a time, and counts those that were answered.
func queueTestAsk(ask func(string), clients, each int) *atomic.Int64 {
	var answered atomic.Int64
	for client := range clients {
		go func() {
			for i := range each {
				ask(fmt.Sprintf("/%d/%d/%s", client, i, strings.Repeat("x", 8<<10)))
				answered.Add(1)
			}
		}()
	}
	return &answered
}

func queueTestOnce(t *testing.T, sink *queueTestSink, clients, each int) {
	t.Helper()
	latest := make([]int, clients)
	for _, line := range sink.lines() {
		var client, i int
		if _, err := fmt.Sscanf(line, "/%d/%d/", &client, &i); err != nil || i != latest[client] || len(line) < 8<<10 {
			t.Fatalf("line %.20s of %d bytes, want number %d of its client: %v", line, len(line), latest[client], err)
		}
		latest[client]++
	}
	for client, n := range latest {
		if n != each {
			t.Errorf("client %d has %d lines, want %d", client, n, each)
		}
	}
}

func TestAccessLog_LetsRequestsWaitForASlowDiskAndLosesNoLine(t *testing.T) {
	const clients, each = 20, 20
	synctest.Test(t, func(t *testing.T) {
		sink := &queueTestSink{blocked: make(chan struct{})}
		_, ask, stop := queueTestLog(t, sink)
		answered := queueTestAsk(ask, clients, each)
		queueTestPass(time.Minute)
		// The lines of one write, those that may wait, and one more of each client.
		if n := answered.Load(); n*8<<10 > 2*queueBytes+clients*16<<10 {
			t.Errorf("%d requests went on while the disk took nothing", n)
		}
		close(sink.blocked)
		synctest.Wait()
		if n := answered.Load(); n != clients*each {
			t.Errorf("%d requests ended, want %d", n, clients*each)
		}
		stop()
		queueTestOnce(t, sink, clients, each)
	})
}

func TestAccessLog_WritesTheLinesOfWaitingRequestsWhenItIsStopped(t *testing.T) {
	const clients = 100 // of which most wait: their lines are more than the queue may hold
	synctest.Test(t, func(t *testing.T) {
		sink := &queueTestSink{blocked: make(chan struct{})}
		_, ask, stop := queueTestLog(t, sink)
		answered := queueTestAsk(ask, clients, 1)
		synctest.Wait()
		time.AfterFunc(time.Second, func() { close(sink.blocked) })
		stop() // is asked for while the disk holds up the writer
		synctest.Wait()
		if n := answered.Load(); n != clients {
			t.Errorf("%d requests ended, want %d", n, clients)
		}
		queueTestOnce(t, sink, clients, 1)
	})
}

func TestAccessLog_WritesEverythingInOrderWhenTheDiskTakesLinesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &queueTestSink{full: true}
		_, ask, stop := queueTestLog(t, sink)
		const requests = 1000
		for i := range requests {
			ask(fmt.Sprintf("/%d", i))
			queueTestPass(time.Millisecond)
			sink.setFull(i < requests/2)
		}
		queueTestPass(2 * time.Second)
		stop()
		queueTestComplete(t, sink, requests)
	})
}

func FuzzLineWriter(f *testing.F) {
	f.Add([]byte("a\nbb\n"), []byte{0, 3, 255})
	f.Fuzz(func(t *testing.T, text, rooms []byte) {
		if len(text) == 0 || text[len(text)-1] != '\n' {
			return
		}
		sink := &logTestSink{}
		w := newLineWriter(sink, slog.New(slog.DiscardHandler))
		for line := range bytes.Lines(text) {
			if len(rooms) > 0 {
				sink.room, rooms = int(rooms[0]), rooms[1:]
			}
			w.write(line)
			w.tick()
		}
		sink.room = len(text)
		if err := w.close(); err != nil || sink.String() != string(text) {
			t.Errorf("%q became %q: %v", text, sink.String(), err)
		}
	})
}
