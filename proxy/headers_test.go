package proxy

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestHeaders_OfRequestsAreChangedBySiteAndRoute(t *testing.T) {
	backend, seen := routeRecorder(t)
	f := newServedFront(t, frontConfig(backend.URL, func(c *Config) {
		c.Sites[0].Headers = Headers{RequestSet: []string{"X-Env: site", "X-Client: {remote}", `X-Json: {"a":{host}}`, "SSL_SUBJECT: {scheme}"}, RequestAdd: []string{"X-Hop: one"}, RequestRemove: []string{"X-Debug", "Accept-Encoding"}}
		c.Sites[0].Routes = []Route{{Path: "/r/", Rules: Rules{Headers: Headers{RequestSet: []string{"X-Env: route"}, RequestAdd: []string{"X-Hop: two"}}}}}
	}))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		for path, want := range map[string]string{"/": "site", "/r/": "route"} {
			frontGet(t, client, "https://api.example.com"+path, "X-Env", "forged", "X-Debug", "1", "X_debug", "1", "Accept-Encoding", "br", "X-Client", "forged", "X_client", "forged", "Ssl_subject", "forged", "Ssl-Subject", "forged")
			r := frontWait(t, seen, path)
			hops := []string{"one"}
			if path == "/r/" {
				hops = append(hops, "two")
			}
			if got := r.Header["X-Env"]; !slices.Equal(got, []string{want}) || !slices.Equal(r.Header["X-Hop"], hops) ||
				!slices.Equal(r.Header["X-Client"], []string{"127.0.0.1"}) || r.Header.Get("X-Json") != `{"a":api.example.com}` {
				t.Errorf("%s: %v", path, r.Header)
			}
			for _, name := range []string{"X-Debug", "X_debug", "Accept-Encoding", "X_client", "Ssl-Subject"} {
				if _, found := r.Header[name]; found {
					t.Errorf("%s: %s passed", path, name)
				}
			}
			if got := r.Header["Ssl_subject"]; !slices.Equal(got, []string{"https"}) {
				t.Errorf("%s: %q", path, got)
			}
		}
	})
}

func TestHeaders_ThatGatewaySetsCannotComeInATrailer(t *testing.T) {
	backend, seen := routeRecorder(t)
	f := newServedFront(t, frontConfig(backend.URL, func(c *Config) { c.Sites[0].RequestSet = []string{"X-Remote-User: nobody"} }))
	answer := frontRaw(t, f, "POST / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Remote-User, X_remote_user, X-Sum\r\n\r\n"+
		"1\r\nx\r\n0\r\nX-Remote-User: root\r\nX_remote_user: root\r\nX-Sum: 1\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
		t.Fatal(answer)
	}
	r := frontWait(t, seen, "the request")
	if r.Header.Get("X-Remote-User") != "nobody" || len(r.Trailer["X-Remote-User"])+len(r.Trailer["X_remote_user"]) > 0 || r.Trailer.Get("X-Sum") != "1" {
		t.Errorf("%v %v", r.Header, r.Trailer)
	}
}

func TestHeaders_OfEveryResponseAreChanged(t *testing.T) {
	backend := frontBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Powered-By"] = []string{"PHP", "Zend"}
		w.Header().Set("X-Frame-Options", "SAMEORIGIN")
		w.Header().Set("Cache-Control", "private")
		if r.URL.Path == "/304" {
			w.WriteHeader(304)
			return
		}
		_, _ = io.WriteString(w, "x")
	})
	root := filesFolder(t, map[string]string{"files/x.txt": "x"})
	f := newServedFront(t, frontConfig(backend.URL, func(c *Config) {
		c.Sites[0].Headers = Headers{
			ResponseRemove: []string{"x-powered-by"}, ResponseSet: []string{"X-Content-Type-Options: nosniff", "X-Id: {request_id}"},
			ResponseDefault: []string{"X-Frame-Options: DENY"}, ResponseAdd: []string{"Cache-Control: no-transform"},
		}
		c.Sites[0].Routes = []Route{
			{Path: "/files/", Rules: Rules{Root: root, Headers: Headers{ResponseSet: []string{"Cache-Control: max-age=60"}}}},
			{Path: "/moved", Rules: Rules{Redirect: "/"}}, {Path: "/denied", Rules: Rules{Deny: []string{"all"}}}, routeTestRespond(410, Route{Path: "/gone"}),
		}
	}))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		for path, want := range map[string]struct {
			status       int
			frame, cache string
		}{
			"/": {200, "SAMEORIGIN", "private|no-transform"}, "/304": {304, "SAMEORIGIN", "private|no-transform"}, "/files/x.txt": {200, "DENY", "max-age=60"}, "/files/none": {404, "DENY", "max-age=60"},
			"/moved": {302, "DENY", "no-transform"}, "/denied": {403, "DENY", "no-store|no-transform"}, "/gone": {410, "DENY", "no-store|no-transform"},
		} {
			res, _ := frontGet(t, client, "https://api.example.com"+path)
			h := res.Header
			if res.StatusCode != want.status || h.Get("X-Frame-Options") != want.frame || strings.Join(h["Cache-Control"], "|") != want.cache || h["X-Powered-By"] != nil ||
				!slices.Equal(h["X-Content-Type-Options"], []string{"nosniff"}) || h.Get("X-Id") != h.Get("X-Request-Id") {
				t.Errorf("%s: %d %v", path, res.StatusCode, h)
			}
		}
	})
}

func TestHeaders_LeaveAnUpgradeAlone(t *testing.T) {
	backend := frontBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		w.WriteHeader(http.StatusSwitchingProtocols)
	})
	f := newServedFront(t, frontConfig(backend.URL, func(c *Config) { c.Sites[0].ResponseSet = []string{"X-A: b"} }))
	c, r := f.raw(t)
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "websocket" {
		t.Errorf("%v %v", res, err)
	}
}

func FuzzParseChange_GivesOnlyWhatCanBeSent(f *testing.F) {
	for _, seed := range []string{"X-A: b", "X-A:b\r\nX-B: c", "Host: x", "transfer-encoding: chunked", ": x", "X-A: {remote}", "X_Forwarded_For: 1", "X-A: {nope}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := parseChange(setHeader, line, isOursInRequests)
		if err != nil {
			if !strings.Contains(err.Error(), ": ") {
				t.Errorf("%q: no remedy in %q", line, err)
			}
			return
		}
		value := c.value.fill(func(string) string { return "x" })
		if strings.ContainsAny(c.name+value, "\r\n\x00") || isFraming(dashedName(c.name)) || dashedName(c.name) == "X-Forwarded-For" {
			t.Errorf("%q: %q: %q", line, c.name, value)
		}
	})
}
