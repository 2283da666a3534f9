package proxy

import "testing"

func routeTable(t *testing.T, sites ...Site) *siteTable {
	t.Helper()
	upstreams := map[string]*upstream{}
	for _, name := range []string{"api", "jupyter", "files"} {
		upstreams[name] = &upstream{name: name}
	}
	table, err := newSiteTable(Config{Sites: sites}, upstreams)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestSiteTable_FindsExactThenWildcardThenDefault(t *testing.T) {
	table := routeTable(t,
		Site{Name: "first.example.com", Listen: []string{":443"}},
		Site{Name: "API.example.com", Aliases: []string{"example.org", "10.0.0.1", "::1"}, Listen: []string{":443", "http://:80"}},
		Site{Name: "*.example.com", Listen: []string{":443"}},
		Site{Name: "*.dev.example.com", Listen: []string{":443"}},
		Site{Name: "catch.example.com", Listen: []string{"[0::0]:8443"}},
		Site{Name: "fallback.example.com", Listen: []string{"[::]:8443"}, Default: true},
	)
	for _, c := range []struct{ endpoint, host, want string }{
		{":443", "first.example.com", "first.example.com"},
		{":443", "API.Example.COM.", "API.example.com"},
		{":443", "example.org:443", "API.example.com"},
		{":443", "10.0.0.1", "API.example.com"},
		{":443", "[0::1]:443", "API.example.com"},
		{":443", "x.example.com", "*.example.com"},
		{":443", "a.b.example.com", "first.example.com"},
		{":443", "x.dev.example.com", "*.dev.example.com"},
		{":443", "example.com", "first.example.com"},
		{":443", "other.test", "first.example.com"},
		{":443", "", "first.example.com"},
		{"http://:80", "x.example.com", "API.example.com"},
		{"[::]:8443", "other.test", "fallback.example.com"},
		{"[::]:8443", "catch.example.com", "catch.example.com"},
		{"", "fallback.example.com", "fallback.example.com"},
	} {
		name, _ := parseAuthority(c.host)
		if got := table.find(c.endpoint, name.name); got.name != c.want {
			t.Errorf("%s, Host %q: site %q, want %q", c.endpoint, c.host, got.name, c.want)
		}
	}
}

func TestSite_RoutesByTheLongestPrefixOfWholeSegments(t *testing.T) {
	s := routeTable(t, Site{Name: "x", Backend: "api", Listen: []string{":443"}, Routes: []Route{
		{Path: "/jupyter/", Backend: "jupyter"}, {Path: "/files", Backend: "files"}, {Path: "/jupyter/files", Backend: "files"}, {Path: "/中", Backend: "files"},
	}}).every.fallback
	for raw, want := range map[string]string{
		"/": "api", "/filesystem": "api", "/files": "files", "/files/": "files", "/files/x": "files",
		"/jupyter": "api", "/jupyter/": "jupyter", "/jupyter/x": "jupyter", "/jupyter/files/a": "files", "/jupyter/filesx": "jupyter",
		"/f%69les/x": "files", "/FILES": "api", "/%E4%B8%AD/a": "files", "/中/a": "files", "//": "api", "/a//b/./c": "api",
		"/files/%2e/a": "files", "/files/a%2Fb": "files", "/files/a/../b": "files", "/100%": "api", "/%zz": "api",
		"/.well-known/acme-challenge/x": "api", "/files/..b/...": "files",
	} {
		found, ok := s.route(raw)
		if !ok || found == nil || found.upstream.name != want {
			t.Errorf("%s: %+v, %v; want %s", raw, found, ok, want)
		}
	}
}

func TestSite_RefusesPathsThatReadAsTwoRoutes(t *testing.T) {
	s := routeTable(t, Site{Name: "x", Backend: "api", Listen: []string{":443"}, Routes: []Route{{Path: "/files", Backend: "files"}, {Path: "/jupyter/", Backend: "jupyter"}}}).every.fallback
	for _, raw := range []string{
		"/files/../secret", "/files/%2e%2e/secret", "/files/.%2E/x", "/files%2f..%2fsecret", "/x/../files/a", "/x/%2e%2e/files", "/files/..",
		"/files/..;/secret", "/files/..;a=b/secret", "/files%2Fx", "/files%5cx", `/files\x`, "//files/x", "/./files", "/%2ffiles",
		"/files/%252e%252e/secret", "/jupyter/../files/x", "/../x", "/x/../../y", "/%2e%2e/", "/x//../files", "/files;v=1/x", "/jupyter%2f",
	} {
		if found, ok := s.route(raw); ok {
			t.Errorf("%s went to %s", raw, found.upstream.name)
		}
	}
}

func TestSite_HasNoRouteForPathsOutsideItsPrefixes(t *testing.T) {
	s := routeTable(t, Site{Name: "x", Listen: []string{":443"}, Routes: []Route{{Path: "/files", Backend: "files"}}}).every.fallback
	if found, ok := s.route("/other"); !ok || found != nil {
		t.Errorf("route %v, %v", found, ok)
	}
	if _, ok := s.route("/files/../other"); ok {
		t.Error("a path that climbs out of the only route was let through")
	}
}

func TestRoute_RewritesThePathAsProxyPassDoes(t *testing.T) {
	for _, c := range []struct {
		prefix string
		strip  bool
		base   string
		raw    string
		want   string
	}{
		{"/", false, "", "/a%2Fb//c/;x=%zz", "/a%2Fb//c/;x=%zz"},
		{"/api", false, "", "/api/x", "/api/x"},
		{"/api", true, "", "/api/x", "/x"},
		{"/api", true, "", "/api", "/"},
		{"/api/", true, "", "/api/", "/"},
		{"/api/", true, "/", "/api/x", "/x"},
		{"/api/", true, "/base/", "/api/x", "/base/x"},
		{"/api", true, "/base", "/api/x/", "/base/x/"},
		{"/api", true, "/base", "/api", "/base"},
		{"/", false, "/base", "/x", "/base/x"},
		{"/", false, "/base/", "/", "/base/"},
		{"/api", true, "", "/%61p%69//x", "//x"},
		{"/中", true, "", "/%E4%B8%AD/a", "/a"},
	} {
		r := &route{path: c.prefix, strip: c.strip, upstream: &upstream{path: c.base}}
		if got := r.rewritten(c.raw); got != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

func FuzzSite_NoPathReachesAnotherRouteThanItsCleanForm(f *testing.F) {
	for _, seed := range []string{"/files/%2e%2e/x", "//files", "/files/..;/a", "/a%2f../files", "/files/%25", "/%", "/files\\..\\x"} {
		f.Add(seed)
	}
	upstreams := map[string]*upstream{"api": {name: "api"}, "files": {name: "files"}}
	table, err := newSiteTable(Config{Sites: []Site{{Name: "x", Backend: "api", Listen: []string{":443"}, Routes: []Route{{Path: "/files", Backend: "files", Strip: true}}}}}, upstreams)
	if err != nil {
		f.Fatal(err)
	}
	s := table.every.fallback
	f.Fuzz(func(t *testing.T, raw string) {
		target, ok := parseTarget(raw)
		if !ok || target.authority != "" {
			return
		}
		found, ok := s.route(target.path)
		if !ok {
			return
		}
		for _, reading := range []string{decode(target.path, false), decode(decode(target.path, false), false), lenientPath(target.path)} {
			resolved, ok := resolveDots(reading)
			if ok && s.match(resolved) != found && s.match(lenientPath(resolved)) != found {
				t.Fatalf("%q is routed to %s, but can be read as %q", raw, found.upstream.name, resolved)
			}
		}
		_ = found.rewritten(target.path)
	})
}
