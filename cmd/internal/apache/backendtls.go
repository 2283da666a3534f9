package apache

import "strings"

// trust is how far the certificate of a backend is checked.
type trust struct {
	any      bool // not at all
	file     string
	from     []*Directive // that say so
	fileFrom *Directive
}

func (t trust) same(other trust) bool { return t.any == other.any && t.file == other.file }

// write puts into a backend what differs from gateway's way: a whole check by the
// system's authorities.
func (t trust) write(to *table) {
	if t.any {
		to.set("verify", false, t.from...)
	}
	if t.file != "" {
		to.set("ca_file", t.file, t.fileFrom)
	}
}

// come adds where the lines come from too.
func (t trust) come(to *table, other trust) {
	if t.any {
		to.entry("verify").come(other.from)
	}
	if t.file != "" {
		to.entry("ca_file").come([]*Directive{other.fileFrom})
	}
}

// trusts is what mod_ssl checks of a backend's certificate: by default its name and
// its dates, and not who has signed it.
func (b *builder) trusts(d *Directive, url string) trust {
	if !strings.HasPrefix(url, "https:") {
		return trust{}
	}
	scope := b.proxyScope(url)
	verify, lax := lastOf(scope, "SSLProxyVerify"), unchecked(scope)
	switch {
	case verify == nil:
		b.ledger.differently(d, "httpd does not look who has signed the certificate of a backend unless SSLProxyVerify says so; to have gateway look, leave verify = false out, and name an authority of your own in ca_file")
		return trust{any: true, from: append([]*Directive{d}, lax...)}
	case strings.EqualFold(verify.arg(0), "none"), strings.EqualFold(verify.arg(0), "optional_no_ca"):
		return trust{any: true, from: append([]*Directive{verify}, lax...)}
	}
	for _, one := range lax {
		b.ledger.lost(one, "gateway checks the whole certificate of a backend, its name and its dates too, so that one that does not fit is not reached", "write a url with the name that the certificate has, or verify = false")
	}
	b.ledger.differently(verify, "gateway checks the certificates of backends without being told")
	if file := lastOf(scope, "SSLProxyCACertificateFile"); file != nil {
		return trust{file: b.absoluteArg(file), fileFrom: file}
	}
	return trust{}
}

// proxyScope are the settings for a URL, those of its <Proxy> sections last.
func (b *builder) proxyScope(url string) []*Directive {
	scope := append(settingsOf(b.host.main), settingsOf(b.host.own)...)
	for _, section := range b.host.mainFirst("Proxy") {
		if strings.HasPrefix(section.arg(0)+"/", url+"/") || section.arg(0) == "*" {
			scope = append(scope, section.Children...)
		}
	}
	return scope
}

// unchecked are the lines by which parts of a certificate are not looked at.
func unchecked(scope []*Directive) []*Directive {
	var off []*Directive
	for _, name := range []string{"SSLProxyCheckPeerName", "SSLProxyCheckPeerCN", "SSLProxyCheckPeerExpire"} {
		if d := lastOf(scope, name); d != nil && strings.EqualFold(d.arg(0), "off") {
			off = append(off, d)
		}
	}
	return off
}
