package proxy

import (
	"net"
	"strings"
	"testing"
)

func TestParseEndpoint_ReadsWhatAnAdminWrites(t *testing.T) {
	for written, want := range map[string]Endpoint{
		":443":                  {"tcp", ":443", false},
		"http://:80":            {"tcp", ":80", true},
		"0.0.0.0:443":           {"tcp4", "0.0.0.0:443", false},
		"[::]:443":              {"tcp6", "[::]:443", false},
		"127.0.0.1:7879":        {"tcp4", "127.0.0.1:7879", false},
		"[0:0::1]:443":          {"tcp6", "[::1]:443", false},
		"[::ffff:10.0.0.1]:443": {"tcp4", "10.0.0.1:443", false},
		"http://[fe80::1%lo]:1": {"tcp6", "[fe80::1%lo]:1", true},
		"127.0.0.1:0":           {"tcp4", "127.0.0.1:0", false},
	} {
		got, err := ParseEndpoint(written)
		if err != nil || got != want {
			t.Errorf("ParseEndpoint(%q) = %+v, %v; want %+v", written, got, err, want)
		}
	}
}

func TestParseEndpoint_SaysWhatToWriteInstead(t *testing.T) {
	for written, hint := range map[string]string{
		"443": `such as ":443"`, "": `such as ":443"`, "localhost:443": `"127.0.0.1:443" for this machine`, "*:443": `":443" for all`,
		":0443": "leading zeros", ":65536": "65535", ":https": "65535", ":-1": "65535", ":": "65535",
		"https://:443": "the address alone", "ftp://:1": "the address alone", "::1:443": "[::1]:443",
	} {
		_, err := ParseEndpoint(written)
		if err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("ParseEndpoint(%q): %v; want the hint %q", written, err, hint)
		}
	}
}

func TestEndpoint_OverlapsWhenBothCannotBeBound(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{":443", "127.0.0.1:443", true}, {":443", "http://:443", true}, {"0.0.0.0:443", "[::]:443", false},
		{"0.0.0.0:443", "10.0.0.1:443", true}, {"[::]:443", "10.0.0.1:443", false}, {"10.0.0.1:443", "10.0.0.2:443", false},
		{":443", ":444", false}, {":0", ":0", false}, {"0.0.0.0:443", ":443", true}, {"[::1]:443", "[::]:443", true},
	} {
		a, b := mustEndpoint(t, c.a), mustEndpoint(t, c.b)
		if a.Overlaps(b) != c.want || b.Overlaps(a) != c.want {
			t.Errorf("%s overlaps %s: want %v both ways", c.a, c.b, c.want)
		}
	}
}

func TestEndpoint_CanBeListenedOn(t *testing.T) {
	for _, written := range []string{":0", "127.0.0.1:0", "http://0.0.0.0:0"} {
		e := mustEndpoint(t, written)
		l, err := net.Listen(e.Network, e.Address)
		if err != nil {
			t.Errorf("%s: %v", written, err)
			continue
		}
		l.Close()
	}
}

func FuzzParseEndpoint_CanonicalFormIsStable(f *testing.F) {
	for _, seed := range []string{":443", "http://:80", "[::1%lo]:1", "0.0.0.0:0", "https://:1", "[::ffff:1.2.3.4]:9"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, written string) {
		e, err := ParseEndpoint(written)
		if err != nil {
			return
		}
		if again, err := ParseEndpoint(e.String()); err != nil || again != e {
			t.Fatalf("%q -> %q -> %+v, %v", written, e, again, err)
		}
	})
}

func mustEndpoint(t *testing.T, written string) Endpoint {
	t.Helper()
	e, err := ParseEndpoint(written)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
