package proxy

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

// Validate reports what [limits] can't mean.
func (l Limits) Validate(report Report) {
	atLeast(report, "connections", l.Connections, 1)
	atLeast(report, "connections_per_address", l.ConnectionsPerAddress, 1)
	atLeast(report, "streams", l.Streams, 1)
	if l.Streams > math.MaxInt32 {
		report("streams", "is more than HTTP/2 can count", "write a number such as 128")
	}
	atLeast(report, "header_lines", l.HeaderLines, 10)
	between(report, "header", l.Header, 4<<10, largestHeader)
	between(report, "buffer", l.Buffer, 0, 16<<20)
	atLeastSize(report, "body", l.Body)
}

// largestHeader is more than any request head can be meant to be.
const largestHeader = 16 << 20

func atLeast(report Report, key string, n, least int) {
	if n < least {
		report(key, fmt.Sprintf("is %d, which is too small", n), fmt.Sprintf("write a number from %d on, or leave it out", least))
	}
}

func between(report Report, key string, size, least, most Size) {
	if size < least || size > most {
		report(key, fmt.Sprintf("is %s, which is out of range", size), fmt.Sprintf("write a size from %q to %q", least, most))
	}
}

func atLeastSize(report Report, key string, size Size) {
	if size < 0 {
		report(key, "is negative", `write a size such as "10MB", or "0" for no limit`)
	}
}

// Validate reports what [timeouts] can't mean.
func (t Timeouts) Validate(report Report) {
	for _, one := range []struct {
		key   string
		value time.Duration
		usual string
	}{
		{"handshake", t.Handshake, "10s"}, {"header", t.Header, "20s"}, {"body", t.Body, "30s"}, {"write", t.Write, "60s"},
		{"idle", t.Idle, "2m"}, {"connect", t.Connect, "5s"}, {"first_byte", t.FirstByte, "2m"},
	} {
		sensible(report, one.key, one.value, one.usual)
	}
	zeroOrSensible(report, "drain", t.Drain, "30s")
	zeroOrSensible(report, "upgraded", t.Upgraded, "10s")
	zeroOrSensible(report, "handover", t.Handover, "1h")
}

// longest is more than any of the timeouts can be meant to be.
const longest = 24 * time.Hour

// sensible takes durations from 1 ms to a day. Anything shorter is a number
// whose unit was forgotten, which TOML reads as nanoseconds.
func sensible(report Report, key string, d time.Duration, usual string) {
	switch {
	case d < 0:
		report(key, fmt.Sprintf("is %s, and no time is negative", d), fmt.Sprintf("write %q", usual))
	case d < time.Millisecond:
		report(key, fmt.Sprintf("is %s, which is no time at all", d), fmt.Sprintf("write it with its unit, such as %q", usual))
	case d > longest:
		report(key, fmt.Sprintf("is %s, which is longer than a day", d), fmt.Sprintf("write %q", usual))
	}
}

func zeroOrSensible(report Report, key string, d time.Duration, usual string) {
	if d != 0 {
		sensible(report, key, d, usual)
	}
}

// Validate reports what one [[site]] can't mean. What depends on other tables is
// Config's to check.
func (s Site) Validate(report Report) {
	validateName(report, "name", s.Name)
	for i, alias := range s.Aliases {
		validateName(report, index("aliases", i), alias)
		if hosts := s.hosts(); hosts[i+1] != "" && slices.Contains(hosts[:i+1], hosts[i+1]) {
			report(index("aliases", i), fmt.Sprintf("%q is named twice in this site", alias), "write each name once")
		}
	}
	s.validateListen(report)
	switch s.Plain {
	case "", plainRedirect, plainProxy, plainRefuse:
	default:
		report("plain", fmt.Sprintf("is %q", s.Plain), `write "redirect", "proxy" or "refuse"`)
	}
	if !s.own().answers() && len(s.Routes) == 0 {
		report("backend", "is missing", "write the name of the [[backend]] that serves this site, or root, redirect or respond")
	}
	if s.Body != nil {
		atLeastSize(report, "body", *s.Body)
	}
	s.own().validateAnswer(report)
	s.validateRoutes(report)
}

