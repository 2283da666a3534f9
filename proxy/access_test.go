package proxy

import (
	"net/http"
	"testing"
)

func TestAccess_ServesWhomTheFileAllows(t *testing.T) {
	for _, c := range []struct {
		allow, deny []string
		client      string
		want        bool
	}{
		{nil, []string{"10.0.0.0/8"}, "10.1.2.3", false},
		{nil, []string{"10.0.0.0/8"}, "192.0.2.1", true},
		{[]string{"10.0.0.0/8"}, nil, "10.1.2.3", true},
		{[]string{"10.0.0.0/8"}, nil, "192.0.2.1", false},
		{[]string{"10.0.0.0/8"}, []string{"10.0.0.66"}, "10.0.0.66", false},
		{[]string{"all"}, []string{"10.0.0.66"}, "2001:db8::1", true},
		{nil, []string{"all"}, "2001:db8::1", false},
		{nil, []string{"all"}, "127.0.0.1", false},
		{[]string{"2001:db8::/32"}, nil, "2001:db8::1", true},
		{[]string{"::ffff:192.0.2.1"}, nil, "192.0.2.1", true},
		{[]string{"all"}, nil, "@", false}, // a socket without an address
	} {
		a, err := Rules{Allow: c.allow, Deny: c.deny}.access()
		if err != nil {
			t.Fatal(err)
		}
		if got := a.admits(c.client); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if a, err := (Rules{}).access(); a != nil || err != nil {
		t.Error("rules that are silent cost something")
	}
}

func TestAccess_GoesByTheAddressThatATrustedProxyTells(t *testing.T) {
	backend := frontBackend(t, frontEcho)
	for _, c := range []struct {
		trusted []string
		want    int
	}{{[]string{"127.0.0.1"}, 200}, {nil, 403}} {
		f := newServedFront(t, frontConfig(backend.URL, func(cfg *Config) {
			cfg.TrustedProxies, cfg.Sites[0].Allow = c.trusted, []string{"203.0.113.0/24"}
		}))
		bothProtocols(t, f, func(t *testing.T, client *http.Client) {
			if res, _ := frontGet(t, client, "https://api.example.com/", "X-Forwarded-For", "203.0.113.7"); res.StatusCode != c.want {
				t.Errorf("trusted %v: %d", c.trusted, res.StatusCode)
			}
			if res, _ := frontGet(t, client, "https://api.example.com/", "X-Forwarded-For", "203.0.113.7, 192.0.2.1"); res.StatusCode != 403 {
				t.Errorf("a forged address before the real one: %d", res.StatusCode)
			}
		})
	}
}

func TestAccess_OfARouteTakesThePlaceOfTheSites(t *testing.T) {
	f := newFront(t, filesConfig("", func(c *Config) {
		c.Sites[0].Respond, c.Sites[0].Deny = 410, []string{"all"}
		c.Sites[0].Routes = []Route{{Path: "/open/", Rules: Rules{Allow: []string{"all"}}}, routeTestRespond(404, Route{Path: "/shut/"})}
	}))
	client := f.client(t, true)
	for path, want := range map[string]int{"/": 403, "/open/": 410, "/shut/": 403} {
		if res, _ := frontGet(t, client, "https://api.example.com"+path); res.StatusCode != want {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}
