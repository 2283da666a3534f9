package proxy

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// filesFolder makes a folder of files by their names and contents.
func filesFolder(t testing.TB, content map[string]string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "www")
	for name, text := range content {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// filesConfig is a site that serves a folder, and has no backend.
func filesConfig(root string, change ...func(*Config)) Config {
	cfg := frontConfig("http://localhost:1")
	cfg.Backends, cfg.Sites[0].Backend, cfg.Sites[0].Root = nil, "", root
	for _, f := range change {
		f(&cfg)
	}
	return cfg
}

func filesSite(t testing.TB) string {
	return filesFolder(t, map[string]string{
		"index.html": "<h1>home</h1>", "a b+c.txt": "spaces", "中.html": "<p>中</p>", "docs/index.html": "docs", "empty/x.txt": "x", "data.bin": "\x00\x01", "README": "read me",
		"page.HTML": "<p>", "evil": "<script>alert(1)</script>", ".env": "SECRET", ".git/config": "SECRET", "docs/.htaccess": "SECRET", ".well-known/security.txt": "Contact:",
		"a%2fb.txt": "percent", "x.txt.gz": "z",
	})
}

func TestFiles_AreServedWithTheirTypeOverBothProtocols(t *testing.T) {
	f := newServedFront(t, filesConfig(filesSite(t)))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		for _, c := range []struct{ path, kind, body string }{
			{"/", "text/html; charset=utf-8", "<h1>home</h1>"},
			{"/index.html", "text/html; charset=utf-8", "<h1>home</h1>"},
			{"/index.html?v=1", "text/html; charset=utf-8", "<h1>home</h1>"},
			{"/a%20b+c.txt", "text/plain; charset=utf-8", "spaces"},
			{"/%E4%B8%AD.html", "text/html; charset=utf-8", "<p>中</p>"},
			{"/docs/", "text/html; charset=utf-8", "docs"},
			{"/docs/./index.html", "text/html; charset=utf-8", "docs"},
			{"/empty/../docs//index.html", "text/html; charset=utf-8", "docs"},
			{"/data.bin", "application/octet-stream", "\x00\x01"},
			{"/README", "text/plain; charset=utf-8", "read me"},
			{"/page.HTML", "text/html; charset=utf-8", "<p>"},
			{"/evil", "application/octet-stream", "<script>alert(1)</script>"},
			{"/x.txt.gz", "application/gzip", "z"},
			{"/.well-known/security.txt", "text/plain; charset=utf-8", "Contact:"},
		} {
			res, body := frontGet(t, client, "https://api.example.com"+c.path)
			if res.StatusCode != 200 || body != c.body || res.Header.Get("Content-Type") != c.kind || res.Header.Get("X-Content-Type-Options") != "nosniff" ||
				res.ContentLength != int64(len(c.body)) || res.Header.Get("Etag") == "" || res.Header.Get("Last-Modified") == "" || res.Header.Get("X-Request-Id") == "" {
				t.Errorf("%s: %d %q %v", c.path, res.StatusCode, body, res.Header)
			}
		}
	})
}

// What must not be had, whatever it is spelled like. The word SECRET stands in
// every file that is hidden, and in one beside the folder.
func TestFiles_NothingHiddenOrOutsideIsServed(t *testing.T) {
	root := filesSite(t)
	for path, text := range map[string]string{"../secret.txt": "SECRET", "../www2/secret.txt": "SECRET"} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"out.txt": "../secret.txt", "absolute.txt": filepath.Join(root, "../secret.txt"), "up": "..", "loop": "loop", "env.txt": "nothing"} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	f := newFront(t, filesConfig(root, func(c *Config) {
		c.Sites[0].Listing = true
		c.Sites[0].Routes = []Route{{Path: "/docs/", Strip: true, Rules: Rules{Root: filepath.Join(root, "docs")}}}
	}))
	for _, path := range []string{
		"/.env", "/%2eenv", "/.git/config", "/.git/", "/.git", "/docs/.htaccess", "/docs/%2ehtaccess", "/docs/../.env", "/./.env", "//.env", "/docs//..//.env", "/.well-known/../.env",
		"/../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/%2e%2e%2fsecret.txt", "/docs/../../secret.txt", "/docs/..%2f..%2fsecret.txt", "/..\\secret.txt", "/%5c..%5csecret.txt",
		"/%252e%252e/secret.txt", "/%c0%ae%c0%ae/secret.txt", "/..;/secret.txt", "/docs/..;/..;/secret.txt", "/....//secret.txt", "/../www2/secret.txt", "/docs/../.env%00.txt", "/.env%00", "/index.html%00.txt",
		"/out.txt", "/absolute.txt", "/up/secret.txt", "/up/", "/loop", "/env.txt", "/index.html/", "/index.html/x", "/docs%2findex.html", "/a%252fb.txt%2f", "/" + strings.Repeat("a", 300), "/a" + strings.Repeat("/a", 5000),
		"//secret.txt", "/docs/.htaccess/", "/docs/%2e%2e/.env", "/%2e", "/..", "/docs/...", "/.",
	} {
		answer := frontRaw(t, f, "GET "+path+" HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n")
		status, _, _ := strings.Cut(strings.TrimPrefix(answer, "HTTP/1.1 "), " ")
		if strings.Contains(answer, "SECRET") || status != "400" && status != "403" && status != "404" && path != "/." && path != "/%2e" {
			t.Errorf("%.60s: %.300s", path, answer)
		}
	}
}

