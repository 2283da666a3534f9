package proxy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// logTestEverything returns the lines of a log and of all its rotated files.
func logTestEverything(t *testing.T, path string) []string {
	t.Helper()
	var lines []string
	names, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text := logTestRead(t, name)
		if len(text) > 0 && text[len(text)-1] != '\n' {
			t.Errorf("%s ends inside a line", name)
		}
		lines = append(lines, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")...)
	}
	return slices.DeleteFunc(lines, func(line string) bool { return line == "" })
}

func logTestRead(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(name, ".gz") {
		return text
	}
	zip, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if text, err = io.ReadAll(zip); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return text
}

func TestAccessLog_LosesAndTearsNoLineWhileManyWriteItRotatesAndIsReopened(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	const clients, each = 64, 200
	path := filepath.Join(t.TempDir(), "access.log")
	var stops []func()
	var logs []*AccessLog
	for range 2 { // as two generations, or two processes, have it open
		log, err := NewAccessLog(LogConfig{Access: path, Format: `%{X-Number}i "%U"`, MaxSize: 16 << 10, Compress: true}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		logs, stops = append(logs, log), append(stops, logTestRun(t, log))
	}
	var wg sync.WaitGroup
	for client := range clients {
		handler := logs[client%2].Wrap(http.NotFoundHandler())
		wg.Go(func() {
			for i := range each {
				r := httptest.NewRequest("GET", "/"+strings.Repeat("x", 100), nil)
				r.Header.Set("X-Number", fmt.Sprintf("%d-%d", client, i))
				handler.ServeHTTP(httptest.NewRecorder(), r)
				if i%50 == 25 && client < 4 {
					_ = os.Rename(path, fmt.Sprintf("%s.%d.%d", path, client, i)) // as logrotate does
					logs[0].Reopen()
					logs[1].Reopen()
				}
			}
		})
	}
	wg.Wait()
	for _, stop := range stops {
		stop()
	}
	seen := map[string]int{}
	for _, line := range logTestEverything(t, path) {
		number, rest, _ := strings.Cut(line, " ")
		if rest != `"/`+strings.Repeat("x", 100)+`"` {
			t.Fatalf("torn line %q", line)
		}
		seen[number]++
	}
	for client := range clients {
		for i := range each {
			if n := seen[fmt.Sprintf("%d-%d", client, i)]; n != 1 {
				t.Fatalf("request %d-%d is logged %d times; %d of %d requests in all", client, i, n, len(seen), clients*each)
			}
		}
	}
	if names, _ := filepath.Glob(path + "-*"); len(names) < 3 {
		t.Errorf("rotated only into %v", names)
	}
}

func TestLogFile_NeverExceedsItsSizeAndKeepsModeAndNumber(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "access.log")
	f := newLogFile(LogConfig{MaxSize: 100, Keep: 3}, path, func(err error) { t.Error(err) })
	if err := f.Open(); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v", info.Mode())
	}
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	line := []byte(strings.Repeat("x", 29) + "\n")
	for range 10 {
		if n, err := f.Write(bytes.Repeat(line, 3)); n != 90 || err != nil {
			t.Fatal(n, err)
		}
	}
	if n, err := f.Write([]byte(strings.Repeat("y", 300) + "\n")); n != 301 || err != nil {
		t.Fatal("a line longer than a file:", n, err)
	}
	if err := f.archive.sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	names, _ := filepath.Glob(path + "*")
	if len(names) != 4 {
		t.Errorf("kept %v", names)
	}
	for _, name := range names {
		info, _ := os.Stat(name)
		if info.Mode().Perm() != 0o604 || info.Size() > 100 && info.Size() != 301 {
			t.Errorf("%s: mode %v, size %d", name, info.Mode(), info.Size())
		}
	}
}

func TestLogFile_CompressesWhatItRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	f := newLogFile(LogConfig{MaxSize: 100, Compress: true}, path, func(err error) { t.Error(err) })
	if err := f.Open(); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, line := range []string{strings.Repeat("a", 80) + "\n", strings.Repeat("b", 80) + "\n"} {
		if _, err := f.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	plain, _ := filepath.Glob(path + "-*")
	if len(plain) != 1 {
		t.Fatal(plain)
	}
	long := time.Now().Add(-time.Minute)
	if err := os.Chtimes(plain[0], long, long); err != nil {
		t.Fatal(err)
	}
	f.archive.kick()
	logTestEventually(t, "the rotated file is compressed", func() bool { return !exists(plain[0]) })
	if got := string(logTestRead(t, plain[0]+".gz")); got != strings.Repeat("a", 80)+"\n" {
		t.Errorf("compressed: %q", got)
	}
	if rest, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(rest) > 0 {
		t.Errorf("left behind: %v", rest)
	}
}

