package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// judgeBody answers with as many bytes as the query says.
func judgeBody(w http.ResponseWriter, r *http.Request) {
	var n int64
	_, _ = fmt.Sscan(r.URL.RawQuery, &n)
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	_, _ = io.CopyN(w, judgeZeros{}, n)
}

// judgeForever sends the head of a response and then nothing until it is told to end.
func judgeForever(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

type judgeZeros struct{}

func (judgeZeros) Read(p []byte) (int, error) { return len(p), nil }

func judgeWindow(n uint32) http2.Setting {
	return http2.Setting{ID: http2.SettingInitialWindowSize, Val: n}
}

// The watch of every client sees to it that nothing comes beyond a window. Here
// all of each window must be used.
func TestHTTP2_AStreamGoesOnAsFarAsItsWindow(t *testing.T) {
	j := wireStart(t, judgeBody).judge(judgeWindow(0))
	j.get(1, "/?10")
	s := j.streams[1]
	has := func(n int) {
		t.Helper()
		j.until(fmt.Sprintf("%d bytes", n), func() bool { return len(s.body) >= n })
		j.settle()
		if len(s.body) != n {
			t.Fatalf("%d bytes, want %d", len(s.body), n)
		}
	}
	j.until("the head", func() bool { return s.status == "200" })
	has(0)
	j.grant(1, 1)
	has(1)
	j.grant(1, 3)
	has(4)
	j.set(judgeWindow(2)) // two more
	has(6)
	j.set(judgeWindow(0)) // the window is -2
	j.settle()
	j.grant(1, 2)
	has(6)
	j.grant(1, 1)
	has(7)
	j.set(judgeWindow(100))
	judgeSame(t, j.outcome(1).String(), fmt.Sprintf("200 %q, end", make([]byte, 10)))
}

func TestHTTP2_AnEmptyBodyNeedsNoWindow(t *testing.T) {
	j := wireStart(t, judgePaths(map[string]http.HandlerFunc{
		"/": func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() },
		"/trailer": func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			w.Header().Set(http.TrailerPrefix+"X-Sum", "0")
		},
	})).judge(judgeWindow(0))
	j.get(1, "/")
	judgeSame(t, j.outcome(1).String(), "200, end")
	j.get(3, "/trailer")
	judgeSame(t, j.outcome(3).String(), "200, trailer x-sum: 0, end")
}

func TestHTTP2_AllStreamsTogetherGoAsFarAsTheConnectionsWindow(t *testing.T) {
	j := wireStart(t, judgeBody).judge(judgeWindow(1 << 20))
	for id := range uint32(4) {
		j.get(2*id+1, "/?40000")
	}
	received := func() (n int) {
		for _, s := range j.streams {
			n += len(s.body)
		}
		return n
	}
	j.until("the window", func() bool { return received() == 65535 })
	j.settle()
	j.grant(0, 1)
	j.until("one byte more", func() bool { return received() == 65536 })
	j.grant(0, 1<<20)
	for id := range uint32(4) {
		if got := j.outcome(2*id + 1); len(got.body) != 40000 || !got.ended {
			t.Error(got)
		}
	}
}

// What is blocked by its client must block nobody else.
func TestHTTP2_AStreamThatItsClientDoesNotOpenHoldsUpNoOther(t *testing.T) {
	lab := wireStart(t, judgeBody)
	j := lab.judge(judgeWindow(10))
	j.get(1, "/?1000000")
	j.until("the window", func() bool { return len(j.streams[1].body) == 10 })
	for i := range uint32(100) {
		id := 2*i + 3
		j.get(id, "/?500")
		j.grant(id, 490)
	}
	for i := range uint32(100) {
		if got := j.outcome(2*i + 3); len(got.body) != 500 || !got.ended {
			t.Fatal(got)
		}
	}
	if len(j.streams[1].body) != 10 {
		t.Errorf("%d bytes on the stream that was not opened", len(j.streams[1].body))
	}
	other := lab.judge()
	other.get(1, "/?5")
	if got := other.outcome(1); len(got.body) != 5 {
		t.Error(got)
	}
}