func (s Site) validateListen(report Report) {
	if len(s.Listen) == 0 {
		report("listen", "is missing", `write the addresses to serve on, such as [":443"]`)
	}
	seen := map[Endpoint]bool{}
	for i, written := range s.Listen {
		e, err := ParseEndpoint(written)
		if err != nil {
			wrong, instead, _ := strings.Cut(err.Error(), ": ")
			report(index("listen", i), wrong, instead)
			continue
		}
		if seen[e] && e.Port() != 0 {
			report(index("listen", i), fmt.Sprintf("names %q a second time", written), "write each address once")
		}
		seen[e] = true
	}
}

func validateName(report Report, key, name string) {
	switch {
	case name == "":
		report(key, "is missing", `write the public name, such as "api.example.com"`)
	case strings.Contains(name, "://"):
		report(key, fmt.Sprintf("%q is a URL", name), "write the host name alone")
	case strings.HasPrefix(name, "*.") && strings.Contains(name[2:], ".") && isName(name[2:]):
	case strings.Contains(name, "*"):
		report(key, fmt.Sprintf("%q has its wildcard in the wrong place", name), `write it as the whole first label, such as "*.example.com"`)
	case !isASCII(name):
		report(key, fmt.Sprintf("%q has letters that DNS does not know", name), asciiForm(name))
	case !isName(name):
		report(key, fmt.Sprintf("%q is not a host name", name), `write it without port and path, such as "api.example.com"`)
	}
}

func isName(name string) bool {
	_, ok := hostName(bracketed(name))
	return ok
}

// asciiForm is how DNS spells a name with letters of other scripts.
func asciiForm(name string) string {
	if spelled, err := idna.Lookup.ToASCII(name); err == nil && isName(spelled) {
		return fmt.Sprintf("write it as DNS does: %q", spelled)
	}
	return `write the name's ASCII form, which starts with "xn--"`
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7f })
}

// Validate reports what the proxy's part of one [[backend]] can't mean.
func (b Backend) Validate(report Report) {
	if b.Name == "" {
		report("name", "is missing", "write a short name for the sites to refer to")
	}
	b.validateURL(report)
	b.validateTLS(report)
	zeroOrSensible(report, "first_byte", b.FirstByte, "2m")
	if b.Hold != nil {
		zeroOrSensible(report, "hold", *b.Hold, "20s")
	}
	if b.Connections < 0 {
		report("connections", "is negative", "write the most connections this backend can take, or leave it out for no limit")
	}
	if b.HoldRequests < 0 {
		report("hold_requests", "is negative", "write a number such as 1000")
	}
	if b.HoldBytes < 0 {
		report("hold_bytes", "is negative", `write a size such as "64MB"`)
	}
}

func (b Backend) validateURL(report Report) {
	if b.URL == "" {
		report("url", "is missing", `write where the backend listens, such as "http://localhost:7878" or "unix:/run/api.sock"`)
		return
	}
	if _, err := parseBackendURL(b.URL); err != nil {
		report("url", err.Error(), suggestURL(b.URL))
	}
}

// suggestURL guesses what an address without a scheme was meant to be.
func suggestURL(written string) string {
	if strings.HasPrefix(written, "/") {
		return fmt.Sprintf("write %q", "unix:"+written)
	}
	if guess := "http://" + written; !strings.Contains(written, "://") {
		if _, err := url.Parse(guess); err == nil {
			return fmt.Sprintf("write %q", guess)
		}
	}
	return `write http://host:port, https://host:port or unix:/path, such as "http://localhost:7878"`
}

func index(key string, i int) string { return key + "[" + strconv.Itoa(i) + "]" }