func TestFiles_LinksWithinTheFolderAndToTheFolderAreFollowed(t *testing.T) {
	first, second := filesFolder(t, map[string]string{"a.txt": "first"}), filesFolder(t, map[string]string{"a.txt": "second"})
	if err := os.Symlink("a.txt", filepath.Join(first, "b.txt")); err != nil {
		t.Fatal(err)
	}
	current := filepath.Join(t.TempDir(), "current")
	if err := os.Symlink(first, current); err != nil {
		t.Fatal(err)
	}
	f := newFront(t, filesConfig(current))
	client := f.client(t, false)
	if _, body := frontGet(t, client, "https://api.example.com/b.txt"); body != "first" {
		t.Errorf("a link within the folder: %q", body)
	}
	if err := os.Symlink(second, current+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(current+".new", current); err != nil { // as releases are switched
		t.Fatal(err)
	}
	if _, body := frontGet(t, client, "https://api.example.com/a.txt"); body != "second" {
		t.Errorf("after the release was switched: %q", body)
	}
}

func TestFiles_WhatIsNoFileDoesNotHang(t *testing.T) {
	root := filesSite(t)
	if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	f := newFront(t, filesConfig(root))
	if res, _ := frontGet(t, f.client(t, false), "https://api.example.com/pipe"); res.StatusCode != 404 {
		t.Errorf("%d", res.StatusCode)
	}
}

func TestFiles_AFolderWithoutItsSlashIsRedirectedWithinTheSite(t *testing.T) {
	root := filesSite(t)
	if err := os.MkdirAll(filepath.Join(root, "evil.example"), 0o755); err != nil {
		t.Fatal(err)
	}
	f := newFront(t, filesConfig(root))
	for path, want := range map[string]string{"/docs": "/docs/", "/docs?a=1": "/docs/?a=1", "//evil.example": "/evil.example/", "//docs/../evil.example": "/docs/../evil.example/"} {
		answer := frontRaw(t, f, "GET "+path+" HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(answer, "HTTP/1.1 301 ") || !strings.Contains(answer, "\r\nLocation: "+want+"\r\n") {
			t.Errorf("%s: %s", path, answer)
		}
	}
}

// Where a route asks for a folder under another name, there is one redirect at
// most, and none where the client has written the slash.
func TestFiles_AFolderUnderAnotherNameIsRedirectedOnce(t *testing.T) {
	root := filesSite(t)
	f := newFront(t, filesConfig("", func(c *Config) {
		c.Sites[0].Routes = []Route{
			{Path: "/alias", Strip: true, Rules: Rules{Root: root}},
			{Match: "^/m/*$", Rewrite: "/docs", Rules: Rules{Root: root}},
		}
	}))
	client := f.client(t, false)
	for path, want := range map[string]string{"/alias": "/alias/", "/alias/docs": "/alias/docs/", "/m": "/m/"} {
		res, _ := frontGet(t, client, "https://api.example.com"+path)
		if got := res.Header.Get("Location"); res.StatusCode != 301 || got != want {
			t.Errorf("%s: %d %q", path, res.StatusCode, got)
		}
		if res, _ = frontGet(t, client, "https://api.example.com"+want); res.StatusCode != 200 {
			t.Errorf("%s: %d", want, res.StatusCode)
		}
	}
}

func TestFiles_FoldersAreListedOnlyWhereTheFileSaysSo(t *testing.T) {
	root := filesFolder(t, map[string]string{"sub/x.txt": "x", "a:b&<i>.txt": "abc", ".hidden": "SECRET"})
	get := func(listing bool, path string) (*http.Response, string) {
		f := newFront(t, filesConfig(root, func(c *Config) { c.Sites[0].Listing = listing }))
		return frontGet(t, f.client(t, true), "https://api.example.com"+path)
	}
	if res, body := get(false, "/"); res.StatusCode != 403 || strings.Contains(body, "sub") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	res, body := get(true, "/")
	if res.StatusCode != 200 || !strings.Contains(body, `<a href="./a:b&amp;%3Ci%3E.txt">a:b&amp;&lt;i&gt;.txt</a></td><td>3</td>`) ||
		!strings.Contains(body, `<a href="./sub/">sub/</a>`) || strings.Contains(body, "hidden") || strings.Contains(body, "../") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if res, body = get(true, "/sub/"); res.StatusCode != 200 || !strings.Contains(body, "x.txt") || !strings.Contains(body, "../") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestFiles_TheFallbackStandsForWhatIsMissing(t *testing.T) {
	root := filesSite(t)
	f := newFront(t, filesConfig(root, func(c *Config) { c.Sites[0].Fallback = "/index.html" }))
	client := f.client(t, true)
	for path, want := range map[string]string{"/app/route": "<h1>home</h1>", "/README": "read me", "/empty/": "<h1>home</h1>", "/README/x": "<h1>home</h1>"} {
		if res, body := frontGet(t, client, "https://api.example.com"+path); res.StatusCode != 200 || body != want {
			t.Errorf("%s: %d %q", path, res.StatusCode, body)
		}
	}
	if res, _ := frontGet(t, client, "https://api.example.com/.env"); res.StatusCode != 404 {
		t.Errorf("a hidden file: %d", res.StatusCode)
	}
}

func TestFiles_AreOnlyRead(t *testing.T) {
	f := newServedFront(t, filesConfig(filesSite(t)))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"} {
			r, _ := http.NewRequest(method, "https://api.example.com/README", strings.NewReader("body"))
			if res, _ := frontDo(t, client, r); res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s: %d %v", method, res.StatusCode, res.Header)
			}
		}
		r, _ := http.NewRequest("HEAD", "https://api.example.com/README", nil)
		if res, body := frontDo(t, client, r); res.StatusCode != 200 || res.ContentLength != 7 || body != "" {
			t.Errorf("HEAD: %d %d %q", res.StatusCode, res.ContentLength, body)
		}
	})
}