func TestLogFile_FollowsAFileThatWasRenamedOrCutWithoutASignal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	f := newLogFile(LogConfig{}, path, func(err error) { t.Error(err) })
	clock := time.Now()
	f.now = func() time.Time { return clock }
	if err := f.Open(); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write := func(line string) {
		t.Helper()
		clock = clock.Add(2 * time.Second)
		if _, err := f.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("two\n")
	if err := os.Truncate(path, 0); err != nil { // logrotate's copytruncate
		t.Fatal(err)
	}
	write("three\n")
	if got := string(logTestRead(t, path+".1")) + string(logTestRead(t, path)); got != "one\nthree\n" {
		t.Errorf("files hold %q", got)
	}
}

func TestLogFile_RotatesByAge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	f := newLogFile(LogConfig{RotateEvery: 24 * time.Hour}, path, func(err error) { t.Error(err) })
	clock := time.Date(2026, 3, 1, 23, 59, 0, 0, time.Local)
	f.now = func() time.Time { return clock }
	if err := f.Open(); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"first day\n", "second day\n", "second day still\n"} {
		if _, err := f.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
		clock = clock.Add(2 * time.Minute)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got := string(logTestRead(t, path)); got != "second day\nsecond day still\n" {
		t.Errorf("today: %q", got)
	}
	long := time.Now().AddDate(0, 0, -2)
	if err := os.Chtimes(path, long, long); err != nil {
		t.Fatal(err)
	}
	f = newLogFile(LogConfig{RotateEvery: 24 * time.Hour}, path, func(err error) { t.Error(err) })
	if err := f.Open(); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write([]byte("after a pause\n")); err != nil {
		t.Fatal(err)
	}
	if got := string(logTestRead(t, path)); got != "after a pause\n" {
		t.Errorf("after a restart: %q", got)
	}
}

func TestPeriodStart_CountsFromLocalMidnight(t *testing.T) {
	at := func(hour, minute int) time.Time { return time.Date(2026, 11, 22, hour, minute, 0, 0, time.Local) }
	for _, c := range []struct {
		t     time.Time
		every time.Duration
		want  time.Time
	}{
		{at(13, 30), time.Hour, at(13, 0)},
		{at(13, 30), 6 * time.Hour, at(12, 0)},
		{at(0, 0), 24 * time.Hour, at(0, 0)},
		{at(23, 59), 24 * time.Hour, at(0, 0)},
		{at(5, 0), 0, time.Time{}},
	} {
		if got := periodStart(c.t, c.every); !got.Equal(c.want) {
			t.Errorf("%v every %v: %v, want %v", c.t, c.every, got, c.want)
		}
	}
	week := 7 * 24 * time.Hour
	if a, b := periodStart(at(1, 0), week), periodStart(at(1, 0).AddDate(0, 0, 7), week); b.Sub(a) < 6*24*time.Hour {
		t.Errorf("two weeks begin at %v and %v", a, b)
	}
}

func TestIsExpired_ByNumberAndByAge(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		nth    int
		age    time.Duration
		keep   int
		maxAge time.Duration
		want   bool
	}{
		{0, time.Hour, 0, 0, false}, {9, time.Hour, 10, 0, false}, {10, time.Hour, 10, 0, true},
		{0, 3 * time.Hour, 10, 2 * time.Hour, true}, {0, time.Hour, 10, 2 * time.Hour, false},
	} {
		if got := isExpired(c.nth, now.Add(-c.age), now, c.keep, c.maxAge); got != c.want {
			t.Errorf("%+v", c)
		}
	}
}

// logTestSink refuses what is beyond its room, as a full disk does.
type logTestSink struct {
	bytes.Buffer
	room int
}

