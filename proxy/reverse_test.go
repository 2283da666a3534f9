package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestReversal_MapsTheBackendsAddressBack(t *testing.T) {
	whole := reversal{backend: authority{"localhost", "7878"}, scheme: "http", public: authority{"api.example.com", "7879"}, protocol: "https"}
	stripped := reversal{backend: authority{"localhost", "7878"}, scheme: "http", public: authority{"api.example.com", ""}, protocol: "https", outer: "/api"}
	based := reversal{backend: authority{"localhost", ""}, scheme: "http", inner: "/base", public: authority{"api.example.com", ""}, protocol: "https", outer: "/api"}
	for _, c := range []struct {
		r          reversal
		from, want string
	}{
		{whole, "http://localhost:7878/x?y#z", "https://api.example.com:7879/x?y#z"},
		{whole, "HTTP://LOCALHOST:7878", "https://api.example.com:7879"},
		{whole, "http://localhost:7878?q", "https://api.example.com:7879?q"},
		{whole, "http://localhost/x", "http://localhost/x"},
		{whole, "https://localhost:7878/x", "https://localhost:7878/x"},
		{whole, "http://localhost:78789/x", "http://localhost:78789/x"},
		{whole, "http://localhost:7878@evil.test/", "http://localhost:7878@evil.test/"},
		{whole, "http://api.example.com:7879/x", "https://api.example.com:7879/x"},
		{whole, "https://api.example.com:7879/x", "https://api.example.com:7879/x"},
		{whole, "http://api.example.com/x", "http://api.example.com/x"},
		{whole, "http://other.example.com:7879/x", "http://other.example.com:7879/x"},
		{whole, "/x", "/x"}, {whole, "x/y", "x/y"}, {whole, "../x", "../x"}, {whole, "?q", "?q"}, {whole, "", ""}, {whole, "//other/x", "//other/x"},
		{whole, "/login?next=http://localhost:7878/x", "/login?next=http://localhost:7878/x"},
		{whole, "weixin://dl/business", "weixin://dl/business"},
		{whole, "http://[::1/x", "http://[::1/x"},
		{stripped, "http://localhost:7878/x", "https://api.example.com/api/x"},
		{stripped, "http://localhost:7878/api/x", "https://api.example.com/api/api/x"},
		{stripped, "http://localhost:7878", "https://api.example.com/api"},
		{stripped, "http://api.example.com/x", "https://api.example.com/api/x"},
		{stripped, "https://api.example.com/api/x", "https://api.example.com/api/x"},
		{stripped, "/x", "/api/x"}, {stripped, "/", "/api/"}, {stripped, "/api/x", "/api/x"}, {stripped, "/apix", "/api/apix"}, {stripped, "x", "x"},
		{based, "http://localhost/base/x", "https://api.example.com/api/x"},
		{based, "http://localhost:80/base", "https://api.example.com/api"},
		{based, "http://localhost/basement", "https://api.example.com/basement"},
		{based, "/base/x", "/api/x"}, {based, "/base?q", "/api?q"}, {based, "/other", "/other"},
	} {
		if got := c.r.url(c.from); got != c.want {
			t.Errorf("%q became %q, want %q", c.from, got, c.want)
		}
	}
}

