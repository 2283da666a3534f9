package certs

import (
	"net"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// canonicalName returns a name as certificates and clients write it: lower case,
// without the trailing dot, international names in their ASCII form (RFC 5891).
func canonicalName(name string) string {
	name = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(name), "."))
	if ip := net.ParseIP(strings.Trim(name, "[]")); ip != nil {
		return ip.String()
	}
	if isASCII(name) { // every name in a handshake is; idna costs more
		return name
	}
	if ascii, err := idna.Lookup.ToASCII(name); err == nil {
		return ascii
	}
	return name
}

func isASCII(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf })
}

// parentWildcard returns the wildcard that covers a name, one label deep as in
// RFC 6125 section 6.4.3, or "" if there is none.
func parentWildcard(name string) string {
	if net.ParseIP(name) != nil {
		return ""
	}
	label, rest, found := strings.Cut(name, ".")
	if !found || label == "*" || label == "" || rest == "" {
		return ""
	}
	return "*." + rest
}

// names returns the site's names in canonical form, the main one first.
func (s Site) names() []string {
	names := make([]string, 0, 1+len(s.Aliases))
	for _, name := range append([]string{s.Name}, s.Aliases...) {
		names = append(names, canonicalName(name))
	}
	return names
}
