package proxy

import (
	"slices"
	"testing"
	"time"
)

// problemsOf collects what a configuration reports, one line a problem.
func problemsOf(c Config) []string {
	var all []string
	c.Validate(func(key, wrong, instead string) { all = append(all, key+": "+wrong+": "+instead) })
	return all
}

func TestConfig_DefaultsAreValid(t *testing.T) {
	if got := problemsOf(frontConfig("http://localhost:7878")); got != nil {
		t.Errorf("%q", got)
	}
	if b := (Backend{}); b.HoldFor() != 20*time.Second || b.HoldsRequests() != 1000 || b.HoldsBytes() != 64<<20 || !b.PreservesHost() || b.FirstByteOr(time.Second) != time.Second {
		t.Error("defaults of a backend")
	}
	no, off := false, time.Duration(0)
	if b := (Backend{PreserveHost: &no, Hold: &off, HoldRequests: 1, HoldBytes: 2, FirstByte: 3}); b.HoldFor() != 0 || b.HoldsRequests() != 1 || b.HoldsBytes() != 2 || b.PreservesHost() || b.FirstByteOr(time.Second) != 3 {
		t.Error("what the file says does not go before the defaults")
	}
}

func TestConfig_ReportsEveryProblemWithItsRemedy(t *testing.T) {
	negative := Size(-1)
	minus := -time.Second
	for name, c := range map[string]struct {
		change func(*Config)
		want   []string
	}{
		"unknown backend":        {func(c *Config) { c.Sites[0].Backend = "apo" }, []string{`site[0].backend: there is no backend "apo": did you mean "api"?`}},
		"unknown, nothing near":  {func(c *Config) { c.Sites[0].Backend = "jupyter" }, []string{`site[0].backend: there is no backend "jupyter": write one of: api`}},
		"no backends":            {func(c *Config) { c.Backends = nil }, []string{`site[0].backend: there is no backend "api": add a [[backend]] table with name = "api"`}},
		"missing backend":        {func(c *Config) { c.Sites[0].Backend = "" }, []string{`site[0].backend: is missing: write the name of the [[backend]] that serves this site, or root, redirect or respond`}},
		"two backends, one name": {func(c *Config) { c.Backends = append(c.Backends, c.Backends[0]) }, []string{`backend[1].name: "api" is the name of an earlier backend: give each backend its own name`}},
		"no scheme":              {func(c *Config) { c.Backends[0].URL = "localhost:7878" }, []string{`backend[0].url: "localhost:7878" has no scheme that gateway speaks to a backend: write "http://localhost:7878"`}},
		"a bare path":            {func(c *Config) { c.Backends[0].URL = "/run/api.sock" }, []string{`backend[0].url: "/run/api.sock" has no scheme that gateway speaks to a backend: write "unix:/run/api.sock"`}},
		"relative socket":        {func(c *Config) { c.Backends[0].URL = "unix:api.sock" }, []string{`backend[0].url: "unix:api.sock" names no absolute path: write http://host:port, https://host:port or unix:/path, such as "http://localhost:7878"`}},
		"password in a URL":      {func(c *Config) { c.Backends[0].URL = "http://u:p@localhost:1" }, []string{`backend[0].url: "http://u:xxxxx@localhost:1" holds more than scheme, host, port and path: write http://host:port, https://host:port or unix:/path, such as "http://localhost:7878"`}},
		"query in a URL":         {func(c *Config) { c.Backends[0].URL = "http://localhost:1/?q" }, []string{`backend[0].url: "http://localhost:1/?q" holds more than scheme, host, port and path: write http://host:port, https://host:port or unix:/path, such as "http://localhost:7878"`}},
		"bad port":               {func(c *Config) { c.Backends[0].URL = "http://localhost:78787878" }, []string{`backend[0].url: "http://localhost:78787878" has no valid host and port: write http://host:port, https://host:port or unix:/path, such as "http://localhost:7878"`}},
		"own backend":            {func(c *Config) { c.Sites[0].Listen = []string{":7878"} }, []string{`site[0].listen[0]: ":7878" is where backend "api" listens (http://localhost:7878): give the site another port, or the backend`}},
		"own backend by IPv6":    {func(c *Config) { c.Sites[0].Listen = []string{"[::1]:7878"} }, []string{`site[0].listen[0]: "[::1]:7878" is where backend "api" listens (http://localhost:7878): give the site another port, or the backend`}},
		"another address":        {func(c *Config) { c.Sites[0].Listen = []string{"10.0.0.1:7878"} }, nil},
		"a bare port":            {func(c *Config) { c.Sites[0].Listen = []string{"443"} }, []string{`site[0].listen[0]: "443" is not an address: write it with a port, such as ":443", "127.0.0.1:7879" or "[::1]:443"`}},
		"no listen":              {func(c *Config) { c.Sites[0].Listen = nil }, []string{`site[0].listen: is missing: write the addresses to serve on, such as [":443"]`}},
		"listen twice":           {func(c *Config) { c.Sites[0].Listen = []string{":443", ":443"} }, []string{`site[0].listen[1]: names ":443" a second time: write each address once`}},
		"overlapping": {func(c *Config) { c.Sites[0].Listen = []string{":443", "127.0.0.1:443"} },
			[]string{`site[0].listen[1]: "127.0.0.1:443" can't be listened on beside ":443" (site[0].listen[0]): write ":443" in both, or the addresses one by one`}},
		"plain and TLS": {func(c *Config) { c.Sites[0].Listen = []string{":443", "http://:443"} },
			[]string{`site[0].listen[1]: ":443" is plain HTTP only in one place and has TLS in another (site[0].listen[0]): write it the same way in both; a port with TLS serves plain HTTP too, see plain = "proxy"`}},
		"plain":             {func(c *Config) { c.Sites[0].Plain = "yes" }, []string{`site[0].plain: is "yes": write "redirect", "proxy" or "refuse"`}},
		"no name":           {func(c *Config) { c.Sites[0].Name = "" }, []string{`site[0].name: is missing: write the public name, such as "api.example.com"`}},
		"URL as name":       {func(c *Config) { c.Sites[0].Name = "https://api.example.com" }, []string{`site[0].name: "https://api.example.com" is a URL: write the host name alone`}},
		"port in name":      {func(c *Config) { c.Sites[0].Name = "api.example.com:443" }, []string{`site[0].name: "api.example.com:443" is not a host name: write it without port and path, such as "api.example.com"`}},
		"wildcard":          {func(c *Config) { c.Sites[0].Name = "api.*.com" }, []string{`site[0].name: "api.*.com" has its wildcard in the wrong place: write it as the whole first label, such as "*.example.com"`}},
		"bare wildcard":     {func(c *Config) { c.Sites[0].Name = "*" }, []string{`site[0].name: "*" has its wildcard in the wrong place: write it as the whole first label, such as "*.example.com"`}},
		"Chinese name":      {func(c *Config) { c.Sites[0].Name = "例子.com" }, []string{`site[0].name: "例子.com" has letters that DNS does not know: write it as DNS does: "xn--fsqu00a.com"`}},
		"name of two words": {func(c *Config) { c.Sites[0].Name = "api example.com" }, []string{`site[0].name: "api example.com" is not a host name: write it without port and path, such as "api.example.com"`}},
		"path in name":      {func(c *Config) { c.Sites[0].Name = "api.example.com/x" }, []string{`site[0].name: "api.example.com/x" is not a host name: write it without port and path, such as "api.example.com"`}},
		"wildcard of words": {func(c *Config) { c.Sites[0].Name = "*.ex ample.com" }, []string{`site[0].name: "*.ex ample.com" has its wildcard in the wrong place: write it as the whole first label, such as "*.example.com"`}},
		"good names": {func(c *Config) {
			c.Sites[0].Aliases = []string{"*.example.com", "10.0.0.1", "::1", "localhost", "a_b.test."}
		}, nil},
		"alias twice": {func(c *Config) { c.Sites[0].Aliases = []string{"API.example.com"} }, []string{`site[0].aliases[0]: "API.example.com" is named twice in this site: write each name once`}},
		"name of two sites": {func(c *Config) {
			c.Sites = append(c.Sites, Site{Name: "b.test", Aliases: []string{"api.example.com."}, Listen: []string{":443"}, Backend: "api"})
		}, []string{`site[1].aliases[0]: "api.example.com" belongs to site[0] on :443 already: give each name of an address to one site`}},
		"one name on two addresses": {func(c *Config) {
			c.Sites = append(c.Sites, Site{Name: "api.example.com", Listen: []string{":8443"}, Backend: "api"})
		}, nil},
		"two defaults": {func(c *Config) {
			c.Sites[0].Default = true
			c.Sites = append(c.Sites, Site{Name: "b.test", Listen: []string{":443", "http://:80"}, Backend: "api", Default: true})
		}, []string{`site[1].default: site[0] is the default on :443 already: write default = true in one site of an address`}},
		"routes": {func(c *Config) {
			c.Sites[0].Routes = []Route{{Path: "x", Backend: "api"}, {Path: "/a", Backend: "api"}, {Path: "/a", Backend: "api"}, {Path: "/", Backend: "api"}, {Path: "/b?c", Backend: "api"}, {Path: "/c/../d"}, {Path: "/e", Backend: "ap", Body: &negative}}
		}, []string{
			`site[0].route[0].path: "x" does not start with a slash: write "/x"`,
			`site[0].route[2].path: "/a" stands in an earlier route of this site: write each path once`,
			`site[0].route[3].path: is "/", which the site itself answers already: leave out what the site itself answers with, or this route`,
			`site[0].route[4].path: "/b?c" holds a character that no path prefix has: write the path as it reads in a browser, without query, wildcards or escapes`,
			`site[0].route[5].path: "/c/../d" can be read in more than one way: write it without "//", "." and ".."`,
			`site[0].route[5].backend: is missing: write the name of the [[backend]] that serves this path, or root, redirect or respond`,
			`site[0].route[6].body: is negative: write a size such as "10MB", or "0" for no limit`,
			`site[0].route[6].backend: there is no backend "ap": did you mean "api"?`,
		}},
		"limits": {func(c *Config) {
			c.Limits = Limits{Connections: 0, ConnectionsPerAddress: -1, Streams: 1 << 40, HeaderLines: 100, Header: 1, Body: -1, Buffer: 1 << 40}
		}, []string{
			`limits.connections: is 0, which is too small: write a number from 1 on, or leave it out`,
			`limits.connections_per_address: is -1, which is too small: write a number from 1 on, or leave it out`,
			`limits.streams: is more than HTTP/2 can count: write a number such as 128`,
			`limits.header: is 1B, which is out of range: write a size from "4KB" to "16MB"`,
			`limits.buffer: is 1024GB, which is out of range: write a size from "0" to "16MB"`,
			`limits.body: is negative: write a size such as "10MB", or "0" for no limit`,
		}},
		"timeouts": {func(c *Config) {
			c.Timeouts.Body, c.Timeouts.Write, c.Timeouts.Idle, c.Timeouts.Drain = 30, 0, 48*time.Hour, minus
			c.Backends[0].FirstByte, c.Backends[0].Hold = 60, &minus
		}, []string{
			`timeouts.body: is 30ns, which is no time at all: write it with its unit, such as "30s"`,
			`timeouts.write: is 0s, which is no time at all: write it with its unit, such as "60s"`,
			`timeouts.idle: is 48h0m0s, which is longer than a day: write "2m"`,
			`timeouts.drain: is -1s, and no time is negative: write "30s"`,
			`backend[0].first_byte: is 60ns, which is no time at all: write it with its unit, such as "2m"`,
			`backend[0].hold: is -1s, and no time is negative: write "20s"`,
		}},
		"counts": {func(c *Config) {
			c.Backends[0].Connections, c.Backends[0].HoldRequests, c.Backends[0].HoldBytes = -1, -1, -1
			c.TrustedProxies = []string{"10.0.0.0/8", "::1", "10.0.0", "example.com"}
		}, []string{
			`trusted_proxies[2]: "10.0.0" is no address and no network: write such as "10.0.0.5" or "10.0.0.0/8"`,
			`trusted_proxies[3]: "example.com" is no address and no network: write such as "10.0.0.5" or "10.0.0.0/8"`,
			`backend[0].connections: is negative: write the most connections this backend can take, or leave it out for no limit`,
			`backend[0].hold_requests: is negative: write a number such as 1000`,
			`backend[0].hold_bytes: is negative: write a size such as "64MB"`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := frontConfig("http://localhost:7878", c.change)
			if got := problemsOf(cfg); !slices.Equal(got, c.want) {
				t.Errorf("got:\n%q\nwant:\n%q", got, c.want)
			}
		})
	}
}

func TestConfig_NearestNameIsNoWildGuess(t *testing.T) {
	for name, want := range map[string]string{"jupiter": "jupyter", "APi": "api", "pai": "api", "jupyterhub": "", "x": ""} {
		if got := nearest(name, []string{"api", "jupyter"}); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func FuzzConfig_WhatIsValidCanBeBuilt(f *testing.F) {
	f.Add("api.example.com", ":443", "http://localhost:7878", "/api", "10.0.0.0/8")
	f.Add("*.x.y", "http://[::1%lo]:1", "unix:/x", "/", "::1")
	f.Fuzz(func(t *testing.T, name, listen, url, path, proxy string) {
		cfg := frontConfig(url, func(c *Config) {
			c.Sites[0] = Site{Name: name, Aliases: []string{path}, Listen: []string{listen}, Routes: []Route{{Path: path, Backend: "api"}}}
			c.TrustedProxies = []string{proxy}
		})
		h, err := NewHandler(cfg, Deps{Log: newDiscardLog()})
		if len(problemsOf(cfg)) == 0 && err != nil {
			t.Fatalf("%+v is valid, but: %v", cfg, err)
		}
		if err == nil {
			h.Close()
		}
	})
}
