package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// routeRaw is one request to a front, byte by byte, and what the backend read.
func routeRaw(t *testing.T, f *front, seen <-chan *http.Request, head string) *http.Request {
	t.Helper()
	answer := frontRaw(t, f, head)
	select {
	case r := <-seen:
		return r
	default:
		t.Fatalf("the backend saw nothing of %q: %s", head, answer)
		return nil
	}
}

// routeRecorder is a backend that shows the requests it got.
func routeRecorder(t *testing.T) (*httptest.Server, <-chan *http.Request) {
	t.Helper()
	seen := make(chan *http.Request, 100)
	return frontBackend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		seen <- r
	}), seen
}

func TestRewrite_SendsPathAndQueryByteForByte(t *testing.T) {
	backend, seen := routeRecorder(t)
	f := newFront(t, frontConfig(backend.URL))
	for _, target := range []string{
		"/", "/?", "/a?", "/a??", "/a?b;c=d;e", "/a?x=%zz", "/a?x=%", "/a?+=+%20", "/a//b", "//a", "//a//", "///", "/a%2Fb", "/a%2fB", "/%7Euser/~user",
		"/a/./b/../c", "/%E4%B8%AD?q=%E4%B8%AD", "/a;b=c;d", "/a:b@c!$&'()*+,=", "/a|b\"<>^`{}", "//|x", "/a?q=http://x/?y#", "/[::]", "/a?a=1&a=2&&", "/\\x",
		"/中?q=中", "//中",
	} {
		if strings.Contains(target, "#") {
			continue
		}
		r := routeRaw(t, f, seen, "GET "+target+" HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n")
		got := strings.TrimPrefix(r.RequestURI, "http://"+strings.TrimPrefix(backend.URL, "http://")) // the absolute form of //中
		if got != target {
			t.Errorf("sent %q, the backend read %q", target, r.RequestURI)
		}
	}
}

func TestRewrite_KeepsPathAndQueryOverHTTP2(t *testing.T) {
	backend, seen := routeRecorder(t)
	f := newFront(t, frontConfig(backend.URL))
	for _, target := range []string{"/a%2Fb?x=%zz;y", "//x?", "/a?b+c"} {
		r, _ := http.NewRequest("GET", "https://api.example.com"+target, nil)
		frontDo(t, f.client(t, true), r)
		if got := frontWait(t, seen, "the request").RequestURI; got != target {
			t.Errorf("sent %q, the backend read %q", target, got)
		}
	}
}

func TestRewrite_TakesTheAbsoluteFormApart(t *testing.T) {
	backend, seen := routeRecorder(t)
	f := newFront(t, frontConfig(backend.URL))
	r := routeRaw(t, f, seen, "GET http://api.example.com/a?b HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n")
	if r.RequestURI != "/a?b" || r.Host != "api.example.com" {
		t.Errorf("%s %s", r.RequestURI, r.Host)
	}
}

func TestRewrite_SetsForwardingHeadersAfresh(t *testing.T) {
	backend, seen := routeRecorder(t)
	f := newFront(t, frontConfig(backend.URL))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		frontGet(t, client, "https://api.example.com:7879/",
			"X-Forwarded-For", "6.6.6.6", "X-Forwarded-Proto", "gopher", "X-Forwarded-Host", "evil", "X-Forwarded-Port", "1", "X-Forwarded-Server", "evil",
			"X-Forwarded-Ssl", "on", "X-Real-Ip", "6.6.6.6", "Forwarded", "for=6.6.6.6", "X_Forwarded_For", "6.6.6.6", "X.Real.Ip", "6.6.6.6", "X_forwarded_user", "root",
			"Content_Length", "7", "Proxy", "http://evil", "Access_token", "kept", "A-B", "1", "A_b", "2")
		r := frontWait(t, seen, "the request")
		_, port, _ := strings.Cut(f.Listener.Addr().String(), ":")
		for name, want := range map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "api.example.com:7879", "X-Forwarded-Port": port,
			"X-Real-Ip": "127.0.0.1", "Forwarded": `for=127.0.0.1;host="api.example.com:7879";proto=https`, "Access_token": "kept", "A-B": "1",
		} {
			if got := strings.Join(r.Header[name], "|"); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		for _, gone := range []string{"X_forwarded_for", "X_Forwarded_For", "X.real.ip", "X_forwarded_user", "Content_length", "Proxy", "A_b", "X-Forwarded-Server", "X-Forwarded-Ssl"} {
			if value, found := r.Header[gone]; found {
				t.Errorf("%s passed: %q", gone, value)
			}
		}
	})
}

