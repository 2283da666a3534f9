package apache

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

// reverses judges the ProxyPassReverse lines: gateway maps what a backend says of
// the address that its url has, and of the site's own name.
func (b *builder) reverses() {
	all := b.host.ownFirst("ProxyPassReverse")
	for _, s := range b.sections {
		all = append(all, named(s.from.Children, "ProxyPassReverse")...)
	}
	for _, d := range all {
		written := d.arg(max(0, min(1, len(d.Args)-1)))
		where, err := parseTarget(written)
		if err != nil || b.mapsBack(where.url) {
			continue // the table of directives tells that it is not needed
		}
		b.ledger.lost(d, "redirects of the backend that name "+where.url+" reach the client as they are", "write that name into the backend's url, or preserve_host = true and let the backend name the site")
	}
}

// mapsBack reports whether gateway knows an address as a backend's or its own.
func (b *builder) mapsBack(address string) bool {
	host := hostAndPort(address)
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	if slices.Contains(b.host.names(), name) || strings.HasPrefix(address, "unix:") || isLocal(name) {
		return true
	}
	return slices.ContainsFunc(b.backends, func(other *backend) bool { return hostAndPort(other.url) == host })
}

func hostAndPort(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return parsed.Host
}

// isLocal reports the names of this machine, which configurations mix at will.
func isLocal(name string) bool {
	return name == "localhost" || name == "127.0.0.1" || name == "::1" || name == "[::1]"
}
