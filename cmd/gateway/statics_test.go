package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// staticsWorld is sites as README.md shows them, running.
type staticsWorld struct {
	*world
	root   string // of the files
	plain  int    // the port of plain HTTP
	client *http.Client
}

func newStaticsWorld(t *testing.T, sites string) *staticsWorld {
	t.Helper()
	w := &staticsWorld{world: &world{t: t, ca: newAuthority(t), port: freePort(t)}, root: t.TempDir(), plain: freePort(t)}
	w.client = w.ca.client(t, true)
	w.publish("index.html", "<h1>home</h1>")
	w.publish(".env", "SECRET")
	dir := t.TempDir()
	places := strings.NewReplacer(
		`"/etc/gateway/ssl"`, fmt.Sprintf("%q", w.ca.install(t, "www.example.com", "example.com")), `"/srv/www"`, fmt.Sprintf("%q", w.root),
		`":443"`, fmt.Sprintf(`"127.0.0.1:%d"`, w.port), `"http://:80"`, fmt.Sprintf(`"http://127.0.0.1:%d"`, w.plain))
	w.config = writeFile(t, dir, "config.toml", fmt.Sprintf("state = %q\n[admin]\nsocket = %q\n", t.TempDir(), filepath.Join(dir, "socket"))+places.Replace(sites))
	w.gateway = startProcess(t, builtGateway(t), "run", "-c", w.config)
	w.gateway.waitFor("serving")
	return w
}

// publish puts a file into the folder that everybody may read.
func (w *staticsWorld) publish(name, text string) {
	w.t.Helper()
	if err := os.Chmod(writeFile(w.t, w.root, name, text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// ask returns status, Location and body.
func (w *staticsWorld) ask(url string) (status int, location, body string) {
	w.t.Helper()
	url = strings.Replace(strings.Replace(url, ":443/", fmt.Sprintf(":%d/", w.port), 1), ":80/", fmt.Sprintf(":%d/", w.plain), 1)
	res, err := w.client.Get(url)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("Location"), string(text)
}

func TestStatics_TheSitesOfTheReadmeAnswerAsItSays(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) }))
	t.Cleanup(backend.Close)
	w := newStaticsWorld(t, readmeBlock(t, "file: static")+readmeBlock(t, "file: redirects")+fmt.Sprintf("[[backend]]\nname = \"api\"\nurl = %q\n", backend.URL))
	for _, c := range []struct {
		url            string
		status         int
		location, body string
	}{
		{"https://www.example.com:443/", 200, "", "<h1>home</h1>"},
		{"https://www.example.com:443/none", 404, "", "There is nothing"},
		{"https://www.example.com:443/.env", 404, "", "There is nothing"},
		{"https://www.example.com:443/api/x", 200, "", "/api/x"},
		{"https://example.com:443/a?b", 301, "https://www.example.com/a?b", ""},
		{"http://example.com:80/a?b", 301, "https://www.example.com/a?b", ""},
		{"https://example.com:443/old/x", 301, "https://www.example.com/new/x", ""},
		{"https://example.com:443/x.php", 410, "", "gone"},
	} {
		status, location, body := w.ask(c.url)
		if status != c.status || location != c.location || !strings.Contains(body, c.body) {
			t.Errorf("%s: %d %q %.200s", c.url, status, location, body)
		}
	}
}

// A site of files needs no backend, and a new file in the folder needs nothing.
func TestStatics_AFileWithoutBackendsIsCheckedServedAndReloaded(t *testing.T) {
	t.Parallel()
	site := "[[site]]\nname = \"www.example.com\"\nlisten = [\":443\"]\ncertificate = \"files\"\nfiles = \"/etc/gateway/ssl\"\nroot = \"/srv/www\"\n"
	w := newStaticsWorld(t, site)
	if out := w.do("check"); !strings.Contains(out, "sites: 1, backends: 0") {
		t.Error(out)
	}
	w.do("status")
	w.publish("new.txt", "new")
	if status, _, body := w.ask("https://www.example.com:443/new.txt"); status != 200 || body != "new" {
		t.Errorf("%d %s", status, body)
	}
	w.change("root =", "route = [{ path = \"/old\", redirect = \"/new.txt\" }]\nroot =")
	w.do("reload")
	if status, location, _ := w.ask("https://www.example.com:443/old"); status != 302 || location != "/new.txt" {
		t.Errorf("%d %s", status, location)
	}
}