func TestRewrite_ConnectionCannotStripWhatGatewaySets(t *testing.T) {
	backend, seen := routeRecorder(t)
	f := newFront(t, frontConfig(backend.URL))
	r := routeRaw(t, f, seen, "GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close, X-Forwarded-For, X-Real-Ip, X-Request-Id, Forwarded, X-Custom\r\nX-Custom: 1\r\n\r\n")
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "X-Request-Id", "Forwarded"} {
		if r.Header.Get(name) == "" {
			t.Errorf("%s was stripped", name)
		}
	}
	if r.Header.Get("X-Custom") != "" {
		t.Error("X-Custom was named by Connection and passed")
	}
}

func TestRewrite_BelievesTrustedProxiesOnly(t *testing.T) {
	backend, seen := routeRecorder(t)
	f := newFront(t, frontConfig(backend.URL, func(c *Config) { c.TrustedProxies = []string{"127.0.0.1", "10.0.0.0/8", "2001:db8::/32"} }))
	for _, c := range []struct{ sent, client, list string }{
		{"203.0.113.9", "203.0.113.9", "203.0.113.9, 127.0.0.1"},
		{"1.1.1.1, 203.0.113.9, 10.1.2.3", "203.0.113.9", "1.1.1.1, 203.0.113.9, 10.1.2.3, 127.0.0.1"},
		{"10.9.9.9, 10.1.2.3", "10.9.9.9", "10.9.9.9, 10.1.2.3, 127.0.0.1"},
		{"[2001:db9::1]:5000", "2001:db9::1", "[2001:db9::1]:5000, 127.0.0.1"},
		{"evil, 10.1.2.3", "10.1.2.3", "evil, 10.1.2.3, 127.0.0.1"},
		{"", "127.0.0.1", "127.0.0.1"},
	} {
		frontGet(t, f.client(t, false), "https://api.example.com/", "X-Forwarded-For", c.sent, "X-Forwarded-Proto", "http", "X-Forwarded-Host", "www.example.com", "X-Forwarded-Port", "8080", "X-Forwarded-Prefix", "/kept")
		r := frontWait(t, seen, "the request")
		if r.Header.Get("X-Real-Ip") != c.client || r.Header.Get("X-Forwarded-For") != c.list {
			t.Errorf("sent %q: client %q, list %q", c.sent, r.Header.Get("X-Real-Ip"), r.Header.Get("X-Forwarded-For"))
		}
		if got := r.Header.Get("X-Forwarded-Proto") + r.Header.Get("X-Forwarded-Host") + r.Header.Get("X-Forwarded-Port") + r.Header.Get("X-Forwarded-Prefix"); got != "httpwww.example.com8080/kept" {
			t.Errorf("not believed: %q", got)
		}
		if x := frontWait(t, f.exchanges, "the exchange"); x.client != c.client {
			t.Errorf("logged client %q", x.client)
		}
	}
}

func TestOrigin_ReadsForwardedWhereThereIsNoXForwardedFor(t *testing.T) {
	own, err := parseNetworks([]string{"::1"})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "[::1]:999"
	r.Header.Set("Forwarded", `for=192.0.2.1, For="[2001:db8:cafe::17]:4711";proto=https, for="[::1]"`)
	o := trustedProxies{own}.originOf(r, nil)
	if o.client != "2001:db8:cafe::17" {
		t.Errorf("client %q", o.client)
	}
	out := http.Header{}
	o.setForwarded(out, r.Header, new(values))
	if want := `for=192.0.2.1, For="[2001:db8:cafe::17]:4711";proto=https, for="[::1]", for="[::1]";host=example.com;proto=http`; out.Get("Forwarded") != want {
		t.Errorf("Forwarded: %s", out.Get("Forwarded"))
	}
}

func TestRewrite_KeepsOrMakesARequestID(t *testing.T) {
	backend, seen := routeRecorder(t)
	f := newFront(t, frontConfig(backend.URL))
	for given, kept := range map[string]bool{"abc-123_X.9": true, strings.Repeat("a", 128): true, strings.Repeat("a", 129): false, "": false, "a b": false, "a\"b": false, "中": false} {
		res, _ := frontGet(t, f.client(t, false), "https://api.example.com/", "X-Request-Id", given)
		r := frontWait(t, seen, "the request")
		id := r.Header.Get("X-Request-Id")
		if kept != (id == given) || res.Header.Get("X-Request-Id") != id || id == "" {
			t.Errorf("given %q: backend %q, client %q", given, id, res.Header.Get("X-Request-Id"))
		}
	}
	r := routeRaw(t, f, seen, "GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\nX-Request-Id: a\r\nX-Request-Id: b\r\n\r\n")
	if ids := r.Header["X-Request-Id"]; len(ids) != 1 || len(ids[0]) != 32 {
		t.Errorf("two ids became %q", ids)
	}
}

