package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gateway/certs"
)

func rightConfig(t *testing.T, name string) *Config {
	t.Helper()
	config, err := Load(filepath.Join("testdata", "right", name))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestLoad_ReadsTheLeastThatServes(t *testing.T) {
	text, err := os.ReadFile("testdata/right/small.toml")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	f := newFindings("small.toml", indexLines(string(text)))
	config := decodeText(string(text), folder, f)
	if f.sorted() != nil {
		t.Fatal(f.sorted())
	}
	want := Default()
	if !reflect.DeepEqual(config.Log, want.Log) || config.Limits != want.Limits || config.Timeouts != want.Timeouts || config.State != want.State {
		t.Errorf("without a key its default holds, got %+v", config)
	}
}

func TestLoad_ReadsEveryWayToWriteAValue(t *testing.T) {
	c := rightConfig(t, "full.toml")
	folder, err := filepath.Abs("testdata/right")
	if err != nil {
		t.Fatal(err)
	}
	site, api := c.Sites[0], c.Backends[0]
	for name, check := range map[string][2]any{
		"state":                 {c.State, filepath.Join(folder, "data")},
		"trusted_proxies":       {c.TrustedProxies, []string{"10.0.0.0/8", "::1"}},
		"limits.connections":    {c.Limits.Connections, 500},
		"limits.body":           {c.Limits.Body.String(), "0"},
		"limits.streams":        {c.Limits.Streams, Default().Limits.Streams},
		"timeouts.idle":         {c.Timeouts.Idle, 90 * time.Second},
		"timeouts.first_byte":   {c.Timeouts.FirstByte, 90 * time.Second},
		"log.access":            {c.Log.Access, ""},
		"log.format":            {c.Log.Format, `%h %l %u %t "%r" %>s %b`},
		"log.compress":          {c.Log.Compress, false},
		"site.aliases":          {site.Aliases, []string{"www.example.com", "*.api.example.com"}},
		"site.body":             {site.Body.String(), "2GB"},
		"site.route":            {len(site.Routes), 2},
		"site.route.body":       {site.Routes[0].Body.String(), "0"},
		"site.route.body, none": {site.Routes[1].Body == nil, true},
		"backend.hold":          {api.HoldFor(), time.Duration(0)},
		"backend.hold, none":    {c.Backends[1].HoldFor(), 20 * time.Second},
		"backend.command":       {api.Command, []string{"/bin/sh", "-c", "exec sleep 1"}},
		"backend.env":           {api.Env, []string{"MODE=prod", "EMPTY="}},
		"backend.log":           {api.Log, filepath.Join(folder, "api.log")},
		"backend.rlimit.nofile": {api.Rlimit.NoFile.String(), "65536"},
		"backend.rlimit.core":   {api.Rlimit.Core.String(), "unlimited"},
		"backend.probe.every":   {api.Probe.Every, time.Second},
		"backend.probe.hang":    {*api.Probe.Hang, time.Duration(0)},
		"backend.preserve_host": {api.PreservesHost(), false},
	} {
		if !reflect.DeepEqual(check[0], check[1]) {
			t.Errorf("%s: got %v, want %v", name, check[0], check[1])
		}
	}
}

func TestConfig_GivesTheCertificatesOnlyWhatSpeaksTLS(t *testing.T) {
	sites := rightConfig(t, "full.toml").Certs()
	want := []certs.Site{{
		Name: "api.example.com", Aliases: []string{"www.example.com", "*.api.example.com"}, Default: true,
		Endpoints: []string{":443", "[::1]:8443"}, Config: certs.Config{Certificate: certs.FromLocal},
	}}
	if !reflect.DeepEqual(sites, want) {
		t.Errorf("got %+v, want %+v", sites, want)
	}
}

func TestConfig_GivesTheProxyEverySiteAndBackend(t *testing.T) {
	config := rightConfig(t, "full.toml")
	p := config.Proxy()
	if len(p.Sites) != 2 || len(p.Backends) != 2 || p.Limits != config.Limits || p.Timeouts != config.Timeouts || !slices.Equal(p.TrustedProxies, config.TrustedProxies) {
		t.Errorf("got %+v", p)
	}
}

// Of two elements of an array of tables neither shows what only the other one says.
func TestLoad_KeepsElementsApart(t *testing.T) {
	text := strings.Join([]string{
		"[[backend]]", `name = "a"`, `command = ["./a"]`, "connections = 3",
		"[[backend]]", `name = "b"`,
	}, "\n")
	f := newFindings("x", indexLines(text))
	b := decodeText(text, "/", f).Backends[1]
	if b.Command != nil || b.Connections != 0 {
		t.Errorf("the second backend has fields of the first: %+v", b)
	}
}

func TestLoad_ReadsTablesWrittenInline(t *testing.T) {
	text := `site = [{ name = "a", route = [{ path = "/x/", backend = "b" }] }, { name = 5 }]`
	f := newFindings("x", indexLines(text))
	config := decodeText(text, "/", f)
	if len(config.Sites) != 2 || config.Sites[0].Name != "a" || config.Sites[0].Routes[0].Path != "/x/" {
		t.Errorf("got %+v", config.Sites)
	}
	if got, want := f.sorted().Error(), `x:1: site.name: is a number, but a text is wanted: write name = "5"`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoad_TakesAFileWithoutBackendsThatServesFilesAndRedirects(t *testing.T) {
	folder, err := filepath.Abs("testdata/right")
	if err != nil {
		t.Fatal(err)
	}
	site := rightConfig(t, "statics.toml").Sites[0]
	if site.Root != folder || site.Index == nil || !site.Listing || site.Routes[1].Match != `\.php$` || site.Routes[1].Respond != 410 {
		t.Errorf("%+v", site)
	}
}
