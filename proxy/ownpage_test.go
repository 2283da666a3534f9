package proxy

import (
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"
)

func TestErrorPages_StandForGatewaysOwnAndWhereToldForTheBackends(t *testing.T) {
	backend := frontBackend(t, func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.URL.Path[1:])
		w.Header().Set("Etag", `"x"`)
		w.Header().Set("Set-Cookie", "a=b")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "from the backend")
	})
	pages := filesFolder(t, map[string]string{"404.html": "<p>not here", "gone.JSON": `{"gone":true}`})
	f := newServedFront(t, frontConfig(backend.URL, func(c *Config) {
		c.Sites[0].ErrorPages = []ErrorPage{
			{Status: []int{404, 403}, File: filepath.Join(pages, "404.html")},
			{Status: []int{500, 502}, Text: "Sorry.", Override: true},
		}
		c.Sites[0].Routes = []Route{
			routeTestRespond(404, Route{Path: "/own"}), routeTestRespond(410, Route{Path: "/plain"}),
			{Path: "/files/", Rules: Rules{Root: pages, ErrorPages: []ErrorPage{{Status: []int{404}, File: filepath.Join(pages, "gone.JSON")}}}},
			{Path: "/shut/", Rules: Rules{Deny: []string{"all"}}},
		}
	}))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		for path, want := range map[string]struct {
			status     int
			kind, body string
		}{
			"/own": {404, "text/html; charset=utf-8", "<p>not here"}, "/shut/": {403, "text/html; charset=utf-8", "<p>not here"},
			"/files/none": {404, "application/json", `{"gone":true}`}, "/404": {404, "text/plain; charset=utf-8", "from the backend"},
			"/500": {500, "text/plain; charset=utf-8", "Sorry.\n"}, "/503": {503, "text/plain; charset=utf-8", "from the backend"},
		} {
			for _, method := range []string{"GET", "HEAD"} {
				r, _ := http.NewRequest(method, "https://api.example.com"+path, nil)
				res, body := frontDo(t, client, r)
				if method == "HEAD" {
					want.body = ""
				}
				if res.StatusCode != want.status || body != want.body || method == "GET" && res.Header.Get("Content-Type") != want.kind {
					t.Errorf("%s %s: %d %q %v", method, path, res.StatusCode, body, res.Header)
				}
				if path == "/500" && (res.Header.Get("Set-Cookie") != "a=b" || res.Header.Get("Etag") != "" || res.ContentLength != 7) {
					t.Errorf("%s: %v", path, res.Header)
				}
			}
		}
		if res, body := frontGet(t, client, "https://api.example.com/plain"); res.StatusCode != 410 || body == "<p>not here" {
			t.Errorf("a status without a page: %d %q", res.StatusCode, body)
		}
	})
}

func TestErrorPages_StandForABackendThatIsAway(t *testing.T) {
	f := newFront(t, frontConfig("http://127.0.0.1:1", func(c *Config) { c.Sites[0].ErrorPages = []ErrorPage{{Status: []int{502}, Text: "Back soon."}} }))
	res, body := frontGet(t, f.client(t, true), "https://api.example.com/")
	if res.StatusCode != 502 || body != "Back soon.\n" || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %q %v", res.StatusCode, body, res.Header)
	}
}
