package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// judgeWaiting is a handler that tells when it has begun, and when its request's
// context has ended.
func judgeWaiting() (serve http.HandlerFunc, begun, ended chan string) {
	begun, ended = make(chan string, 1000), make(chan string, 1000)
	return func(w http.ResponseWriter, r *http.Request) {
		begun <- r.URL.Path
		<-r.Context().Done()
		ended <- r.URL.Path
	}, begun, ended
}

func TestHTTP2_AStreamThatIsGivenUpEndsItsRequestAlone(t *testing.T) {
	result := make(chan error, 1)
	wait, begun, ended := judgeWaiting()
	j := wireStart(t, judgePaths(map[string]http.HandlerFunc{
		"/wait": wait, "/other": wait,
		"/read": func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			result <- err
		},
		"/write": func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(w, judgeZeros{})
			result <- err
		},
		"/": wireEcho,
	})).judge()
	j.get(1, "/other")
	frontWait(t, begun, "the other request")
	j.get(3, "/wait")
	frontWait(t, begun, "the request")
	j.giveUp(3)
	judgeSame(t, frontWait(t, ended, "the end of its context"), "/wait")

	j.post(5, "/read")
	j.data(5, false, "half")
	j.giveUp(5)
	if err := frontWait(t, result, "the end of reading"); err == nil {
		t.Error("half a body looked complete")
	}
	j.get(7, "/write")
	j.until("its window's end", func() bool { return len(j.streams[7].body) == 65535 })
	j.giveUp(7)
	if err := frontWait(t, result, "the end of writing"); err == nil {
		t.Error("an endless response ended well")
	}
	j.grant(0, 65535)
	j.get(9, "/")
	judgeSame(t, j.outcome(9).String(), `200 "GET / ", end`)
	if len(ended) > 0 {
		t.Error("the other request was ended")
	}
}

func TestHTTP2_AGoneClientEndsAllItsRequests(t *testing.T) {
	for name, leave := range map[string]func(c net.Conn){
		"closed": func(c net.Conn) { _ = c.Close() },
		"reset": func(c net.Conn) {
			raw := c.(interface{ NetConn() net.Conn }).NetConn().(*net.TCPConn)
			_ = raw.SetLinger(0)
			_ = raw.Close()
		},
		"half closed": func(c net.Conn) { _ = c.(interface{ CloseWrite() error }).CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			wait, begun, ended := judgeWaiting()
			lab := wireStart(t, wait)
			j := lab.judge()
			other := lab.judge()
			other.get(1, "/other")
			for i := range uint32(20) {
				j.post(2*i+1, "/")
				j.data(2*i+1, false, "half")
			}
			for range 21 {
				frontWait(t, begun, "a request")
			}
			leave(j.c)
			for range 20 {
				judgeSame(t, frontWait(t, ended, "the end of a request"), "/")
			}
			other.settle()
			if len(ended) > 0 {
				t.Error("the request of another client was ended")
			}
		})
	}
}

func TestHTTP2_TheContextOfARequestEndsWithItsHandler(t *testing.T) {
	contexts := make(chan context.Context, 1)
	j := wireStart(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Context().Err() != nil {
			t.Error("it has ended before")
		}
		contexts <- r.Context()
	}).judge()
	for id := uint32(1); id < 20; id += 2 {
		j.get(id, "/")
		select {
		case <-frontWait(t, contexts, "the request").Done():
		case <-time.After(time.Minute):
			t.Fatal("the context goes on")
		}
		judgeSame(t, j.outcome(id).String(), "200, end")
	}
}

func TestHTTP2_MoreStreamsThanAllowedAreRefusedAndCostNothing(t *testing.T) {
	wait, begun, _ := judgeWaiting()
	release := make(chan bool)
	j := wireStart(t, judgePaths(map[string]http.HandlerFunc{
		"/wait": wait, "/": wireEcho, "/once": func(http.ResponseWriter, *http.Request) { <-release },
	}), func(o *Options) { o.Limits.Streams = 5 }).judge()
	j.settle()
	if n := j.settings[http2.SettingMaxConcurrentStreams]; n != 5 {
		t.Errorf("%d streams are allowed, the limit being 5", n)
	}
	j.get(1, "/once")
	for id := uint32(3); id <= 9; id += 2 {
		j.get(id, "/wait")
		frontWait(t, begun, "a request")
	}
	j.get(11, "/")
	judgeSame(t, j.outcome(11).String(), "reset REFUSED_STREAM")
	close(release)
	judgeSame(t, j.outcome(1).String(), "200, end")
	j.get(13, "/")
	judgeSame(t, j.outcome(13).String(), `200 "GET / ", end`)
}