func TestHTTP2_WindowsBeyondTheirBoundsAreErrors(t *testing.T) {
	const most = 1<<31 - 1
	lab := wireStart(t, judgePaths(map[string]http.HandlerFunc{"/": judgeBody, "/wait": judgeForever}))
	for name, test := range map[string]struct {
		do     func(j *judgeClient)
		stream string // outcome of stream 1, if it is an error of the stream
		conn   string // or of the connection
	}{
		"a stream's": {func(j *judgeClient) { j.grant(1, most); j.grant(1, most) }, "200, reset FLOW_CONTROL_ERROR", ""},
		"a stream's in steps": {func(j *judgeClient) {
			j.grant(1, most-1)
			j.grant(1, 1)
			j.grant(1, 1)
		}, "200, reset FLOW_CONTROL_ERROR", ""},
		"the connection's":             {func(j *judgeClient) { j.grant(0, most) }, "", "FLOW_CONTROL_ERROR"},
		"a setting's":                  {func(j *judgeClient) { j.set(judgeWindow(most + 1)) }, "", "FLOW_CONTROL_ERROR"},
		"a stream's by a setting":      {func(j *judgeClient) { j.grant(1, most-2); j.set(judgeWindow(3)); j.grant(1, 1) }, "", "FLOW_CONTROL_ERROR"},
		"no step of a stream":          {func(j *judgeClient) { j.grant(1, 0) }, "200, reset PROTOCOL_ERROR", ""},
		"no step of the connection":    {func(j *judgeClient) { j.grant(0, 0) }, "", "PROTOCOL_ERROR"},
		"a stream's that is idle":      {func(j *judgeClient) { j.grant(99, 1) }, "", "PROTOCOL_ERROR"},
		"an update of the wrong size":  {func(j *judgeClient) { _ = j.WriteRawFrame(http2.FrameWindowUpdate, 0, 1, []byte{1}) }, "", "FRAME_SIZE_ERROR"},
		"a setting of the wrong size":  {func(j *judgeClient) { _ = j.WriteRawFrame(http2.FrameSettings, 0, 0, make([]byte, 5)) }, "", "FRAME_SIZE_ERROR"},
		"a setting for a stream":       {func(j *judgeClient) { _ = j.WriteRawFrame(http2.FrameSettings, 0, 1, nil) }, "", "PROTOCOL_ERROR"},
		"a frame size that is too low": {func(j *judgeClient) { j.set(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 13}) }, "", "PROTOCOL_ERROR"},
		"push that is neither":         {func(j *judgeClient) { j.set(http2.Setting{ID: http2.SettingEnablePush, Val: 2}) }, "", "PROTOCOL_ERROR"},
		"a frame beyond the size":      {func(j *judgeClient) { _ = j.WriteData(1, false, make([]byte, 16<<10+1)) }, "", "FRAME_SIZE_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJudgeClient(t, lab.dialTLS("h2"), judgeWindow(0))
			j.get(1, "/wait")
			j.until("the head", func() bool { return j.streams[1].status == "200" })
			test.do(j)
			if test.conn != "" {
				judgeSame(t, j.goodbye(), test.conn)
				return
			}
			judgeSame(t, j.outcome(1).String(), test.stream)
			j.get(3, "/?0")
			judgeSame(t, j.outcome(3).String(), "200, end")
		})
	}
}

func TestHTTP2_WindowsMayBeAsLargeAsCanBe(t *testing.T) {
	j := wireStart(t, judgeBody).judge(judgeWindow(1<<31 - 1))
	j.grant(0, 1<<31-1-65535)
	j.get(1, "/?1000000")
	if got := j.outcome(1); len(got.body) != 1_000_000 {
		t.Error(got)
	}
}

func TestHTTP2_UpdatesAndResetsOfStreamsThatAreOverMeanNothing(t *testing.T) {
	j := wireStart(t, judgeBody).judge()
	j.get(1, "/?10")
	j.outcome(1)
	j.grant(1, 1)
	j.grant(1, 1<<31-1)
	j.giveUp(1)
	j.must(j.WritePriority(1, http2.PriorityParam{StreamDep: 7}))
	j.get(3, "/?10")
	if got := j.outcome(3); len(got.body) != 10 {
		t.Error(got)
	}
}

// allowed is how much the client may send on a new stream, and in all.
func (j *judgeClient) allowed() (stream, conn int64) {
	stream = 65535
	if n, ok := j.settings[http2.SettingInitialWindowSize]; ok {
		stream = int64(n)
	}
	return stream, 65535 + j.credit[0]
}

