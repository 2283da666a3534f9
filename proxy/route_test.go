package proxy

import (
	"net/http"
	"strings"
	"testing"
)

// routeTestRespond is a route that can be told from others by its status.
func routeTestRespond(status int, r Route) Route {
	r.Respond = status
	return r
}

func TestRoute_ExactGoesBeforeMatchAndMatchBeforeTheLongestPath(t *testing.T) {
	f := newFront(t, filesConfig("", func(c *Config) {
		c.Sites[0].Routes = []Route{
			routeTestRespond(400+51, Route{Path: "/"}),
			routeTestRespond(410, Route{Path: "/a/"}),
			routeTestRespond(411, Route{Path: "/a/b/c"}),
			routeTestRespond(422, Route{Match: `\.php$`}),
			routeTestRespond(423, Route{Match: `^/a/x`}),
			routeTestRespond(424, Route{Path: "/a/x.php", Exact: true}),
			routeTestRespond(425, Route{Path: "/a/b", Exact: true}),
		}
	}))
	client := f.client(t, true)
	for path, want := range map[string]int{
		"/": 451, "/a": 451, "/a/": 410, "/a/b": 425, "/a/b/": 410, "/a/b/c/d": 411, "/x.php": 422, "/a/x": 423, "/a/xx.php": 422, "/a/x.php": 424, "/a/x.php/": 423, "/A/": 451, "/x.php?y": 422, "/%61/b": 425,
	} {
		if res, _ := frontGet(t, client, "https://api.example.com"+path); res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
}

// A regular expression must not let a path through that a backend reads as one
// that another route keeps.
func TestRoute_MatchRefusesWhatCanBeReadInTwoWays(t *testing.T) {
	backend, seen := routeRecorder(t)
	f := newFront(t, frontConfig(backend.URL, func(c *Config) {
		c.Sites[0].Backend = ""
		c.Sites[0].Routes = []Route{{Match: `^/public/.*$`, Backend: "api"}, routeTestRespond(403, Route{Path: "/"})}
	}))
	for path, want := range map[string]string{"/public/../admin": "400", "/public/%2e%2e/admin": "400", "/public/..%2fadmin": "400", "/admin/../public/x": "400", "/admin": "403", "/public/a%2fb": "200"} {
		answer := frontRaw(t, f, "GET "+path+" HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(answer, "HTTP/1.1 "+want+" ") {
			t.Errorf("%s: %.80s", path, answer)
		}
	}
	if r := frontWait(t, seen, "the sound request"); r.RequestURI != "/public/a%2fb" {
		t.Error(r.RequestURI)
	}
}

func TestRoute_WithoutAnAnswerOfItsOwnHasTheSites(t *testing.T) {
	backend, seen := routeRecorder(t)
	f := newFront(t, frontConfig(backend.URL, func(c *Config) {
		c.Sites[0].Routes = []Route{{Path: "/admin/", Rules: Rules{Deny: []string{"all"}}}, {Path: "/app/", Strip: true}}
	}))
	client := f.client(t, true)
	if res, _ := frontGet(t, client, "https://api.example.com/admin/x"); res.StatusCode != 403 {
		t.Errorf("%d", res.StatusCode)
	}
	for path, want := range map[string]string{"/x": "/x", "/app/x": "/x"} {
		if res, _ := frontGet(t, client, "https://api.example.com"+path); res.StatusCode != 200 {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
		if r := frontWait(t, seen, path); r.RequestURI != want {
			t.Errorf("%s: %s", path, r.RequestURI)
		}
	}
}

func TestRewrite_PutsOnePathInThePlaceOfAnother(t *testing.T) {
	backend, seen := routeRecorder(t)
	for _, c := range []struct {
		route Route
		base  string
		sent  string
		want  string
	}{
		{Route{Path: "/app/", Rewrite: "/x/{rest}"}, "", "/app/a%2Fb?q=1", "/x/a%2Fb?q=1"},
		{Route{Path: "/app", Rewrite: "/x{rest}"}, "", "/app", "/x"},
		{Route{Path: "/app", Rewrite: "/x{rest}"}, "/base", "/app/y?", "/base/x/y?"},
		{Route{Path: "/app/", Rewrite: "/{rest}"}, "", "/%61pp/y", "/y"},
		{Route{Path: "/old", Exact: true, Rewrite: "/new"}, "", "/old?a=b", "/new?a=b"},
		{Route{Path: "/old", Rewrite: "/new?"}, "", "/old?a=b", "/new"},
		{Route{Path: "/old", Rewrite: "/new?p={path}&{query}"}, "", "/old?a=b", "/new?p=/old&a=b"},
		{Route{Path: "/old", Rewrite: "/new?p=1&{query}"}, "", "/old", "/new?p=1"},
		{Route{Match: "^/u/([^/]+)/(.*)$", Rewrite: "/{2}?user={1}"}, "", "/u/a%20b/x/y?c", "/x/y?user=a%20b"},
		{Route{Match: "^/中/(.*)$", Rewrite: "/zh/{1}"}, "", "/%E4%B8%AD/a%20b", "/zh/a%20b"},
		{Route{Path: "/", Rewrite: "{path}.html"}, "", "/a", "/a.html"},
		{Route{Path: "/a b", Exact: true, Rewrite: "/c d/é"}, "", "/a%20b", "/c%20d/%C3%A9"},
	} {
		c.route.Backend = "api"
		cfg := frontConfig(backend.URL+c.base, func(cfg *Config) { cfg.Sites[0].Backend, cfg.Sites[0].Routes = "", []Route{c.route} })
		if problems := problemsOf(cfg); c.route.Path != "/a b" && problems != nil && !strings.Contains(problems[0], "is where backend") {
			t.Errorf("%+v: %q", c.route, problems)
		}
		f := newFront(t, cfg)
		if r := routeRaw(t, f, seen, "GET "+c.sent+" HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n"); r.RequestURI != c.want {
			t.Errorf("%+v: sent %s, the backend read %s, want %s", c.route, c.sent, r.RequestURI, c.want)
		}
	}
}

func TestRewrite_OfAPrefixIsMappedBack(t *testing.T) {
	var url string
	backend := frontBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Location"] = []string{r.Header.Get("X-Location")}
		w.Header()["Set-Cookie"] = []string{"a=b; Path=/base/x/deep; Domain=127.0.0.1"}
		w.WriteHeader(302)
	})
	url = backend.URL
	f := newFront(t, frontConfig(url+"/base", func(c *Config) {
		c.Sites[0].Backend, c.Sites[0].Routes = "", []Route{{Path: "/app/", Backend: "api", Rewrite: "/x/{rest}"}}
	}))
	client := f.client(t, true)
	for sent, want := range map[string]string{
		url + "/base/x/y?z":               "https://api.example.com/app/y?z",
		"/base/x/y":                       "/app/y",
		"http://api.example.com/base/x/y": "https://api.example.com/app/y",
		"/app/y":                          "/app/y",
		"https://other.example/x/y":       "https://other.example/x/y",
	} {
		res, _ := frontGet(t, client, "https://api.example.com/app/q", "X-Location", sent)
		if got := res.Header.Get("Location"); got != want {
			t.Errorf("%s: %s, want %s", sent, got, want)
		}
		if got := res.Header.Get("Set-Cookie"); got != "a=b; Path=/app/deep; Domain=api.example.com" {
			t.Error(got)
		}
	}
}

func TestRewrite_NamesTheFileToo(t *testing.T) {
	root := filesFolder(t, map[string]string{"fav.ico": "icon", "u/1.txt": "one"})
	f := newFront(t, filesConfig("", func(c *Config) {
		c.Sites[0].Routes = []Route{
			{Path: "/favicon.ico", Exact: true, Rewrite: "/fav.ico", Rules: Rules{Root: root}},
			{Match: `^/user-(\d+)$`, Rewrite: "/u/{1}.txt", Rules: Rules{Root: root}},
			{Path: "/alias/", Strip: true, Rules: Rules{Root: root}},
		}
	}))
	client := f.client(t, true)
	for path, want := range map[string]string{"/favicon.ico": "icon", "/user-1": "one", "/alias/u/1.txt": "one"} {
		if res, body := frontGet(t, client, "https://api.example.com"+path); res.StatusCode != 200 || body != want {
			t.Errorf("%s: %d %q", path, res.StatusCode, body)
		}
	}
	if res, _ := frontGet(t, client, "https://api.example.com/alias/u"); res.Header.Get("Location") != "/alias/u/" {
		t.Error(res.Header)
	}
}