func (s *logTestSink) Open() error   { return nil }
func (s *logTestSink) Reopen() error { return nil }
func (s *logTestSink) Close() error  { return nil }
func (s *logTestSink) Write(p []byte) (int, error) {
	n := min(len(p), s.room)
	s.room -= n
	s.Buffer.Write(p[:n])
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func TestLineWriter_KeepsWhatAFullDiskRefusesAndTellsOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told bytes.Buffer
		sink := &logTestSink{room: 15}
		w := newLineWriter(sink, slog.New(slog.NewTextHandler(&told, nil)))
		for i := range 3 {
			w.write(fmt.Appendf(nil, "line %d...\n", i))
		}
		for range 90 {
			time.Sleep(time.Second)
			w.tick()
		}
		if got := strings.Count(told.String(), "no space left"); got != 2 {
			t.Errorf("told %d times in 90 s:\n%s", got, told.String())
		}
		sink.room = 1 << 20
		w.tick()
		if got := sink.String(); got != "line 0...\nline 1...\nline 2...\n" {
			t.Errorf("wrote %q", got)
		}
		if !strings.Contains(told.String(), "written again") {
			t.Errorf("told %s", told.String())
		}
	})
}

func TestLineWriter_CountsWhatItCannotKeep(t *testing.T) {
	var told bytes.Buffer
	sink := &logTestSink{}
	w := newLineWriter(sink, slog.New(slog.NewTextHandler(&told, nil)))
	line := []byte(strings.Repeat("x", 1023) + "\n")
	for range 1100 {
		w.write(line)
	}
	sink.room = 1 << 30
	w.tick()
	if got := bytes.Count(sink.Bytes(), []byte("\n")); got != 1024 || !strings.Contains(told.String(), "lost_lines=76") {
		t.Errorf("%d lines written; told %s", got, told.String())
	}
}