// However fast a client opens and gives up requests (CVE-2023-44487), the handlers
// at work for it are bounded.
func TestHTTP2_GivingUpMakesNoRoomForMoreHandlersThanTwiceTheStreams(t *testing.T) {
	var running, most atomic.Int64
	release := make(chan bool)
	j := wireStart(t, func(_ http.ResponseWriter, _ *http.Request) { // which does not notice at once
		now := running.Add(1)
		defer running.Add(-1)
		for before := most.Load(); now > before && !most.CompareAndSwap(before, now); before = most.Load() {
		}
		<-release
	}, func(o *Options) { o.Limits.Streams = 10 }).judge()
	for i := range uint32(200) {
		j.get(2*i+1, "/")
		j.giveUp(2*i + 1)
	}
	j.settle()
	close(release)
	wireUntil(t, func() bool { return running.Load() == 0 })
	if n := most.Load(); n > 20 {
		t.Errorf("%d handlers were at work for a client that may have 10 streams", n)
	}
	j.get(401, "/")
	judgeSame(t, j.outcome(401).String(), "200, end")
}

// RFC 9113, 6.8: what is under way ends well, and nothing else is begun.
func TestHTTP2_AServerThatStopsLetsStreamsEnd(t *testing.T) {
	begun, release := make(chan bool, 10), make(chan bool)
	lab := wireStart(t, judgePaths(map[string]http.HandlerFunc{
		"/slow": func(w http.ResponseWriter, r *http.Request) {
			begun <- true
			<-release
			wireEcho(w, r)
		},
	}))
	j := lab.judge()
	j.get(1, "/slow")
	j.post(3, "/slow")
	<-begun
	<-begun
	lab.cancel()
	j.until("GOAWAY", func() bool { return j.goAway != nil })
	judgeSame(t, j.goAway.ErrCode.String(), "NO_ERROR")
	j.data(3, false, "a body ")
	j.settle()
	j.data(3, true, "goes on")
	close(release)
	judgeSame(t, j.outcome(1).String(), `200 "GET /slow ", end`)
	judgeSame(t, j.outcome(3).String(), `200 "POST /slow a body goes on", end`)
	j.end()
	if j.last < 3 {
		t.Errorf("GOAWAY tells that stream 3 was not served, but %d", j.last)
	}
	_ = j.c.Close()
	if err := lab.stopped(); err != nil {
		t.Error(err)
	}
}

// A client whose handshake ends when the server has begun to stop still gets the
// answer to what it asks at once, behind a preface in order.
func TestHTTP2_AConnectionThatComesLateIsServedOnce(t *testing.T) {
	lab := wireStart(t, wireEcho)
	raw := lab.dial(wireTLS)
	wireUntil(t, func() bool { // it is accepted
		lab.server.clients.mu.Lock()
		defer lab.server.clients.mu.Unlock()
		return len(lab.server.clients.open) == 1
	})
	lab.cancel()
	wireUntil(t, lab.server.goingAway.Load)
	c := tls.Client(raw, &tls.Config{RootCAs: lab.roots, ServerName: "example.com", NextProtos: []string{"h2"}})
	j := newJudgeClient(t, c)
	j.get(1, "/late")
	judgeSame(t, j.outcome(1).String(), `200 "GET /late ", end`)
	judgeSame(t, j.goodbye(), "NO_ERROR")
	_ = c.Close()
	if err := lab.stopped(); err != nil {
		t.Error(err)
	}
}

func TestHTTP2_AClientThatSaysGoodbyeGetsItsAnswers(t *testing.T) {
	release := make(chan bool)
	j := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		<-release
		wireEcho(w, r)
	}).judge()
	j.get(1, "/")
	j.settle()
	j.must(j.WriteGoAway(0, http2.ErrCodeNo, []byte("bye")))
	close(release)
	judgeSame(t, j.outcome(1).String(), `200 "GET / ", end`)
}

func TestHTTP2_AnIdleConnectionEndsAfterItsTime(t *testing.T) {
	release := make(chan bool)
	idle := 600 * time.Millisecond // in which a first request must come, also on a busy machine
	lab := wireStart(t, judgePaths(map[string]http.HandlerFunc{
		"/":     wireEcho,
		"/slow": func(http.ResponseWriter, *http.Request) { <-release },
	}), func(o *Options) { o.Timeouts.Idle = idle })
	silent := lab.judge()
	used := lab.judge()
	used.get(1, "/")
	used.outcome(1)
	busy := lab.judge()
	busy.get(1, "/slow")
	for name, j := range map[string]*judgeClient{"silent": silent, "used": used} {
		if code := j.goodbye(); code != "NO_ERROR" {
			t.Errorf("%s: GOAWAY %s", name, code)
		}
	}
	<-time.After(2 * idle)
	close(release)
	judgeSame(t, busy.outcome(1).String(), "200, end")
	judgeSame(t, busy.goodbye(), "NO_ERROR")
}

