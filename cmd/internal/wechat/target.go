package wechat

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"gateway/certs"
)

const httpsPort = 443

// Target is the server that a mini-program is to talk to.
type Target struct {
	Host string // canonical: lower case, ASCII, no trailing dot; or an IP address
	Port int
}

// ParseTarget reads DOMAIN or DOMAIN:PORT, as an admin writes or pastes it. A
// scheme is taken off; what WeChat does not speak, and a path, are errors that
// say what to write.
func ParseTarget(written string) (Target, error) {
	scheme, text, hasScheme := strings.Cut(strings.TrimSpace(written), "://")
	if !hasScheme {
		scheme, text = "https", scheme
	}
	text, path, _ := strings.Cut(text, "/")
	if s := strings.ToLower(scheme); s != "https" && s != "wss" {
		return Target{}, fmt.Errorf("a mini-program speaks https and wss only, not %s: write %s", scheme, text)
	}
	if path != "" {
		return Target{}, fmt.Errorf("%q has a path: write %s --path '/%s'", written, text, path)
	}
	host, port, err := splitPort(text)
	if err != nil {
		return Target{}, fmt.Errorf("%q: %w", written, err)
	}
	host, err = canonicalHost(host)
	if err != nil {
		return Target{}, fmt.Errorf("%q: %w", written, err)
	}
	return Target{host, port}, nil
}

func splitPort(text string) (host string, port int, err error) {
	if address, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return address.WithZone("").String(), httpsPort, nil
	}
	if !strings.Contains(text, ":") {
		return text, httpsPort, nil
	}
	host, digits, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, errors.New("write DOMAIN or DOMAIN:PORT, such as api.example.com:7879")
	}
	port, err = strconv.Atoi(digits)
	if err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("%q is no port: write a number from 1 to 65535", digits)
	}
	return host, port, nil
}

// canonicalHost writes a name as it is asked for in DNS (RFC 5891).
func canonicalHost(host string) (string, error) {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.WithZone("").String(), nil
	}
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(host, "."))
	again, errAgain := idna.Lookup.ToASCII(ascii) // refuses what the first took, such as broken UTF-8
	if err != nil || errAgain != nil || again != ascii || ascii == "" || len(ascii) > 253 || badLabel(ascii) {
		return "", errors.New("is no domain name: write one such as api.example.com")
	}
	return ascii, nil
}

func badLabel(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return true
		}
	}
	return false
}

// authority is what stands between "https://" and the path.
func (t Target) authority() string {
	host := t.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if t.Port == httpsPort {
		return host
	}
	return fmt.Sprintf("%s:%d", host, t.Port)
}

// URL is the address of a path, which begins with a slash and may have a query.
func (t Target) url(path string) string { return "https://" + t.authority() + path }

// judge tells whether WeChat's console takes the name at all.
func (t Target) judge() certs.Finding {
	fail := func(seen, remedy string) certs.Finding {
		return certs.Finding{Item: itemDomain, Verdict: certs.Failed, Seen: seen, Remedies: []string{remedy}}
	}
	const ownName = "use a domain name of your own, with an ICP filing if the server is in mainland China"
	switch _, err := netip.ParseAddr(t.Host); {
	case err == nil:
		return fail("WeChat takes no IP address", ownName)
	case t.Host == "localhost" || strings.HasSuffix(t.Host, ".localhost"):
		return fail("WeChat does not take localhost", ownName)
	case !strings.Contains(t.Host, "."):
		return fail(t.Host+" is no name that phones can look up", ownName)
	case t.Host == "api.weixin.qq.com":
		return fail("WeChat does not take its own api.weixin.qq.com", "let your backend ask it, and the mini-program ask your backend: the AppSecret must not be in the mini-program")
	}
	return certs.Finding{Item: itemDomain, Verdict: certs.Passed, Seen: t.authority()}
}

// ParsePath reads a path for a flag.
func ParsePath(written string) (string, error) {
	parsed, err := url.ParseRequestURI(written)
	if err != nil || !strings.HasPrefix(written, "/") || parsed.Host != "" || parsed.Fragment != "" {
		return "", fmt.Errorf("%q is no path: write one that begins with a slash, such as /api/login", written)
	}
	return written, nil
}