func TestFiles_PartsAndWhatTheClientHasAlready(t *testing.T) {
	f := newFront(t, filesConfig(filesSite(t)))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		url := "https://api.example.com/README"
		first, _ := frontGet(t, client, url)
		etag, changed := first.Header.Get("Etag"), first.Header.Get("Last-Modified")
		for _, c := range []struct {
			header, value string
			status        int
			body          string
		}{
			{"Range", "bytes=5-", 206, "me"}, {"Range", "bytes=-2", 206, "me"}, {"Range", "bytes=99-", 416, "invalid range: failed to overlap\n"},
			{"If-None-Match", etag, 304, ""}, {"If-None-Match", `"other"`, 200, "read me"}, {"If-Modified-Since", changed, 304, ""},
			{"If-Match", `"other"`, 412, ""}, {"If-Unmodified-Since", time.Unix(1, 0).UTC().Format(http.TimeFormat), 412, ""},
		} {
			if res, body := frontGet(t, client, url, c.header, c.value); res.StatusCode != c.status || body != c.body {
				t.Errorf("%s %s: %d %q", c.header, c.value, res.StatusCode, body)
			}
		}
		if res, body := frontGet(t, client, url, "Range", "bytes=0-1", "If-Range", `"other"`); res.StatusCode != 200 || body != "read me" {
			t.Errorf("If-Range: %d %q", res.StatusCode, body)
		}
		if res, body := frontGet(t, client, url, "Range", "bytes=0-1,3-4"); res.StatusCode != 206 || !strings.Contains(body, "multipart") && !strings.Contains(body, "Content-Range: bytes 3-4/7") {
			t.Errorf("two ranges: %d %q", res.StatusCode, body)
		}
	})
}