// A handler that does not read its body must not be made to keep more of it than
// the server has allowed.
func TestHTTP2_ABodyBeyondTheWindowIsAnError(t *testing.T) {
	j := wireStart(t, judgeForever).judge()
	j.settle()
	stream, conn := j.allowed()
	if most := int64(4 << 20); min(stream, conn) > most {
		t.Errorf("%d and %d bytes may be sent ahead, which is a lot", stream, conn)
	}
	j.post(1, "/")
	piece := make([]byte, 16<<10)
	for left := min(stream, conn); left > 0; {
		n := min(left, int64(len(piece)))
		j.must(j.WriteData(1, false, piece[:n]))
		left -= n
	}
	j.settle()
	if j.streams[1].over() || j.goAway != nil {
		t.Fatalf("%s: less than the window", j.streams[1])
	}
	if more := j.credit[0] + j.credit[1] - (conn - 65535); more > 0 {
		t.Fatalf("%d bytes were granted for what nobody has read", more)
	}
	_ = j.WriteData(1, false, piece[:1])
	for !j.streams[1].over() && j.goAway == nil && j.next() {
	}
	switch s := j.streams[1]; {
	case j.goAway != nil && j.goAway.ErrCode == http2.ErrCodeFlowControl:
	case s.reset != nil && *s.reset == http2.ErrCodeFlowControl:
	default:
		t.Errorf("%s, GOAWAY %v", s, j.goAway)
	}
}

// However much was thrown away, the next request finds the window open: bodies
// that no handler reads, of streams that were reset, and padding.
func TestHTTP2_WhatNobodyReadsIsGivenBackToTheWindow(t *testing.T) {
	entered := make(chan bool, 1)
	j := wireStart(t, judgePaths(map[string]http.HandlerFunc{
		"/ignore": func(http.ResponseWriter, *http.Request) {},
		"/close":  func(_ http.ResponseWriter, r *http.Request) { _ = r.Body.Close() },
		"/wait": func(_ http.ResponseWriter, r *http.Request) {
			entered <- true
			<-r.Context().Done()
		},
		"/panic": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = r.Body.Read(make([]byte, 1))
			panic(http.ErrAbortHandler)
		},
		"/read": wireEcho,
	})).judge()
	j.settle()
	_, conn := j.allowed()
	body := make([]byte, 16<<10)
	id, sent := uint32(1), int64(0)
	for _, path := range []string{"/ignore", "/close", "/wait", "/panic"} {
		for begun := sent; sent < begun+conn; {
			j.post(id, path)
			if path == "/wait" {
				<-entered
			}
			for i := range 3 {
				// As a client must: what is not granted is not sent.
				j.until("credit for "+path, func() bool { _, conn := j.allowed(); return conn-sent >= int64(len(body)) })
				if j.streams[id].reset != nil {
					break
				}
				j.must(j.WriteData(id, i == 2 && path == "/ignore", body))
				sent += int64(len(body))
			}
			if path == "/wait" {
				j.giveUp(id)
				j.must(j.WriteData(id, false, body[:100])) // late, and on a stream that is over
				sent += 100
			}
			if path != "/wait" {
				j.outcome(id)
			}
			id += 2
		}
	}
	j.post(id, "/read")
	j.data(id, true, "hello")
	judgeSame(t, j.outcome(id).String(), `200 "POST /read hello", end`)
}

func TestHTTP2_ALargeUploadGoesOnAsItIsRead(t *testing.T) {
	const size = 8 << 20
	j := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n, err)
	}).judge()
	j.settle()
	j.post(1, "/", "content-length", fmt.Sprint(size))
	piece := make([]byte, 16<<10)
	for sent := int64(0); sent < size; sent += int64(len(piece)) {
		j.until("credit", func() bool {
			stream, conn := j.allowed()
			return min(stream+j.credit[1], conn)-sent >= int64(len(piece)) || j.streams[1].over()
		})
		j.must(j.WriteData(1, sent+int64(len(piece)) == size, piece))
	}
	judgeSame(t, string(j.outcome(1).body), fmt.Sprint(size, " <nil>"))
}

func TestHTTP2_ATrickleOfWindowDoesNotBreakABody(t *testing.T) {
	j := wireStart(t, judgePaths(map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("0123456789", 30))
	}})).judge(judgeWindow(1))
	j.get(1, "/")
	for s := j.streams[1]; !s.over(); {
		before := len(s.body)
		j.until("a byte", func() bool { return len(s.body) > before || s.over() })
		if !s.over() {
			j.grant(1, 1)
		}
	}
	if got := j.streams[1]; string(got.body) != strings.Repeat("0123456789", 30) || !got.lengthFits() {
		t.Error(got)
	}
}
