package apache

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"slices"
	"strings"
)

// certificate is where a host's certificate comes from: mod_md, files, or neither.
func (t *translation) certificate(h *host) *table {
	c := &table{}
	engine := h.last("SSLEngine")
	if managed := t.managed(h); managed != nil {
		origin := "acme"
		if t.options.Rehearsal {
			origin = "local"
		}
		c.set("certificate", origin, managed, engine)
		return c
	}
	var files []string
	var from []*Directive
	for _, name := range []string{"SSLCertificateFile", "SSLCertificateKeyFile", "SSLCertificateChainFile"} {
		own := named(h.own, name)
		if len(own) == 0 {
			own = named(h.main, name)
		}
		for _, d := range own {
			if path := t.absoluteArg(d); !slices.Contains(files, path) {
				files = append(files, path)
			}
			from = append(from, d)
			t.inspectFile(d)
		}
	}
	if len(files) == 0 {
		c.set("certificate", "local", engine)
		t.ledger.lost(engine, "no SSLCertificateFile says which certificate is meant, so one is made here that browsers don't trust", `write certificate = "acme", or files`)
		return c
	}
	if t.options.Rehearsal && !readable(files) {
		c.set("certificate", "local", engine)
		return c
	}
	c.set("certificate", "files", engine)
	c.set("files", files, from...)
	return c
}

func readable(files []string) bool {
	return !slices.ContainsFunc(files, func(path string) bool {
		_, err := readText(path)
		return err != nil
	})
}

// inspectFile tells what an admin should know of a file that is carried.
func (t *translation) inspectFile(d *Directive) {
	path := t.absoluteArg(d)
	if file, err := os.Open(path); err != nil {
		t.ledger.differently(d, path+" "+plainError(err)+": gateway must be able to read it")
	} else {
		_ = file.Close() // nothing was written
	}
	if strings.Contains(path, "/letsencrypt/") {
		t.ledger.differently(d, `certbot must go on to renew it without its Apache plugin; certificate = "acme" does it without certbot`)
	}
}

func (t *translation) absoluteArg(d *Directive) string {
	if d == nil {
		return ""
	}
	return t.absolute(d.arg(0))
}

// managed is the line by which mod_md keeps a host's certificate.
func (t *translation) managed(h *host) *Directive {
	for _, d := range named(t.main, "MDomain", "MDomainSet", "<MDomain") {
		if overlap(d.Args, h.names()) {
			return d
		}
	}
	return nil
}

// requiresTLS is MDRequireHttps for a host without TLS whose certificate, on its
// ports with TLS, mod_md keeps: clients are sent there.
func (b *builder) requiresTLS() []*rule {
	d := lastOf(b.host.main, "MDRequireHttps")
	if d == nil || b.host.tls || b.managed(b.host) == nil {
		return nil
	}
	status := map[string]int{"temporary": 302, "permanent": 301}[strings.ToLower(d.arg(0))]
	if status == 0 {
		b.ledger.notNeeded(d, "it is off")
		return nil
	}
	return []*rule{{matcher: matcher{prefix: "/"}, kind: redirected, stage: rewriting, target: "https://{host}{path}", whole: true, status: status, from: []*Directive{d}}}
}

// nameInCertificate is the first name that the certificate in a file is for.
func nameInCertificate(path string) string {
	text, err := os.ReadFile(path)
	if path == "" || err != nil {
		return ""
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return ""
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil || len(certificate.DNSNames) == 0 {
		return ""
	}
	return strings.ToLower(certificate.DNSNames[0])
}

// optionalFrom is the SSLEngine line that lets TLS be optional.
func (h *host) optionalFrom() []*Directive {
	if h.optional {
		return []*Directive{h.last("SSLEngine")}
	}
	return nil
}

// acmeSettings are mod_md's own.
func (t *translation) acmeSettings(hosts []*host) {
	if !slices.ContainsFunc(hosts, func(h *host) bool { return h.tls && t.managed(h) != nil }) {
		return
	}
	if d := lastOf(t.main, "MDContactEmail"); d != nil {
		t.acme.set("email", d.arg(0), d)
	} else if d := lastOf(t.main, "ServerAdmin"); d != nil && strings.Contains(d.arg(0), "@") {
		t.acme.set("email", d.arg(0), d)
	}
	if d := lastOf(t.main, "MDCertificateAuthority"); d != nil {
		t.authority(d)
	}
	if d := lastOf(t.main, "MDPrivateKeys"); d != nil {
		t.acme.set("key_type", keyType(d.Args), d)
	}
	if d := lastOf(t.main, "MDProfile"); d != nil {
		t.acme.set("profile", d.arg(0), d)
	}
	if d := lastOf(t.main, "MDCACertificateFile"); d != nil {
		t.acme.set("ca_file", t.absoluteArg(d), d)
	}
}

// authority takes the CA's directory, which mod_md knows by name too.
func (t *translation) authority(d *Directive) {
	known := map[string]string{"letsencrypt": "", "letsencrypt-test": "https://acme-staging-v02.api.letsencrypt.org/directory", "buypass": "https://api.buypass.com/acme/directory", "buypass-test": "https://api.test4.buypass.no/acme/directory"}
	url, named := known[strings.ToLower(d.arg(0))]
	if !named {
		url = d.arg(0)
	}
	if len(d.Args) > 1 {
		t.ledger.differently(d, "the first of the authorities is taken")
	}
	if url == "" || url == "https://acme-v02.api.letsencrypt.org/directory" {
		t.ledger.notNeeded(d, "Let's Encrypt is what gateway asks without being told")
		return
	}
	t.acme.set("directory", url, d)
}

func keyType(args []string) string {
	rsa := slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(strings.ToLower(a), "rsa") })
	curve := slices.ContainsFunc(args, func(a string) bool {
		return strings.HasPrefix(strings.ToLower(a), "sec") || strings.HasPrefix(strings.ToLower(a), "p-")
	})
	switch {
	case rsa && curve:
		return "both"
	case rsa:
		return "rsa"
	}
	return "ecdsa"
}