// A client that takes nothing must not hold a handler, and what it keeps, for ever.
func TestHTTP2_AClientThatDoesNotReadIsCut(t *testing.T) {
	ended := make(chan error, 1)
	j := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(w, judgeZeros{})
		<-r.Context().Done()
		ended <- err
	}, func(o *Options) { o.Timeouts.Write = 200 * time.Millisecond }).judge(judgeWindow(1<<31 - 1))
	j.grant(0, 1<<30)
	j.get(1, "/")
	if err := frontWait(t, ended, "the end of the request"); err == nil {
		t.Error("an endless response ended well")
	}
}

// RFC 9113, 3.4: what does not begin as HTTP/2 is none.
func TestHTTP2_AConnectionBeginsWithItsPreface(t *testing.T) {
	lab := wireStart(t, wireEcho, func(o *Options) { o.Timeouts.Header, o.Timeouts.Idle = 300*time.Millisecond, 300*time.Millisecond })
	for name, begin := range map[string]string{
		"HTTP/1":      "GET / HTTP/1.1\r\nHost: example.com\r\n\r\nand more",
		"a wrong one": strings.Replace(http2.ClientPreface, "SM", "XX", 1),
		"no settings": http2.ClientPreface + "\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678",
		"half of it":  http2.ClientPreface[:10],
		"nothing":     "",
	} {
		t.Run(name, func(t *testing.T) {
			c := lab.dialTLS("h2")
			wireSend(t, c, begin)
			answer, err := io.ReadAll(c)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection stays open")
			}
			if strings.Contains(string(answer), "GET /") {
				t.Errorf("it was answered with %q", answer)
			}
		})
	}
}

// Every ending of a stream and of a connection gives its goroutines, its memory
// and its descriptor back; wireStart looks after the goroutines.
func TestHTTP2_ConnectionsLeaveNoDescriptorBehind(t *testing.T) {
	before := judgeDescriptors(t)
	t.Run("connections of every ending", func(t *testing.T) {
		wait, begun, _ := judgeWaiting()
		lab := wireStart(t, judgePaths(map[string]http.HandlerFunc{"/": wireEcho, "/wait": wait, "/body": judgeBody}))
		for i := range 40 {
			j := lab.judge()
			j.get(1, "/")
			j.outcome(1)
			switch i % 5 {
			case 0:
				j.get(3, "/wait")
				frontWait(t, begun, "the request")
			case 1:
				j.get(3, "/body?1000000")
			case 2:
				j.post(3, "/")
				j.data(3, false, "half")
				j.settle()
			case 3:
				j.must(j.WriteGoAway(0, http2.ErrCodeNo, nil))
			case 4:
				_, _ = j.c.Write([]byte{0, 0, 9})
			}
			_ = j.c.Close()
		}
		wireUntil(t, func() bool {
			lab.server.clients.mu.Lock()
			defer lab.server.clients.mu.Unlock()
			return len(lab.server.clients.open) == 0
		})
	})
	wireUntil(t, func() bool { return judgeDescriptors(t) <= before })
}

// The answers of streams that end at the same time are whole, each.
func TestHTTP2_LargeBodiesPassBothWaysOnManyStreams(t *testing.T) {
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.Copy(w, r.Body)
	})
	client := lab.client(true)
	client.Timeout = time.Minute
	const streams, size = 100, 70_000 // more than a window
	results := make(chan error, streams)
	for i := range streams {
		go func() {
			results <- judgeEcho(client, "https://"+lab.addr(wireTLS)+fmt.Sprintf("/%d", i), byte(i), size)
		}()
	}
	for range streams {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

// judgePattern is an endless body of which no two places look the same for long.
type judgePattern struct {
	seed byte
	at   int
}

func (p *judgePattern) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(p.at>>8) ^ byte(p.at*7) ^ p.seed
		p.at++
	}
	return len(b), nil
}

// judgeEcho sends size bytes and compares what comes back.
func judgeEcho(client *http.Client, url string, seed byte, size int64) error {
	r, _ := http.NewRequest("POST", url, io.LimitReader(&judgePattern{seed: seed}, size))
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	want, got := &judgePattern{seed: seed}, make([]byte, 32<<10)
	expect, total := make([]byte, len(got)), int64(0)
	for {
		n, err := res.Body.Read(got)
		_, _ = want.Read(expect[:n])
		if string(got[:n]) != string(expect[:n]) {
			return fmt.Errorf("%s: other bytes than were sent, at %d", url, total)
		}
		total += int64(n)
		switch {
		case err == io.EOF && total == size:
			return nil
		case err != nil:
			return fmt.Errorf("%s: %d bytes: %w", url, total, err)
		}
	}
}
