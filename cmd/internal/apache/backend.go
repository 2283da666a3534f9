package apache

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
)

// backend is one program behind the proxy.
type backend struct {
	url       string       // as gateway's file has it, without a path
	preserve  bool         // ProxyPreserveHost, which is off unless it is written
	preserved []*Directive // by which
	timeout   string       // first_byte, "" for that of [timeouts]
	timed     *Directive   // by which
	most      int          // connections; 0: no limit
	trust     trust        // of an https url
	table     *table
}

// target is the URL of a ProxyPass taken apart.
type target struct {
	url  string // "http://localhost:3000" or "unix:/run/app.sock"
	path string // behind it, as written
	ws   bool   // written with ws:// or wss://
}

// foreign are what httpd speaks to backends and gateway does not.
var foreign = map[string]string{
	"ajp": "AJP", "fcgi": "FastCGI", "scgi": "SCGI", "uwsgi": "uwsgi", "ftp": "FTP", "h2": "HTTP/2", "h2c": "HTTP/2 without TLS", "fd": "descriptor passing", "connect": "CONNECT",
}

// parseTarget reads http://host:port/path, https://, ws://, wss:// and
// unix:/path|http://host/path. The error is for the admin.
func parseTarget(written string) (target, error) {
	if rest, isSocket := cutScheme(written, "unix:"); isSocket {
		return socketTarget(rest)
	}
	scheme, rest, found := strings.Cut(written, "://")
	scheme = strings.ToLower(scheme)
	if name := foreign[scheme]; found && name != "" {
		return target{}, fmt.Errorf("gateway speaks HTTP to backends, not %s", name)
	}
	t := target{ws: scheme == "ws" || scheme == "wss"}
	switch scheme {
	case "ws":
		scheme = "http"
	case "wss":
		scheme = "https"
	}
	if !found || scheme != "http" && scheme != "https" {
		return target{}, fmt.Errorf("%s is no URL that gateway can pass requests on to", written)
	}
	end := strings.IndexByte(rest, '/')
	if end < 0 {
		end = len(rest)
	}
	t.url, t.path = scheme+"://"+withoutPort(strings.ToLower(rest[:end]), scheme), rest[end:]
	if parsed, err := url.Parse(t.url); err != nil || parsed.Host == "" || parsed.User != nil || strings.ContainsAny(rest[:end], "$%{}") {
		return target{}, fmt.Errorf("%s names no fixed host", written)
	}
	return t, nil
}

// withoutPort takes off a port that goes without saying.
func withoutPort(authority, scheme string) string {
	usual := map[string]string{"http": ":80", "https": ":443"}[scheme]
	return strings.TrimSuffix(authority, usual)
}

func cutScheme(written, scheme string) (rest string, found bool) {
	if len(written) >= len(scheme) && strings.EqualFold(written[:len(scheme)], scheme) {
		return written[len(scheme):], true
	}
	return written, false
}

func socketTarget(rest string) (target, error) {
	file, behind, found := strings.Cut(rest, "|")
	if !found || !strings.HasPrefix(file, "/") {
		return target{}, fmt.Errorf("unix:%s names no socket and scheme", rest)
	}
	inner, err := parseTarget(behind)
	if behind == "http://" || behind == "http:" {
		inner, err = target{}, nil
	}
	if err != nil {
		return target{}, err
	}
	return target{url: "unix:" + path.Clean(file), path: inner.path, ws: inner.ws}, nil // many write unix:///run/app.sock
}

// nameOf is what a backend is called: its port says most of it.
func nameOf(address string) string {
	if socket, isSocket := strings.CutPrefix(address, "unix:"); isSocket {
		return strings.Trim(wordOf(strings.TrimSuffix(path.Base(socket), path.Ext(socket))), "-")
	}
	parsed, err := url.Parse(address)
	if err != nil {
		return "backend"
	}
	host := parsed.Host
	if name, port, err := net.SplitHostPort(parsed.Host); err == nil {
		host = name + "-" + port
	}
	return strings.Trim(wordOf(host), "-")
}

// wordOf keeps letters, digits, dots and dashes.
func wordOf(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, text)
}

// backend is the [[backend]] for these terms, a new one if there is none yet.
func (t *translation) backend(wanted backend, from ...*Directive) *backend {
	for _, b := range t.backends {
		if b.url == wanted.url && b.preserve == wanted.preserve && b.timeout == wanted.timeout && b.most == wanted.most && b.trust.same(wanted.trust) {
			b.table.entry("url").come(from)
			b.table.entry("preserve_host").come(wanted.preserved)
			if b.timeout != "" {
				b.table.entry("first_byte").come([]*Directive{wanted.timed})
			}
			b.trust.come(b.table, wanted.trust)
			return b
		}
	}
	b := &wanted
	b.table = &table{header: "[[backend]]"}
	b.table.set("name", t.freeName(nameOf(b.url)))
	b.table.set("url", b.url, from...)
	b.trust.write(b.table)
	b.table.set("preserve_host", b.preserve, b.preserved...)
	if b.timeout != "" {
		b.table.set("first_byte", b.timeout, b.timed)
	}
	if b.most > 0 {
		b.table.set("connections", b.most)
	}
	t.backends = append(t.backends, b)
	return b
}

func (b *backend) name() string { return b.table.text("name") }

// freeName is a name that no backend has yet.
func (t *translation) freeName(name string) string {
	if name == "" {
		name = "backend"
	}
	free := name
	for n := 2; slices.ContainsFunc(t.backends, func(b *backend) bool { return b.name() == free }); n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	return free
}
