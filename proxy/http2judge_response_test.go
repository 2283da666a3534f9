package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

func TestHTTP2_Responses(t *testing.T) {
	tests := []struct {
		name   string
		method string // GET if empty
		serve  http.HandlerFunc
		want   string
		fields map[string]string // of the head, "" for none
	}{
		{"nothing", "", func(http.ResponseWriter, *http.Request) {},
			`200, end`, map[string]string{"content-length": "0", "content-type": ""}},
		{"a body of no announced length", "", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") },
			`200 "hello", end`, map[string]string{"content-length": "5", "content-type": "text/plain; charset=utf-8"}},
		{"a body of announced length", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			_, _ = io.WriteString(w, "hel")
			_, _ = io.WriteString(w, "lo")
		}, `200 "hello", end`, map[string]string{"content-length": "5"}},
		{"no body of announced length 0", "", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "0") },
			`200, end`, map[string]string{"content-length": "0"}},
		{"a length that is no number", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "five")
			_, _ = io.WriteString(w, "hello")
		}, `200 "hello", end`, nil},
		{"fields in order", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
			w.Header().Set("X-Empty", "")
		}, `200, end`, map[string]string{"set-cookie": "a=1|b=2", "x-empty": ""}},
		{"a type and a date that the handler takes away", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"], w.Header()["Date"] = nil, nil
			_, _ = io.WriteString(w, "hello")
		}, `200 "hello", end`, map[string]string{"content-type": "", "date": ""}},
		{"a date of the handler's", "", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Date", "yesterday") },
			`200, end`, map[string]string{"date": "yesterday"}},
		{"an encoded body has no type to guess", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "hello")
		}, `200 "hello", end`, map[string]string{"content-type": ""}},
		{"fields that HTTP/2 does not have", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Transfer-Encoding", "chunked")
			w.Header().Set("Connection", "X-Other")
			_, _ = io.WriteString(w, "hello")
		}, `200 "hello", end`, map[string]string{"connection": "", "transfer-encoding": ""}},
		{"more fields that HTTP/2 does not have", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Keep-Alive", "timeout=5")
			w.Header().Set("Proxy-Connection", "keep-alive")
			w.Header().Set("Upgrade", "h2c")
		}, `200, end`, map[string]string{"keep-alive": "", "upgrade": ""}},
		{"a name and values that no field has", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["X Y"] = []string{"1"}
			w.Header()["X-Z"] = []string{"a\x00b"}
		}, `200, end`, map[string]string{"x y": "", "x-z": ""}},
		{"a status that is set twice", "", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			w.WriteHeader(http.StatusOK)
		}, `418, end`, nil},
		{"a field after the status", "", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			w.Header().Set("X-Late", "1")
		}, `418, end`, map[string]string{"x-late": ""}},

		{"HEAD with a body", "HEAD", func(w http.ResponseWriter, _ *http.Request) {
			if n, err := io.WriteString(w, "hello"); n != 5 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}, `200, end`, map[string]string{"content-length": "5", "content-type": "text/plain; charset=utf-8"}},
		{"HEAD with a length", "HEAD", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1000") },
			`200, end`, map[string]string{"content-length": "1000"}},
		{"HEAD of a large body", "HEAD", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
		}, `200, end`, nil},
		{"204", "", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
			if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrBodyNotAllowed) {
				t.Errorf("a body with 204: %v", err)
			}
		}, `204, end`, map[string]string{"content-type": "", "content-length": ""}},
		{"304 with the length of what is not sent", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"a"`)
			w.WriteHeader(http.StatusNotModified)
			if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrBodyNotAllowed) {
				t.Errorf("a body with 304: %v", err)
			}
		}, `304, end`, map[string]string{"etag": `"a"`, "content-length": ""}},

		{"103 and then the answer", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</a>")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
			_, _ = io.WriteString(w, "hello")
		}, `103, 103, 200 "hello", end`, map[string]string{"link": ""}},
		{"102", "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProcessing) }, `102, 200, end`, nil},

		{"trailers that are announced", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum, X-Never, Content-Length")
			_, _ = io.WriteString(w, "hello")
			w.Header().Set("X-Sum", "42")
		}, `200 "hello", trailer x-sum: 42, end`, map[string]string{"x-sum": ""}},
		{"trailers that are not", "", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "hello")
			w.Header().Set(http.TrailerPrefix+"X-Sum", "42")
			w.Header().Set(http.TrailerPrefix+"X-Other", "43")
		}, `200 "hello", trailer x-other: 43, x-sum: 42, end`, map[string]string{"trailer:x-sum": ""}},
		{"trailers without a body", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			w.Header().Set("X-Sum", "42")
		}, `200, trailer x-sum: 42, end`, nil},
		{"trailers that may not be", "", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "hello")
			w.Header().Set(http.TrailerPrefix+"Content-Length", "3")
			w.Header().Set(http.TrailerPrefix+"Transfer-Encoding", "chunked")
		}, `200 "hello", end`, nil},
		{"HEAD with trailers", "HEAD", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			w.WriteHeader(http.StatusOK)
			w.Header().Set("X-Sum", "42")
		}, `200, end`, nil},

		{"a body shorter than announced", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "hello")
			_ = http.NewResponseController(w).Flush()
		}, `200 "hello", reset INTERNAL_ERROR`, nil},
		{"a body longer than announced", "", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			_, _ = io.WriteString(w, "hello")
			_ = http.NewResponseController(w).Flush()
			if _, err := io.WriteString(w, "more"); err == nil {
				t.Error("more than announced was taken")
			}
		}, `200 "hello", end`, nil},
		{"a panic before the head", "", func(http.ResponseWriter, *http.Request) { panic("a fault in the test's handler") },
			`reset INTERNAL_ERROR`, nil},
		{"an abort before the head", "", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			panic(http.ErrAbortHandler)
		}, `reset INTERNAL_ERROR`, nil},
		{"an abort within the body", "", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, `200 "half", reset INTERNAL_ERROR`, nil},
		{"a status that is none", "", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(99) }, `reset INTERNAL_ERROR`, nil},
		{"what HTTP/2 has not", "", func(w http.ResponseWriter, _ *http.Request) {
			if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrNotSupported) {
				t.Errorf("Hijack: %v", err)
			}
			if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
				t.Errorf("EnableFullDuplex: %v", err)
			}
		}, `200, end`, nil},
	}
	paths := map[string]http.HandlerFunc{}
	for i, test := range tests {
		paths[fmt.Sprint("/", i)] = test.serve
	}
	j := wireStart(t, judgePaths(paths)).judge()
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			id, method := uint32(2*i+1), "GET"
			if test.method != "" {
				method = test.method
			}
			j.send(id, true, judgeRequest(method, fmt.Sprint("/", i))...)
			got := j.outcome(id)
			judgeSame(t, got.String(), test.want)
			for name, want := range test.fields {
				judgeSame(t, name+": "+got.field(name), name+": "+want)
			}
			if !got.lengthFits() {
				t.Errorf("%d bytes are announced as %s", len(got.body), got.field("content-length"))
			}
			if _, given := test.fields["date"]; !given && got.status != "" {
				if _, err := http.ParseTime(got.field("date")); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Server-sent events: each must be with the client before the next is written.
func TestHTTP2_WhatIsFlushedArrivesAtOnce(t *testing.T) {
	next := make(chan string)
	j := wireStart(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		controller := http.NewResponseController(w)
		_ = controller.Flush()
		for event := range next {
			_, _ = io.WriteString(w, event)
			if err := controller.Flush(); err != nil {
				t.Errorf("Flush: %v", err)
			}
		}
	}).judge()
	j.get(1, "/")
	s := j.streams[1]
	j.until("the head", func() bool { return s.status == "200" })
	for i := range 20 {
		event := fmt.Sprintf("data: %d\n\n", i)
		next <- event
		j.until("an event", func() bool { return strings.HasSuffix(string(s.body), event) })
	}
	close(next)
	judgeSame(t, fmt.Sprint(j.outcome(1).ended), "true")
	if s.field("content-length") != "" {
		t.Errorf("a stream of events has the length %s", s.field("content-length"))
	}
}

// RFC 9113, 8.1: the client is to read the answer and to stop its upload.
func TestHTTP2_AnAnswerBeforeTheEndOfTheBodyIsWholeAndThenTheStreamIsReset(t *testing.T) {
	large := strings.Repeat("x", 50_000)
	j := wireStart(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = io.WriteString(w, large)
	}).judge()
	for i := range uint32(20) {
		id := 2*i + 1
		j.post(id, "/", "content-length", "1000000")
		j.data(id, false, "the first of many")
		s := j.streams[id]
		j.grant(0, 50_000)
		j.until("the reset", func() bool { return s.reset != nil })
		judgeSame(t, s.String(), `413 50000 bytes, end, reset NO_ERROR`)
		j.data(id, false, "the client may not have seen the reset yet")
	}
	j.settle()
	j.get(101, "/")
	j.grant(0, 50_000)
	judgeSame(t, j.outcome(101).String(), `413 50000 bytes, end`)
}

// A client that is told in one breath of the answer and of its stream's end may lose
// the answer: curl 7.88 does while it is sending. And who has sent all by then needs
// not be told.
func TestHTTP2_AClientThatIsStillSendingHasTimeToReadTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			meanwhile func(j *judgeClient)
			want      string
		}{
			"goes on":  {func(j *judgeClient) { j.data(1, false, "more") }, "413, end, reset NO_ERROR"},
			"ends":     {func(j *judgeClient) { j.data(1, true, "more") }, "413, end"},
			"trailers": {func(j *judgeClient) { j.send(1, true, "x-sum", "1") }, "413, end"},
			"gives up": {func(j *judgeClient) { j.giveUp(1) }, "413, end"},
		} {
			ours, theirs := net.Pipe()
			served := make(chan bool)
			go func() {
				defer close(served)
				judgeOwn(judgeConn{theirs}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) }))
			}()
			j := newJudgeClient(t, judgePumped(t, ours))
			j.post(1, "/")
			judgeSame(t, name+" "+j.outcome(1).String(), name+" 413, end")
			asked := time.Now()
			test.meanwhile(j)
			j.settle()
			if waited := time.Since(asked); waited != 0 {
				t.Errorf("%s: the answer to a PING took %v", name, waited)
			}
			judgeSame(t, name+" "+j.streams[1].String(), name+" 413, end")
			time.Sleep(time.Second) // of the bubble
			j.settle()
			judgeSame(t, name+" "+j.streams[1].String(), name+" "+test.want)
			_ = ours.Close()
			<-served
		}
	})
}

// judgePumped is a pipe to which writing does not wait for the other side.
func judgePumped(t *testing.T, c net.Conn) net.Conn {
	p := &judgePump{Conn: c, queue: make(chan []byte, 1000)}
	go func() {
		for b := range p.queue {
			_, _ = c.Write(b)
		}
	}()
	t.Cleanup(func() { close(p.queue) })
	return p
}

type judgePump struct {
	net.Conn
	queue chan []byte
}

func (p *judgePump) Write(b []byte) (int, error) {
	p.queue <- bytes.Clone(b)
	return len(b), nil
}

func TestHTTP2_AnAbortedStreamLeavesTheOthersAlone(t *testing.T) {
	abort := make(chan bool)
	j := wireStart(t, judgePaths(map[string]http.HandlerFunc{
		"/": wireEcho,
		"/abort": func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-abort
			panic(http.ErrAbortHandler)
		},
	})).judge()
	j.post(1, "/")
	j.get(3, "/abort")
	j.data(1, false, "one ")
	j.until("the head", func() bool { return j.streams[3].status == "200" })
	abort <- true
	judgeSame(t, j.outcome(3).String(), "200, reset INTERNAL_ERROR")
	j.data(1, true, "two")
	judgeSame(t, j.outcome(1).String(), `200 "POST / one two", end`)
}

func TestHTTP2_ALargeBodyComesInFramesThatTheClientTakes(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 64<<10) // 1 MiB
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		}
		_, _ = io.Copy(w, strings.NewReader(body))
	})
	for path, length := range map[string]string{"/length": fmt.Sprint(len(body)), "/": ""} {
		j := lab.judge()
		j.generous = true
		j.get(1, path)
		got := j.outcome(1)
		if string(got.body) != body || got.field("content-length") != length {
			t.Errorf("%s: %d bytes, announced as %q", path, len(got.body), got.field("content-length"))
		}
	}
	j := lab.judge(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20})
	j.SetMaxReadFrameSize(1 << 20)
	j.generous = true
	j.get(1, "/")
	if got := j.outcome(1); string(got.body) != body {
		t.Errorf("%d bytes", len(got.body))
	}
}

func TestHTTP2_ExpectedContinueComesWhenTheHandlerReads(t *testing.T) {
	j := wireStart(t, judgePaths(map[string]http.HandlerFunc{
		"/read":   wireEcho,
		"/refuse": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"/itself": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusContinue)
			wireEcho(w, r)
		},
		"/hint": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			wireEcho(w, r)
		},
	})).judge()
	j.post(1, "/read", "expect", "100-continue")
	j.until("100", func() bool { return len(j.streams[1].interim) > 0 })
	j.data(1, true, "body")
	judgeSame(t, j.outcome(1).String(), `100, 200 "POST /read body", end`)

	j.post(3, "/refuse", "expect", "100-continue")
	j.until("the reset", func() bool { return j.streams[3].reset != nil })
	judgeSame(t, j.streams[3].String(), `403, end, reset NO_ERROR`)

	j.post(5, "/itself", "expect", "100-Continue")
	j.until("100", func() bool { return len(j.streams[5].interim) > 0 })
	j.data(5, true, "body")
	if got := j.outcome(5); !strings.HasSuffix(got.String(), `200 "POST /itself body", end`) {
		t.Error(got)
	}

	j.post(9, "/hint", "expect", "100-continue")
	j.until("100", func() bool { return len(j.streams[9].interim) > 1 })
	j.data(9, true, "body")
	judgeSame(t, j.outcome(9).String(), `103, 100, 200 "POST /hint body", end`)

	j.get(11, "/read", "expect", "100-continue") // with no body there is nothing to continue
	if got := j.outcome(11); got.String() != `200 "GET /read ", end` {
		t.Error(got)
	}
}

func TestHTTP2_DeadlinesOfAHandlerAreForItsStreamAlone(t *testing.T) {
	ended := make(chan error, 1)
	past := func(set func(*http.ResponseController, time.Time) error, use func(http.ResponseWriter, *http.Request) error, in time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if err := set(http.NewResponseController(w), time.Now().Add(in)); err != nil {
				t.Error(err)
			}
			ended <- use(w, r)
		}
	}
	read := func(_ http.ResponseWriter, r *http.Request) error {
		_, err := io.Copy(io.Discard, r.Body)
		return err
	}
	write := func(w http.ResponseWriter, _ *http.Request) error {
		_, err := io.WriteString(w, strings.Repeat("x", 1<<20)) // more than its window
		return err
	}
	reading, writing := (*http.ResponseController).SetReadDeadline, (*http.ResponseController).SetWriteDeadline
	j := wireStart(t, judgePaths(map[string]http.HandlerFunc{
		"/":           wireEcho,
		"/read":       past(reading, read, 30*time.Millisecond),
		"/read/past":  past(reading, read, -time.Second),
		"/write":      past(writing, write, 30*time.Millisecond),
		"/write/past": past(writing, write, -time.Second),
	})).judge(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100})
	j.post(1, "/")
	for i, path := range []string{"/read", "/read/past", "/write", "/write/past"} {
		id := uint32(2*i + 3)
		j.post(id, path)
		j.data(id, false, "half")
		err := frontWait(t, ended, "the end of "+path)
		if timeout, ok := err.(interface{ Timeout() bool }); !ok || !timeout.Timeout() {
			if !strings.Contains(fmt.Sprint(err), "timeout") {
				t.Errorf("%s: %v", path, err)
			}
		}
		got := j.outcome(id)
		if strings.HasPrefix(path, "/write") && (got.ended || got.reset == nil) {
			t.Errorf("%s: %s", path, got)
		}
	}
	j.data(1, true, "x")
	judgeSame(t, j.outcome(1).String(), `200 "POST / x", end`)
}
