package proxy

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestRedirect_SendsClientsWhereTheFileSays(t *testing.T) {
	for _, c := range []struct {
		route  Route
		to     string
		status int
		sent   string
		want   string
	}{
		{Route{Path: "/"}, "https://www.example.com{path}", 301, "/a%2Fb?c=d", "https://www.example.com/a%2Fb?c=d"},
		{Route{Path: "/"}, "https://www.example.com", 0, "/a?b", "https://www.example.com?b"},
		{Route{Path: "/old"}, "https://x.example/new{rest}", 0, "/old/z?q", "https://x.example/new/z?q"},
		{Route{Path: "/old"}, "https://x.example/new{rest}", 0, "/old", "https://x.example/new"},
		{Route{Path: "/old/"}, "/new/{rest}", 308, "/old/z", "/new/z"},
		{Route{Path: "/old"}, "/new?", 303, "/old?q", "/new"},
		{Route{Path: "/old"}, "/new?a=1&{query}#part", 307, "/old?q=2", "/new?a=1&q=2#part"},
		{Route{Path: "/old"}, "/new#part", 302, "/old?q=2", "/new?q=2#part"},
		{Route{Path: "/"}, "{scheme}://{host}:8443{path}", 0, "/x", "https://api.example.com:8443/x"},
		{Route{Match: "^/blog/([0-9]+)/(.*)$"}, "https://blog.example.com/{2}?year={1}", 0, "/blog/2024/a-b", "https://blog.example.com/a-b?year=2024"},
		{Route{Path: "/"}, "https://中.example/é", 0, "/", "https://%E4%B8%AD.example/%C3%A9"},
		// What a client writes must not become the name of another server.
		{Route{Path: "/"}, "/{rest}", 0, "//evil.example/x", "/evil.example/x"},
		{Route{Path: "/old/"}, "/{rest}", 0, "/old//evil.example/", "/evil.example/"},
		{Route{Path: "/old/"}, "/{rest}", 0, "/old/\\evil.example/", "/%5Cevil.example/"},
		{Route{Path: "/"}, "{path}x", 0, "//evil.example/", "/evil.example/x"},
		{Route{Match: "^/go/(.*)$"}, "/{1}", 0, "/go//evil.example", "/evil.example"},
		{Route{Path: "/"}, "https://x.example{path}", 0, "/a|\"<b>", "https://x.example/a%7C%22%3Cb%3E"},
	} {
		c.route.Redirect, c.route.RedirectStatus = c.to, c.status
		cfg := filesConfig("", func(cfg *Config) { cfg.Sites[0].Routes = []Route{c.route} })
		if problems := problemsOf(cfg); problems != nil {
			t.Errorf("%+v: %q", c.route, problems)
		}
		answer := frontRaw(t, newFront(t, cfg), "POST "+c.sent+" HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
		head := fmt.Sprintf("HTTP/1.1 %d ", cmp.Or(c.status, 302))
		if !strings.HasPrefix(answer, head) || !strings.Contains(answer, "\r\nLocation: "+c.want+"\r\n") {
			t.Errorf("%s to %s: want %s%s: %s", c.sent, c.to, head, c.want, answer)
		}
	}
}

func TestRespond_AnswersWithThePageOfTheStatus(t *testing.T) {
	f := newFront(t, filesConfig("", func(c *Config) {
		c.Sites[0].Respond = 503
		c.Sites[0].Routes = []Route{routeTestRespond(410, Route{Path: "/gone"})}
	}))
	client := f.client(t, true)
	for path, want := range map[string]int{"/gone/x": 410, "/": 503} {
		res, body := frontGet(t, client, "https://api.example.com"+path, "Accept", "text/html")
		if res.StatusCode != want || !strings.Contains(body, "<!doctype html>") {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
}

func FuzzRedirect_StaysWithTheHostOfTheFile(f *testing.F) {
	for _, seed := range []string{"/old/x", "/old//evil", "/old/\\evil", "/old/%2f/evil", "/old/@evil", "/old/?@evil", "/old/:80"} {
		f.Add(seed)
	}
	route := Route{Path: "/old/", Body: new(Size)}
	var destinations []destination
	for _, to := range []string{"https://www.example.com/{rest}", "https://www.example.com{path}", "/{rest}", "{path}"} {
		d, err := parseRedirect(to, route.placeholders())
		if err != nil {
			f.Fatal(err)
		}
		destinations = append(destinations, d)
	}
	compiled, err := newRoute(route, Site{}, nil, parts{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		parsed, ok := parseTarget(raw)
		if !ok || !within(decode(parsed.path, true), "/old/") {
			return
		}
		c := &call{target: parsed, route: compiled}
		for _, d := range destinations {
			to := sameSite(d.of(c.target, func(name string) string { return spelled(c.placeholder(name)) }))
			if strings.ContainsAny(to, "\r\n\\ ") {
				t.Errorf("%q: %q", raw, to)
			}
			if u, err := url.Parse(to); err == nil && u.Host != "" && u.Host != "www.example.com" {
				t.Errorf("%q leads to %q", raw, to)
			}
			if strings.HasPrefix(to, "//") {
				t.Errorf("%q leads to %q", raw, to)
			}
		}
	})
}
