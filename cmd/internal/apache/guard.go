package apache

import (
	"fmt"
	"slices"
	"strings"
)

// guard is all that says who may come to a path, as httpd merges sections: of
// mod_authz_core and of mod_access_compat, which must both agree, the lines of
// the last section that has any; of mod_ssl those of all.
type guard struct {
	core, compat, tls []*Directive
	satisfy, merging  *Directive
	sections          []*Directive // that it comes from
}

func guardOf(sections []*Directive) guard {
	var g guard
	for _, s := range sections {
		if core := named(s.Children, "Require", "RequireAll", "RequireAny", "RequireNone"); len(core) > 0 {
			g.merging = nil
			if d := lastOf(s.Children, "AuthMerging"); d != nil && len(g.core) > 0 && !strings.EqualFold(d.arg(0), "off") {
				g.merging = d
			}
			g.core = core
		}
		if compat := named(s.Children, "Order", "Allow", "Deny"); len(compat) > 0 {
			g.compat = compat
		}
		if d := lastOf(s.Children, "Satisfy"); d != nil {
			g.satisfy = d
		}
		g.tls = append(g.tls, named(s.Children, "SSLRequireSSL", "SSLRequire", "SSLVerifyClient")...)
	}
	from := g.directives()
	for _, s := range sections {
		if slices.ContainsFunc(s.Children, func(d *Directive) bool { return slices.Contains(from, d) }) {
			g.sections = append(g.sections, s)
		}
	}
	return g
}

// directives are all lines that count.
func (g guard) directives() []*Directive {
	all := slices.Concat(g.core, g.compat, g.tls)
	for _, d := range []*Directive{g.satisfy, g.merging} {
		if d != nil {
			all = append(all, d)
		}
	}
	return all
}

// admitted is whom a guard lets in.
func (b *builder) admitted(g guard) admission {
	via := transport{tls: b.host.tls, plain: b.host.optional}
	a := encryption(g.tls, via)
	either := g.satisfy != nil && strings.EqualFold(g.satisfy.arg(0), "any")
	switch {
	case g.merging != nil:
		a.err = fmt.Errorf("gateway takes the rules of one section, and AuthMerging joins those of several")
	case either && len(g.core) > 0 && len(g.compat) > 0:
		a.err = fmt.Errorf("gateway asks for the address and the password, not for one of them")
	}
	if len(g.core) > 0 {
		a = a.and(via.anyOf(g.core))
	}
	if len(g.compat) > 0 {
		a = a.and(ordered(g.compat))
	}
	return a
}

// encryption is what the lines of mod_ssl ask for.
func encryption(ds []*Directive, via transport) admission {
	a := admission{everybody: true}
	for _, d := range ds {
		switch {
		case d.Is("SSLRequire"):
			a.err = fmt.Errorf("gateway has no conditions on TLS")
		case d.Is("SSLRequireSSL"):
			a = a.and(via.encrypted())
		case asksForCertificate(d):
			a.err = fmt.Errorf("gateway asks no client for a certificate")
		}
	}
	return a
}

// asksForCertificate reports SSLVerifyClient require. The optional ones keep nobody
// out: what goes by the certificate does, and that is told where it stands.
func asksForCertificate(d *Directive) bool { return strings.EqualFold(d.arg(0), "require") }
