package proxy

import (
	"net/netip"
	"strings"
)

// authority is a Host or :authority after it was checked: the name in the
// spelling that sites are looked up by, and the port as it was sent, "" for none.
type authority struct {
	name string
	port string
}

// parseAuthority reads host [":" port] of RFC 9110, section 7.2. Of the
// characters that RFC 3986 allows in a host name it takes those that occur in
// one, letters, digits, "-", "." and "_", as Apache's strict mode does:
// anything else is read differently by different backends. An empty port, a
// port above 65535 and an address with a zone are refused too.
func parseAuthority(s string) (authority, bool) {
	host, port := s, ""
	if colon := strings.LastIndexByte(s, ':'); colon >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:colon], s[colon+1:]
		if !isPort(port) || port == "0" {
			return authority{}, false
		}
	}
	name, ok := hostName(host)
	return authority{name, port}, ok
}

// hostName brings a host into the spelling of the site table: lower case,
// without the dot of the root, IPv6 addresses canonical and without brackets.
func hostName(host string) (string, bool) {
	if inner, found := strings.CutPrefix(host, "["); found {
		inner, closed := strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		if !closed || err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", false
		}
		return addr.String(), true
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if len(name) > 253 || strings.HasPrefix(name, ".") || strings.Contains(name, "..") { // RFC 1035, section 2.3.4
		return "", false
	}
	return name, name != "" && !strings.ContainsFunc(name, notInHostName)
}

func notInHostName(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_')
}

// String writes the authority for a URL.
func (a authority) String() string {
	name := a.name
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if a.port == "" {
		return name
	}
	return name + ":" + a.port
}

// portOr is the port, or the one that the scheme stands for.
func (a authority) portOr(scheme string) string {
	switch {
	case a.port != "":
		return a.port
	case scheme == "https":
		return "443"
	default:
		return "80"
	}
}

// sameOrigin reports whether two authorities under one scheme are one server.
func (a authority) sameOrigin(b authority, scheme string) bool {
	return a.name == b.name && a.portOr(scheme) == b.portOr(scheme)
}
