package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// downloadSource is a real HTTPS server with one file, which can be made to fail.
type downloadSource struct {
	*httptest.Server
	content []byte
	etag    string
	cut     atomic.Int64 // a connection is cut after so many bytes of a body; 0: never
	silent  atomic.Bool  // it stops sending instead
	sent    atomic.Int64
	mu      sync.Mutex
	ranges  []string
}

func downloadServe(t *testing.T, size int) *downloadSource {
	s := &downloadSource{content: bytes.Repeat([]byte("0123456789abcde\n"), size/16), etag: `"one"`}
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *downloadSource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.ranges = append(s.ranges, r.Header.Get("Range"))
	s.mu.Unlock()
	if s.etag != "" {
		w.Header().Set("ETag", s.etag)
	}
	out := &downloadCutter{ResponseWriter: w, source: s, request: r, left: s.cut.Load()}
	http.ServeContent(out, r, "", time.Time{}, bytes.NewReader(s.content))
}

// downloadCutter ends a connection in the middle of a body.
type downloadCutter struct {
	http.ResponseWriter
	source  *downloadSource
	request *http.Request
	left    int64
}

func (c *downloadCutter) Write(p []byte) (int, error) {
	if c.source.cut.Load() > 0 {
		p = p[:min(int64(len(p)), c.left)]
		c.left -= int64(len(p))
	}
	n, err := c.ResponseWriter.Write(p)
	c.source.sent.Add(int64(n))
	if c.source.cut.Load() > 0 && c.left == 0 {
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		if c.source.silent.Load() {
			<-c.request.Context().Done()
		}
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// download is what a step asks for of that server.
func (s *downloadSource) download(t *testing.T) Download {
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(s.content)
	return Download{URL: s.URL + "/Installer.sh", SHA256: hex.EncodeToString(sum[:]), Path: "/cache/Installer.sh", CAFile: ca, Limit: 1 << 30}
}

// downloadRun is Fetch without its waits.
func downloadRun(t *testing.T, d Download, root string, change ...func(*downloader)) error {
	t.Helper()
	client, err := d.client()
	if err != nil {
		return err
	}
	t.Cleanup(client.CloseIdleConnections)
	d.Path = filepath.Join(root, d.Path)
	one := downloader{Download: d, client: client, part: part{path: d.Path + ".part"}, stall: time.Minute,
		pause: func(int) time.Duration { return 0 }, progress: func(string, int64, int64) {}}
	for _, c := range change {
		c(&one)
	}
	return one.run(t.Context())
}

func downloadFiles(t *testing.T, root string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, "cache"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func downloadWant(t *testing.T, root string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(root, "cache", "Installer.sh"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes instead of %d, %v", len(got), len(want), err)
	}
	if files := downloadFiles(t, root); len(files) != 1 {
		t.Errorf("left behind: %q", files)
	}
}

func TestDownload_FetchesChecksAndTellsHowFarItIs(t *testing.T) {
	s, root := downloadServe(t, 1<<20), t.TempDir()
	var told, total int64
	m := Machine{Root: root, Progress: func(what string, done, of int64) {
		if what != "Installer.sh" || done < told {
			t.Errorf("%s: %d after %d", what, done, told)
		}
		told, total = done, of
	}}
	for range 2 { // the second time it is there already
		if err := s.download(t).Fetch(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	downloadWant(t, root, s.content)
	if told != 1<<20 || total != 1<<20 || len(s.ranges) != 1 {
		t.Errorf("told %d of %d, requests %q", told, total, s.ranges)
	}
	for path, want := range map[string]os.FileMode{"cache": 0o700, "cache/Installer.sh": 0o600} {
		if info, err := os.Stat(filepath.Join(root, path)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestDownload_GoesOnWhereTheConnectionWasCut(t *testing.T) {
	s, root := downloadServe(t, 1<<20), t.TempDir()
	s.cut.Store(100_000)
	if err := downloadRun(t, s.download(t), root); err != nil {
		t.Fatal(err)
	}
	downloadWant(t, root, s.content)
	if len(s.ranges) < 10 || s.ranges[0] != "" || s.ranges[1] != "bytes=100000-" {
		t.Errorf("asked for %q", s.ranges)
	}
}

func TestDownload_GoesOnInALaterRun(t *testing.T) {
	s, root := downloadServe(t, 1<<20), t.TempDir()
	d := s.download(t)
	s.cut.Store(300_000)
	err := downloadRun(t, d, root, func(one *downloader) {
		one.pause = func(int) time.Duration { s.cut.Store(1); s.CloseClientConnections(); return 0 }
		one.client.Transport.(*http.Transport).DialContext = downloadDials(1)
	})
	if err == nil || !strings.Contains(err.Error(), "300000 bytes are kept, and the same command goes on from there") {
		t.Fatalf("got %v", err)
	}
	s.cut.Store(0)
	s.sent.Store(0)
	if err := downloadRun(t, d, root); err != nil {
		t.Fatal(err)
	}
	downloadWant(t, root, s.content)
	if sent := s.sent.Load(); sent != 1<<20-300_000 {
		t.Errorf("%d bytes were sent again", sent)
	}
}

// downloadDials lets only so many connections through.
func downloadDials(n int) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if n--; n < 0 {
			return nil, errors.New("the network is gone")
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
}

func TestDownload_NeverJoinsTwoVersionsOfAFile(t *testing.T) {
	for name, change := range map[string]func(*downloadSource){
		"another ETag": func(s *downloadSource) { s.etag = `"two"` },
		"no ETag":      func(s *downloadSource) { s.etag = "" },
		"a weak ETag":  func(s *downloadSource) { s.etag = `W/"one"` },
	} {
		t.Run(name, func(t *testing.T) {
			s, root := downloadServe(t, 1<<20), t.TempDir()
			downloadLeave(t, root, s.URL+"/Installer.sh", `"one"`, []byte("of another file"))
			change(s)
			if err := downloadRun(t, s.download(t), root); err != nil {
				t.Fatal(err)
			}
			downloadWant(t, root, s.content)
		})
	}
}

// downloadLeave is a part that an earlier run has left.
func downloadLeave(t *testing.T, root, url, validator string, content []byte) {
	t.Helper()
	folder := filepath.Join(root, "cache")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	p := part{path: filepath.Join(folder, "Installer.sh.part")}
	if err := errors.Join(p.begin(url, validator), os.WriteFile(p.path, content, 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestDownload_FetchesAllAgainWhenAPartOfEarlierDoesNotFit(t *testing.T) {
	s, root := downloadServe(t, 1<<20), t.TempDir()
	downloadLeave(t, root, s.URL+"/Installer.sh", s.etag, []byte("torn by a power cut"))
	if err := downloadRun(t, s.download(t), root); err != nil {
		t.Fatal(err)
	}
	downloadWant(t, root, s.content)
}

func TestDownload_TakesAPartThatIsWhole(t *testing.T) {
	s, root := downloadServe(t, 1<<20), t.TempDir()
	downloadLeave(t, root, s.URL+"/Installer.sh", s.etag, s.content)
	if err := downloadRun(t, s.download(t), root); err != nil {
		t.Fatal(err)
	}
	downloadWant(t, root, s.content)
	if len(s.ranges) != 1 || s.sent.Load() > 100 {
		t.Errorf("asked for %q, %d bytes were sent", s.ranges, s.sent.Load())
	}
}

func TestDownload_ThrowsAwayWhatHasAnotherSum(t *testing.T) {
	s, root := downloadServe(t, 1<<16), t.TempDir()
	d := s.download(t)
	d.SHA256 = strings.Repeat("ab", 32)
	err := downloadRun(t, d, root)
	var wrong *SumError
	if !errors.As(err, &wrong) || wrong.Want != d.SHA256 || wrong.Got == d.SHA256 || !strings.Contains(err.Error(), "not run") {
		t.Errorf("got %v", err)
	}
	if files := downloadFiles(t, root); len(files) != 0 {
		t.Errorf("left behind: %q", files)
	}
}

func TestDownload_GivesUpAtOnceWhereAnotherTryWouldNotHelp(t *testing.T) {
	s := downloadServe(t, 1<<16)
	plain := httptest.NewServer(s)
	t.Cleanup(plain.Close)
	leadsOn := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	t.Cleanup(leadsOn.Close)
	none := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(none.Close)
	for want, change := range map[string]func(*Download){
		"is not trusted":              func(d *Download) { d.CAFile = "" },
		"larger than 1000 bytes":      func(d *Download) { d.Limit = 1000 },
		"which is not HTTPS":          func(d *Download) { d.URL = leadsOn.URL },
		"answered 404 Not Found":      func(d *Download) { d.URL = none.URL + "/x" },
		"no such file or directory":   func(d *Download) { d.CAFile = "/nowhere/ca.pem" },
		"Installer.sh: no such file":  func(d *Download) { d.URL = "/nowhere/Installer.sh" },
		"holds no certificate in PEM": func(d *Download) { d.CAFile = os.DevNull },
	} {
		t.Run(want, func(t *testing.T) {
			d, tries := s.download(t), 0
			change(&d)
			err := downloadRun(t, d, t.TempDir(), func(one *downloader) {
				one.pause = func(int) time.Duration { tries++; return 0 }
			})
			if err == nil || !strings.Contains(err.Error(), want) || tries > 0 {
				t.Errorf("after %d more tries: %v", tries, err)
			}
		})
	}
}

func TestDownload_CutsAServerThatNeverEnds(t *testing.T) {
	endless := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}))
	t.Cleanup(endless.Close)
	d := (&downloadSource{Server: endless}).download(t)
	d.Limit = 1 << 20
	if err := downloadRun(t, d, t.TempDir()); err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Errorf("got %v", err)
	}
}

func TestDownload_LeavesAServerThatSendsNothing(t *testing.T) {
	s, root := downloadServe(t, 1<<20), t.TempDir()
	s.cut.Store(600_000)
	s.silent.Store(true)
	err := downloadRun(t, s.download(t), root, func(one *downloader) { one.stall = 500 * time.Millisecond })
	if err != nil {
		t.Fatal(err)
	}
	downloadWant(t, root, s.content)
}

func TestDownload_EndsWhenItIsCalledOff(t *testing.T) {
	s := downloadServe(t, 1<<20)
	s.cut.Store(100_000)
	s.silent.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	m := Machine{Root: t.TempDir(), Progress: func(_ string, done, _ int64) {
		if done >= 100_000 {
			cancel()
		}
	}}
	err := s.download(t).Fetch(ctx, m)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "bytes are kept") {
		t.Errorf("got %v", err)
	}
}

func TestDownload_CopiesAFileThatAnAdminHasBrought(t *testing.T) {
	s, root := downloadServe(t, 1<<16), t.TempDir()
	d := s.download(t)
	d.URL = filepath.Join(t.TempDir(), "brought.sh")
	if err := os.WriteFile(d.URL, s.content, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := downloadRun(t, d, root); err != nil {
		t.Fatal(err)
	}
	downloadWant(t, root, s.content)
}

func TestDownload_RefusesAFolderThatOthersCanEnter(t *testing.T) {
	s, root := downloadServe(t, 1<<16), t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "cache"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := downloadRun(t, s.download(t), root); err == nil || !strings.Contains(err.Error(), "only its owner") {
		t.Errorf("got %v", err)
	}
}

func TestDownload_GoesThroughTheProxyOfTheEnvironment(t *testing.T) {
	s, root := downloadServe(t, 1<<16), t.TempDir()
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect && r.Host == "example.com:443" { // the name in the certificate
			asked.Add(1)
			downloadTunnel(w, s.Listener.Addr().String())
		}
	}))
	t.Cleanup(proxy.Close)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	t.Setenv("NO_PROXY", "")
	d := s.download(t)
	d.URL = "https://example.com/Installer.sh"
	if err := downloadRun(t, d, root); err != nil {
		t.Fatal(err)
	}
	downloadWant(t, root, s.content)
	if asked.Load() != 1 {
		t.Errorf("the proxy was asked %d times", asked.Load())
	}
}

func downloadTunnel(w http.ResponseWriter, to string) {
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	client, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	fmt.Fprint(client, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
	_ = client.Close()
}

func FuzzParseContentRange_GivesASpanWithinTheWhole(f *testing.F) {
	for _, seed := range []string{"bytes 5-9/10", "bytes 0-0/*", "bytes */10", "bytes 9-5/10", "bytes -1--1/1", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, total, err := parseContentRange(text)
		if err == nil && (first < 0 || total != -1 && first >= total) {
			t.Errorf("%q: %d of %d", text, first, total)
		}
	})
}
