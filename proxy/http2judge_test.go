package proxy

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// judgeClient speaks HTTP/2 frame by frame, keeps what comes back, and holds the
// server to what every client may rely on. One goroutine uses it.
type judgeClient struct {
	*http2.Framer
	*judgeWatch
	t        *testing.T
	c        net.Conn
	block    bytes.Buffer
	encoder  *hpack.Encoder
	generous bool  // windows are opened again for all that comes
	over     error // why reading has ended
}

func (l *wireLab) judge(settings ...http2.Setting) *judgeClient {
	l.t.Helper()
	return newJudgeClient(l.t, l.dialTLS("h2"), settings...)
}

func newJudgeClient(t *testing.T, c net.Conn, settings ...http2.Setting) *judgeClient {
	t.Helper()
	j := &judgeClient{Framer: http2.NewFramer(c, c), judgeWatch: newJudgeWatch(), t: t, c: c}
	j.AllowIllegalWrites = true
	j.SetMaxReadFrameSize(16 << 10) // RFC 9113, 4.2: nobody has allowed more
	j.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	j.encoder = hpack.NewEncoder(&j.block)
	t.Cleanup(func() {
		for _, fault := range j.faults {
			t.Errorf("the server broke a rule: %s", fault)
		}
	})
	wireSend(t, c, http2.ClientPreface)
	j.set(settings...)
	return j
}

// must is for frames that the server has no reason to be gone for.
func (j *judgeClient) must(err error) {
	j.t.Helper()
	if err != nil {
		j.t.Fatal(err)
	}
}

func (j *judgeClient) set(settings ...http2.Setting) {
	j.t.Helper()
	to := int64(-1)
	for _, s := range settings {
		if s.ID == http2.SettingInitialWindowSize {
			to = int64(s.Val)
		}
	}
	j.resized(to)
	j.must(j.WriteSettings(settings...))
}

// fieldsOf is the block of name and value pairs.
func (j *judgeClient) fieldsOf(pairs ...string) []byte {
	j.block.Reset()
	for i := 0; i+1 < len(pairs); i += 2 {
		_ = j.encoder.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return bytes.Clone(j.block.Bytes())
}

// judgeRequest is a sound request with further fields.
func judgeRequest(method, path string, more ...string) []string {
	return append([]string{":method", method, ":scheme", "https", ":authority", "example.com", ":path", path}, more...)
}

// send writes a head of any kind.
func (j *judgeClient) send(id uint32, end bool, pairs ...string) {
	j.t.Helper()
	method := ""
	if len(pairs) > 1 {
		method = pairs[1]
	}
	j.opened(id, method)
	j.must(j.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: j.fieldsOf(pairs...), EndStream: end, EndHeaders: true}))
}

func (j *judgeClient) get(id uint32, path string, more ...string) {
	j.t.Helper()
	j.send(id, true, judgeRequest("GET", path, more...)...)
}

// post opens a stream for a body.
func (j *judgeClient) post(id uint32, path string, more ...string) {
	j.t.Helper()
	j.send(id, false, judgeRequest("POST", path, more...)...)
}

func (j *judgeClient) data(id uint32, end bool, data string) {
	j.t.Helper()
	j.must(j.WriteData(id, end, []byte(data)))
}

func (j *judgeClient) grant(id, n uint32) {
	j.t.Helper()
	j.granted(id, int64(n))
	j.must(j.WriteWindowUpdate(id, n))
}

func (j *judgeClient) giveUp(id uint32) {
	j.t.Helper()
	j.must(j.WriteRSTStream(id, http2.ErrCodeCancel))
}

// next takes the next frame and reports whether there was one.
func (j *judgeClient) next() bool {
	f, err := j.ReadFrame()
	if err != nil {
		j.over = err
		if stuck, ok := err.(net.Error); ok && stuck.Timeout() {
			j.t.Errorf("the server is silent: %v", err)
		}
		return false
	}
	j.see(f)
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			_ = j.WriteSettingsAck()
		}
	case *http2.DataFrame:
		if n := f.Length; j.generous && n > 0 {
			j.granted(0, int64(n))
			j.granted(f.StreamID, int64(n))
			_ = j.WriteWindowUpdate(0, n)
			_ = j.WriteWindowUpdate(f.StreamID, n)
		}
	}
	return true
}

// until reads until something is so.
func (j *judgeClient) until(what string, done func() bool) {
	j.t.Helper()
	for !done() {
		if !j.next() {
			j.t.Fatalf("waiting for %s, the connection is over: %v; GOAWAY %v", what, j.over, j.goodbye())
		}
	}
}

// outcome waits for the end of a stream.
func (j *judgeClient) outcome(id uint32) *judgeStream {
	j.t.Helper()
	j.until("the end of a stream", j.streams[id].over)
	return j.streams[id]
}

// settle returns when the server has seen all that was sent, and what it had
// to say to that has come back.
func (j *judgeClient) settle() {
	j.t.Helper()
	j.pings++
	want := j.pongs + 1
	j.must(j.WritePing(false, [8]byte{'j'}))
	j.until("the answer to a PING", func() bool { return j.pongs >= want })
}

// goodbye waits for GOAWAY, or the connection's end without it, and gives the code.
func (j *judgeClient) goodbye() string {
	for j.goAway == nil && j.next() {
	}
	if j.goAway == nil {
		return "none"
	}
	return j.goAway.ErrCode.String()
}

// end reads until the connection ends.
func (j *judgeClient) end() {
	for j.next() {
	}
}

// judgePaths serves by the path of a request.
func judgePaths(paths map[string]http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		serve, ok := paths[r.URL.Path]
		if !ok {
			http.Error(w, "no such path", http.StatusNotFound)
			return
		}
		serve(w, r)
	}
}

// judgeDescriptors counts the open files of this process.
func judgeDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("descriptors are counted in /proc/self/fd, which this system does not have")
	}
	return len(entries)
}

// judgeSame compares outcomes.
func judgeSame(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", strings.TrimSpace(got), want)
	}
}