func TestAccessLog_SaysBeforeServingThatAPathCannotBeOpened(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(file, "access.log"), filepath.Dir(file)} {
		log, err := NewAccessLog(LogConfig{Access: path, Format: "combined"}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := log.Open(); err == nil || !strings.Contains(err.Error(), path) && !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestAccessLog_KeepsTheExchangeEvenWhereNoLogIsKept(t *testing.T) {
	log, err := NewAccessLog(LogConfig{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	logTestRun(t, log)
	seen := false
	log.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = exchangeOf(r.Context()) != nil
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if !seen {
		t.Error("no exchange")
	}
}

func TestAccessLog_PrintsJSONThatEveryReaderTakes(t *testing.T) {
	r := httptest.NewRequest("POST", "/a%22b%ff?code=1&x=\xe2\x80\xa8%", strings.NewReader("body"))
	r.Header.Set("User-Agent", "a\"\\\x01\xff\u2028é")
	line := logTestLine(t, "json", r, func(x *exchange) {
		x.site, x.backend, x.id, x.tries, x.held = "api.example.com", "api", "abc", 1, 1500*time.Microsecond
	})
	var got map[string]any
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	for key, want := range map[string]any{
		"client": "192.0.2.1", "method": "POST", "host": "example.com", "path": "/a\"b\ufffd", "query": "code=[hidden]&x=\u2028%",
		"protocol": "HTTP/1.1", "status": 200.0, "bytes": 0.0, "user_agent": "a\"\\\x01\ufffd\u2028é", "referer": "", "site": "api.example.com",
		"backend": "api", "request_id": "abc", "held_ms": 1.5, "tries": 1.0, "tls": "", "reason": "",
	} {
		if got[key] != want {
			t.Errorf("%s: %#v, want %#v", key, got[key], want)
		}
	}
	if _, err := time.Parse(time.RFC3339Nano, fmt.Sprint(got["time"])); err != nil || len(got) != 22 {
		t.Errorf("%d keys in %s: %v", len(got), line, err)
	}
}

func FuzzAppendJSONText(f *testing.F) {
	f.Add("a\x00\xff\"\\\u2028\u2029\x7f\xed\xa0\x80")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		text := append(appendJSONText([]byte{'"'}, s), '"')
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if want := string([]rune(s)); got != want {
			t.Errorf("%q became %q", s, got)
		}
	})
}

func TestLogConfig_ValidateReportsEveryProblem(t *testing.T) {
	good := LogConfig{Access: "/var/log/a", Format: "combined", Error: "-", Level: "info", MaxSize: 100 << 20, MaxAge: 720 * time.Hour, Keep: 10}
	good.Validate(func(key, wrong, instead string) { t.Errorf("%s: %s: %s", key, wrong, instead) })
	bad := LogConfig{Access: "a.log", Format: "%h %Z", Level: "loud", MaxSize: 10, MaxAge: 30, Keep: -1, RotateEvery: -time.Hour}
	var keys []string
	bad.Validate(func(key, wrong, instead string) {
		keys = append(keys, key)
		if wrong == "" || instead == "" {
			t.Errorf("%s: %q %q", key, wrong, instead)
		}
	})
	if want := []string{"format", "level", "error", "max_size", "keep", "max_age", "rotate_every"}; !slices.Equal(keys, want) {
		t.Errorf("problems of %v, want %v", keys, want)
	}
}

func TestAccessLog_LeavesTheResponseWriterItsPowers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	log, err := NewAccessLog(LogConfig{Access: path, Format: `%r %s %b`}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stop := logTestRun(t, log)
	server := httptest.NewServer(log.Wrap(http.HandlerFunc(logTestPowers)))
	defer server.Close()
	for _, path := range []string{"/flush", "/deadline", "/early", "/readfrom", "/nothing"} {
		res, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	if _, err := http.Post(server.URL+"/abort", "", strings.NewReader("x")); err == nil {
		t.Error("the aborted answer arrived")
	}
	logTestUpgrade(t, server.Listener.Addr().String())
	logTestWaitLines(t, path, 7) // for nobody else waits for a hijacked connection
	server.Close()
	stop()
	want := []string{
		"GET /flush HTTP/1.1 200 10", "GET /deadline HTTP/1.1 204 -", "GET /early HTTP/1.1 201 4", "GET /readfrom HTTP/1.1 200 9",
		"GET /nothing HTTP/1.1 200 -", "POST /abort HTTP/1.1 500 -", "GET /upgrade HTTP/1.1 101 41",
	}
	if got := logTestEverything(t, path); !slices.Equal(got, want) {
		t.Errorf("log:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func logTestPowers(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	switch r.URL.Path {
	case "/flush":
		_, _ = io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "later")
	case "/deadline":
		if err := errors.Join(control.SetReadDeadline(time.Now().Add(time.Minute)), control.SetWriteDeadline(time.Now().Add(time.Minute)), control.EnableFullDuplex()); err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	case "/early":
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte("made"))
	case "/readfrom":
		_, _ = io.Copy(w, struct{ io.Reader }{strings.NewReader("from file")})
	case "/abort":
		panic(http.ErrAbortHandler)
	case "/upgrade":
		c, rw, err := control.Hijack()
		if err != nil {
			panic(err)
		}
		defer c.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\n\r\n")
		_ = rw.Flush()
		echo, _ := rw.ReadString('\n')
		_, _ = io.WriteString(c, echo)
	}
}

func logTestUpgrade(t *testing.T, address string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET /upgrade HTTP/1.1\r\nHost: x\r\n\r\nping\n")
	text, err := bufio.NewReader(c).ReadString('p')
	if err != nil || !strings.HasPrefix(text, "HTTP/1.1 101") {
		t.Errorf("upgrade: %q, %v", text, err)
	}
	_, _ = io.Copy(io.Discard, c)
}

func TestAccessLog_ServesOnWhileTheDiskIsFull(t *testing.T) {
	const full = "/dev/full" // Linux: every write says that there is no space
	if !exists(full) {
		t.Skip("there is no " + full + " here")
	}
	const requests = queueBytes / 20 // more than may wait: a line has at least 60 bytes
	told := make(chan string, 10)
	log, err := NewAccessLog(LogConfig{Access: full, Format: "combined"}, slog.New(slog.NewTextHandler(logTestTell(told), nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Open(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- log.Run(ctx) }()
	handler := log.Wrap(http.NotFoundHandler())
	for range requests {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}
	if line := <-told; !strings.Contains(line, "no space left on device") {
		t.Errorf("told %s", line)
	}
	cancel()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), fmt.Sprint(requests, " lines could not be written")) {
		t.Errorf("Run: %v", err)
	}
}

// logTestTell passes on every write.
type logTestTell chan string

func (t logTestTell) Write(p []byte) (int, error) {
	t <- string(p)
	return len(p), nil
}

func TestAccessLog_NamesHTTP2AsApacheDoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	log, err := NewAccessLog(LogConfig{Access: path, Format: `"%r" %H %>s %b %{SSL_PROTOCOL}x %{SSL_CIPHER}x %V`}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stop := logTestRun(t, log)
	server := httptest.NewUnstartedServer(log.Wrap(http.HandlerFunc(logTestBackend)))
	server.EnableHTTP2 = true
	server.StartTLS()
	res, err := server.Client().Get(server.URL + "/a%2Fb?c=d")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	server.Close()
	stop()
	want := fmt.Sprintf(`"GET /a%%2Fb?c=d HTTP/2.0" HTTP/2.0 200 5 TLSv1.3 %s 127.0.0.1`, tls.CipherSuiteName(res.TLS.CipherSuite))
	if got := logTestEverything(t, path); !slices.Equal(got, []string{want}) {
		t.Errorf("log %q, want %q", got, want)
	}
}

func TestOpensslCipher_NamesSuitesAsModSSLDoes(t *testing.T) {
	for suite, want := range map[uint16]string{
		tls.TLS_AES_128_GCM_SHA256:                        "TLS_AES_128_GCM_SHA256",
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:         "ECDHE-RSA-AES128-GCM-SHA256",
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       "ECDHE-ECDSA-AES256-GCM-SHA384",
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   "ECDHE-RSA-CHACHA20-POLY1305",
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
	} {
		if got := opensslCipher(tls.CipherSuiteName(suite)); got != want {
			t.Errorf("%s: %s, want %s", tls.CipherSuiteName(suite), got, want)
		}
	}
}

// logTestConn counts what net/http reads and writes, as the server's own connections do.
type logTestConn struct {
	net.Conn
	*conn
}

func (c logTestConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.received.Add(int64(n))
	return n, err
}

func (c logTestConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

type logTestListener struct{ net.Listener }

func (l logTestListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	known := &conn{local: c.LocalAddr()}
	known.account.deferred = true
	return logTestConn{c, known}, nil
}

func TestAccessLog_CountsTheBytesOnTheWire(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	log, err := NewAccessLog(LogConfig{Access: path, Format: `%I %O %k %X`}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stop := logTestRun(t, log)
	server := httptest.NewUnstartedServer(log.Wrap(http.HandlerFunc(logTestBackend)))
	server.Listener = logTestListener{server.Listener}
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey, c.(logTestConn).conn)
	}
	server.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateIdle || state == http.StateClosed {
			c.(logTestConn).answered()
		}
	}
	server.Start()
	defer server.Close()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	counted := logTestConn{c, &conn{}}
	answers := bufio.NewReader(counted)
	var want []string
	sent, received := int64(0), int64(0)
	for i, request := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /chunked HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"HEAD /large HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	} {
		if _, err := io.WriteString(counted, request); err != nil {
			t.Fatal(err)
		}
		method, _, _ := strings.Cut(request, " ")
		res, err := http.ReadResponse(answers, &http.Request{Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
		nowSent, nowReceived := counted.sent.Load(), counted.received.Load()
		want = append(want, fmt.Sprintf("%d %d %d %s", nowSent-sent, nowReceived-received, i, map[bool]string{true: "-", false: "+"}[res.Close]))
		sent, received = nowSent, nowReceived
		logTestWaitLines(t, path, i+1) // for a byte sent ahead would be counted for this request
	}
	server.Close()
	stop()
	if got := logTestEverything(t, path); !slices.Equal(got, want) {
		t.Errorf("log %q, the client counted %q", got, want)
	}
}

func BenchmarkAccessLog_Combined(b *testing.B) {
	log, err := NewAccessLog(LogConfig{Access: os.DevNull, Format: "combined"}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	if err := log.Open(); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- log.Run(ctx) }()
	handler := log.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	r := httptest.NewRequest("GET", "/api/items?page=1", nil)
	r.Header.Set("User-Agent", "Mozilla/5.0 (Linux; Android 14) MicroMessenger/8.0")
	r.Header.Set("Referer", "https://servicewechat.com/wx0/1/page-frame.html")
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		handler.ServeHTTP(w, r)
	}
	cancel()
	<-ended
}
