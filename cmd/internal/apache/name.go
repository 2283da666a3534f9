package apache

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"golang.org/x/net/idna"
)

// hostOf takes the scheme and the port off a name, which ServerName may have.
func hostOf(written string) string {
	if _, rest, found := strings.Cut(written, "://"); found {
		written = rest
	}
	written = strings.TrimSuffix(written, "/")
	if end := strings.LastIndexByte(written, ':'); end > 0 && isNumber(written[end+1:]) && !isAddress(written) {
		written = written[:end]
	}
	if isAddress(written) {
		return strings.Trim(written, "[]")
	}
	return strings.ToLower(strings.TrimSuffix(written, "."))
}

func isAddress(written string) bool {
	address, err := netip.ParseAddr(strings.Trim(written, "[]"))
	return err == nil && address.Zone() == ""
}

// namingLines are the directives that name a host.
func (t *translation) namingLines(h *host, names ...string) []*Directive {
	if h.section == nil {
		return named(t.main, names...)
	}
	return named(h.own, names...)
}

// validNames are the names of a host as gateway writes them. It leaves out what
// gateway takes for no name.
func (t *translation) validNames(h *host) []string {
	var names []string
	for _, name := range h.names() {
		lines := usedIn([]string{name}, t.namingLines(h, "ServerAlias", "ServerName"))
		bare, wild := strings.CutPrefix(name, "*.")
		switch spelled, ok := spelledForDNS(bare); {
		case name == "*" || name == "":
			for _, d := range t.namingLines(h, "ServerAlias") {
				t.ledger.differently(d, "* is every name: the first site of an address answers for unknown names")
			}
		case strings.ContainsAny(bare, "*?") || wild && !strings.Contains(bare, "."):
			t.lostName(lines, fmt.Sprintf("gateway knows wildcards as a whole first word (*.example.com), not %s", name), "write the names one by one into aliases")
		case !ok:
			t.lostName(lines, fmt.Sprintf("%q is no name of a host, so clients that ask for it come to the first site of the address", name), "write the name that clients ask for")
		default:
			t.tellSpelling(lines, name, strings.TrimSuffix(name, bare)+spelled)
			names = append(names, strings.TrimSuffix(name, bare)+spelled)
		}
	}
	return names
}

func (t *translation) lostName(lines []*Directive, breaks, do string) {
	for _, d := range lines {
		t.ledger.lost(d, breaks, do)
	}
}

// tellSpelling tells of what names mean in gateway and not in httpd.
func (t *translation) tellSpelling(lines []*Directive, written, spelled string) {
	for _, d := range lines {
		if strings.HasPrefix(written, "*.") {
			t.ledger.differently(d, "the wildcard of "+written+" stands for one word, as in certificates; httpd's stands for several too")
		}
		if written != spelled {
			t.ledger.differently(d, written+" is "+spelled+" to browsers and to DNS")
		}
	}
}

var plainName = regexp.MustCompile(`^[a-z0-9_-][a-z0-9_.-]*$`)

// spelledForDNS is a name in the letters that DNS knows (RFC 5891).
func spelledForDNS(name string) (spelled string, ok bool) {
	if ascii, err := idna.Lookup.ToASCII(name); err == nil && !plainName.MatchString(name) {
		name = ascii
	}
	return name, isAddress(name) || plainName.MatchString(name) && !strings.Contains(name, "..") && len(name) <= 253
}

// nameFor is the name of a host that has none: that of the main server, as in
// httpd, else the one that its certificate is for.
func (t *translation) nameFor(h *host) string {
	name, from := "localhost", "unknown names come to the first site of an address"
	if d := lastOf(t.main, "ServerName"); d != nil && hostOf(d.arg(0)) != "" {
		return hostOf(d.arg(0))
	}
	if h.tls {
		if found := nameInCertificate(t.absoluteArg(h.last("SSLCertificateFile"))); found != "" {
			name, from = found, "the name is that of the certificate"
		}
	}
	t.ledger.differently(h.head(), "it has no ServerName, and a site needs one, so it is called "+name+"; "+from)
	return name
}