func TestReversal_MapsRefreshAndCookies(t *testing.T) {
	r := reversal{backend: authority{"localhost", "7878"}, scheme: "http", public: authority{"api.example.com", ""}, protocol: "https", outer: "/api"}
	for from, want := range map[string]string{
		"5; url=http://localhost:7878/x":   "5; url=https://api.example.com/api/x",
		"0;URL='http://localhost:7878/x'":  "0;URL='https://api.example.com/api/x'",
		`0; url="/x"`:                      `0; url="/api/x"`,
		"5":                                "5",
		"5; url=":                          "5; url=",
		"5; url=https://other.example.com": "5; url=https://other.example.com",
		"İİİİ; url=/x":                     "İİİİ; url=/api/x",
	} {
		if got := r.refresh(from); got != want {
			t.Errorf("Refresh %q became %q, want %q", from, got, want)
		}
	}
	for from, want := range map[string]string{
		"a=b; Path=/; HttpOnly":            "a=b; Path=/api; HttpOnly",
		"a=b; path=/x;Secure":              "a=b; path=/api/x;Secure",
		"a=b; Path=/api/x":                 "a=b; Path=/api/x",
		"a=b; Domain=localhost; Path=/":    "a=b; Domain=api.example.com; Path=/api",
		"a=b; domain=.LOCALHOST":           "a=b; domain=api.example.com",
		"a=b; Domain=example.com":          "a=b; Domain=example.com",
		"path=/; x=/":                      "path=/; x=/",
		"a=b":                              "a=b",
		"a=b; Path=; Max-Age=1; SameSite":  "a=b; Path=; Max-Age=1; SameSite",
		"a=b;Expires=Thu, 01 Jan 1970;x;;": "a=b;Expires=Thu, 01 Jan 1970;x;;",
	} {
		if got := r.cookie(from); got != want {
			t.Errorf("cookie %q became %q, want %q", from, got, want)
		}
	}
	r.public.name = "10.0.0.1"
	if got := r.cookie("a=b; Domain=localhost; Path=/x"); got != "a=b; Path=/api/x" {
		t.Errorf("cookie for an address: %q", got)
	}
	r.outer, r.inner = "", "/base"
	if got := r.cookie("a=b; Path=/base"); got != "a=b; Path=/" {
		t.Errorf("cookie of a base path: %q", got)
	}
}

func TestReversal_HappensOnTheWayBack(t *testing.T) {
	var own string
	backend := frontBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Set-Cookie"] = []string{"a=1; Path=/", "b=2; Path=/x; Domain=127.0.0.1"}
		w.Header().Set("Content-Location", own+"/cl")
		w.Header().Set("Location", map[bool]string{true: "http://" + r.Host + "/host", false: own + "/loc"}[r.URL.Path == "/host"])
		w.WriteHeader(http.StatusFound)
	})
	own = backend.URL
	f := newFront(t, frontConfig(own, func(c *Config) {
		c.Sites[0].Routes = []Route{{Path: "/api/", Backend: "api", Strip: true}}
	}))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		res, _ := frontGet(t, client, "https://api.example.com:7879/api/x")
		got := res.Header.Get("Location") + " " + res.Header.Get("Content-Location") + " " + strings.Join(res.Header["Set-Cookie"], "|")
		if got != "https://api.example.com:7879/api/loc https://api.example.com:7879/api/cl a=1; Path=/api|b=2; Path=/api/x; Domain=api.example.com" {
			t.Error(got)
		}
		if res, _ := frontGet(t, client, "https://api.example.com:7879/host"); res.Header.Get("Location") != "https://api.example.com:7879/host" {
			t.Error(res.Header.Get("Location"))
		}
	})
}

func FuzzReversal_LeavesOtherServersAlone(f *testing.F) {
	for _, seed := range []string{"http://localhost:7878/x", "//localhost:7878", "5; url='x'", "/x?y", "http://other/", "a=b; path=/; domain=x"} {
		f.Add(seed)
	}
	r := reversal{backend: authority{"localhost", "7878"}, scheme: "http", public: authority{"api.example.com", ""}, protocol: "https", outer: "/api"}
	f.Fuzz(func(t *testing.T, value string) {
		_, _ = r.refresh(value), r.cookie(value)
		before, err := url.Parse(value)
		after, err2 := url.Parse(r.url(value))
		if err != nil || err2 != nil || before.Host == after.Host {
			return
		}
		if !strings.EqualFold(before.Host, "localhost:7878") {
			t.Fatalf("%q became %q", value, after)
		}
	})
}