func TestFiles_AChangedFileHasAnotherTag(t *testing.T) {
	root := filesSite(t)
	f := newFront(t, filesConfig(root))
	client := f.client(t, false)
	before, _ := frontGet(t, client, "https://api.example.com/README")
	if err := os.WriteFile(filepath.Join(root, "README"), []byte("read it"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(root, "README"), time.Time{}, time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	after, _ := frontGet(t, client, "https://api.example.com/README")
	if before.Header.Get("Etag") == after.Header.Get("Etag") {
		t.Error(after.Header.Get("Etag"))
	}
}

func TestFiles_ALargeFileArrivesWhole(t *testing.T) {
	root := filesFolder(t, map[string]string{"x": ""})
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	if err := os.WriteFile(filepath.Join(root, "large.bin"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	f := newServedFront(t, filesConfig(root))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		res, body := frontGet(t, client, "https://api.example.com/large.bin")
		if sha256.Sum256([]byte(body)) != sha256.Sum256(content) {
			t.Errorf("%d, %d bytes", res.StatusCode, len(body))
		}
	})
}

// A file that is cut while it is sent must not look complete to the client.
func TestFiles_AFileThatShrinksBreaksTheResponseOff(t *testing.T) {
	root := filesFolder(t, map[string]string{"x": ""})
	path := filepath.Join(root, "large.bin")
	if err := os.WriteFile(path, make([]byte, 64<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	f := newFront(t, filesConfig(root))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		if err := os.Truncate(path, 64<<20); err != nil {
			t.Fatal(err)
		}
		res, err := client.Get("https://api.example.com/large.bin")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := os.Truncate(path, 1<<10); err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, res.Body); err == nil {
			t.Errorf("%d bytes looked complete", n)
		}
		if x := frontWait(t, f.exchanges, "the exchange"); x.failure != "the file could not be read to its end" {
			t.Errorf("%q", x.failure)
		}
	})
}

func TestFiles_AnUnreadableFileIsToldToTheAdmin(t *testing.T) {
	root := filesFolder(t, map[string]string{"x": ""})
	if err := os.Symlink("/etc/hostname", filepath.Join(root, "out")); err != nil {
		t.Fatal(err)
	}
	f := newFront(t, filesConfig(root))
	res, body := frontGet(t, f.client(t, false), "https://api.example.com/out")
	if res.StatusCode != 403 || strings.Contains(body, root) || !strings.Contains(f.log.String(), "leads out of the folder") || !strings.Contains(f.log.String(), "level=WARN") {
		t.Errorf("%d %s\n%s", res.StatusCode, body, f.log)
	}
}

// Gateway mostly runs as root, whom no mode keeps from a file that was never meant
// for the web. Other accounts are kept from it by the kernel.
func TestFiles_AsRootServesOnlyWhatEverybodyMayRead(t *testing.T) {
	root := filesFolder(t, map[string]string{"private.key": "SECRET", "shut/x.txt": "SECRET", "shut/below/index.html": "SECRET", "open/x.txt": "fine", "mine/index.html": "SECRET"})
	for name, mode := range map[string]os.FileMode{"private.key": 0o640, "shut": 0o700, "mine/index.html": 0o600} {
		if err := os.Chmod(filepath.Join(root, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	f := newFront(t, filesConfig(root, func(c *Config) { c.Sites[0].Listing = true }))
	f.handler.sites.every.fallback.routes[0].answer.(*files).asRoot = true
	client := f.client(t, true)
	for path, want := range map[string]int{"/private.key": 403, "/shut/x.txt": 403, "/shut/": 403, "/shut/below/": 403, "/mine/": 403, "/open/x.txt": 200, "/open/": 200} {
		if res, body := frontGet(t, client, "https://api.example.com"+path); res.StatusCode != want || strings.Contains(body, "SECRET") {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
	if !strings.Contains(f.log.String(), "private.key: permission denied: its mode is -rw-r-----") {
		t.Error(f.log.String())
	}
}

func TestFiles_AFolderThatIsGoneIsToldToTheAdmin(t *testing.T) {
	root := filesFolder(t, map[string]string{"x": ""})
	f := newFront(t, filesConfig(root))
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	res, body := frontGet(t, f.client(t, false), "https://api.example.com/x")
	if res.StatusCode != 500 || strings.Contains(body, root) || !strings.Contains(f.log.String(), root) {
		t.Errorf("%d %s\n%s", res.StatusCode, body, f.log)
	}
}

func TestFiles_AreLoggedAndCountedLikeEveryResponse(t *testing.T) {
	root := filesSite(t)
	path := filepath.Join(t.TempDir(), "access.log")
	access, err := NewAccessLog(LogConfig{Access: path, Format: `%r %>s %B %R`, MaxSize: 1 << 20}, newDiscardLog())
	if err != nil {
		t.Fatal(err)
	}
	stop := logTestRun(t, access)
	f := newFront(t, filesConfig(root))
	f.Config.Handler = access.Wrap(f.handler)
	client := f.client(t, false) // one connection, so that the lines come in order
	for _, name := range []string{"README", "none", ".env"} {
		frontGet(t, client, "https://api.example.com/"+name)
	}
	f.Close() // the last response has left
	stop()
	lines := logTestEverything(t, path)
	if len(lines) != 3 || lines[0] != "GET /README HTTP/1.1 200 7 -" || !strings.HasPrefix(lines[1], "GET /none HTTP/1.1 404 ") {
		t.Errorf("%q", lines)
	}
}

func FuzzFileName_NamesNothingHiddenOrOutside(f *testing.F) {
	for _, seed := range []string{"/", "/a/../b", "/%2e%2e/x", "/..%2f", "/.well-known/x", "/a%00", "//.git", "/a/./b", "/.well-known/.x", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if raw != "" && raw[0] != '/' {
			raw = "/" + raw
		}
		name, ok := fileName(raw)
		if !ok || name == "." {
			return
		}
		if !filepath.IsLocal(name) || strings.ContainsRune(name, 0) || strings.Contains("/"+strings.TrimPrefix(name, ".well-known"), "/.") {
			t.Errorf("%q names %q", raw, name)
		}
	})
}