func TestRewrite_TakesHopByHopHeadersOff(t *testing.T) {
	backend, seen := routeRecorder(t)
	f := newFront(t, frontConfig(backend.URL))
	r := routeRaw(t, f, seen, "GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close, Upgrade, HTTP2-Settings\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\n"+
		"Proxy-Authorization: x\r\nTE: trailers, deflate\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n")
	for _, name := range []string{"Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Upgrade", "Http2-Settings", "Connection"} {
		if got := r.Header.Get(name); got != "" {
			t.Errorf("%s: %s passed", name, got)
		}
	}
	if r.Header.Get("Te") != "trailers" || r.Header.Get("User-Agent") != "" {
		t.Errorf("TE %q, User-Agent %q", r.Header.Get("Te"), r.Header.Get("User-Agent"))
	}
}

func TestRewrite_HostIsTheClientsUnlessTheFileSaysOtherwise(t *testing.T) {
	backend, seen := routeRecorder(t)
	no := false
	f := newFront(t, frontConfig(backend.URL, func(c *Config) {
		c.Backends = append(c.Backends, Backend{Name: "own", URL: backend.URL, PreserveHost: &no})
		c.Sites[0].Routes = []Route{{Path: "/own", Backend: "own"}}
	}))
	for target, want := range map[string]string{"/": "API.example.com:7879", "/own": strings.TrimPrefix(backend.URL, "http://")} {
		r := routeRaw(t, f, seen, "GET "+target+" HTTP/1.1\r\nHost: API.example.com:7879\r\nConnection: close\r\n\r\n")
		if r.Host != want || r.Header.Get("X-Forwarded-Host") != "API.example.com:7879" {
			t.Errorf("%s: Host %q, X-Forwarded-Host %q", target, r.Host, r.Header.Get("X-Forwarded-Host"))
		}
	}
	if r := routeRaw(t, f, seen, "GET / HTTP/1.0\r\n\r\n"); r.Host != "api.example.com" {
		t.Errorf("HTTP/1.0 without Host: %q", r.Host)
	}
}

func TestRewrite_SpeaksToAUnixSocket(t *testing.T) {
	socket := t.TempDir() + "/api.sock"
	backend := httptest.NewUnstartedServer(http.HandlerFunc(frontEcho))
	backend.Listener.Close()
	backend.Listener = listenUnix(t, socket)
	backend.Start()
	t.Cleanup(backend.Close)
	f := newFront(t, frontConfig("unix:"+socket))
	if res, body := frontGet(t, f.client(t, true), "https://api.example.com/x"); res.StatusCode != 200 || !strings.HasPrefix(body, "GET /x HTTP/1.1\r\nHost: api.example.com\r\n") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func FuzzRewrite_NoForgedForwardingHeaderSurvives(f *testing.F) {
	for _, seed := range [][3]string{{"X-Forwarded-For", "6.6.6.6", "/a?b;c"}, {"X_forwarded-FOR", "6.6.6.6", "//?%"}, {"x.real_ip", "6.6.6.6", "/%2e%2e?"}, {"Connection", "X-Forwarded-For", "/"}} {
		f.Add(seed[0], seed[1], seed[2])
	}
	var got *http.Request
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }))
	defer backend.Close()
	h, err := NewHandler(frontConfig(backend.URL), Deps{Log: newDiscardLog()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name, value, target string) {
		head := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: api.example.com\r\n%s: %s\r\n\r\n", target, name, value)
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
		if err != nil {
			return
		}
		r.RemoteAddr, got = "192.0.2.1:1234", nil
		h.ServeHTTP(httptest.NewRecorder(), r)
		if got == nil {
			return
		}
		_, query, found := strings.Cut(r.RequestURI, "?")
		_, gotQuery, gotFound := strings.Cut(got.RequestURI, "?")
		if query != gotQuery || found != gotFound {
			t.Fatalf("query of %q became %q", r.RequestURI, got.RequestURI)
		}
		for name, values := range got.Header {
			switch cgi := strings.ReplaceAll(strings.ToUpper(dashedName(name)), "-", "_"); {
			case strings.HasPrefix(cgi, "X_FORWARDED_") && strings.Contains(strings.Join(values, ""), "6.6.6.6"),
				cgi == "X_FORWARDED_FOR" && strings.Join(values, "|") != "192.0.2.1", cgi == "X_REAL_IP" && strings.Join(values, "|") != "192.0.2.1":
				t.Fatalf("%s: %q reached the backend", name, values)
			}
		}
		if got.Header.Get("X-Forwarded-For") != "192.0.2.1" || len(got.Header["Forwarded"]) != 1 {
			t.Fatalf("headers of gateway are missing: %v", got.Header)
		}
	})
}
