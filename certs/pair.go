package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// pair is a certificate with its key and its chain, ready to be served.
type pair struct {
	tls   tls.Certificate
	leaf  certificate
	chain []certificate // as it is sent: the leaf first, without the root
	key   privateKey
	end   chainEnd
	spare []certificate // CA certificates beside it that are no part of the chain
}

// match finds which certificates and keys belong together. Every certificate that
// a key fits makes one pair: a renewed one often keeps its key.
func (m *material) match(roots *x509.CertPool, now time.Time) []*pair {
	m.certificates = withoutDuplicates(m.certificates)
	var pairs []*pair
	for _, key := range m.distinctKeys() {
		found := false
		for _, leaf := range m.certificates {
			if fits(key, leaf) {
				found = true
				pairs = append(pairs, m.newPair(leaf, key, roots, now))
			}
		}
		if !found {
			m.strayKey(key)
		}
	}
	m.strayCertificates(pairs)
	return pairs
}

func (m *material) newPair(leaf certificate, key privateKey, roots *x509.CertPool, now time.Time) *pair {
	p := &pair{leaf: leaf, key: key}
	p.chain, p.end = buildChain(leaf, m.certificates, now)
	if p.end == endOpen && knownToSystem(p.chain, roots, now) {
		p.end = endSystem
	}
	for _, one := range m.certificates {
		if one.IsCA && !selfSigned(one) && !slices.Contains(p.chain, one) {
			p.spare = append(p.spare, one)
		}
	}
	p.tls = tls.Certificate{PrivateKey: key.Signer, Leaf: leaf.Certificate}
	for _, one := range p.chain {
		p.tls.Certificate = append(p.tls.Certificate, one.Raw)
	}
	return p
}

// withoutDuplicates keeps the first of equal certificates: CAs send the same one
// under several names.
func withoutDuplicates(all []certificate) []certificate {
	var kept []certificate
	for _, one := range all {
		if !slices.ContainsFunc(kept, func(other certificate) bool { return one.Equal(other.Certificate) }) {
			kept = append(kept, one)
		}
	}
	return kept
}

func (m *material) distinctKeys() []privateKey {
	var kept []privateKey
	for _, key := range m.keys {
		if !slices.ContainsFunc(kept, func(other privateKey) bool { return samePublic(key.Public(), other.Public()) }) {
			kept = append(kept, key)
		}
	}
	return kept
}

func fits(key privateKey, leaf certificate) bool { return samePublic(key.Public(), leaf.PublicKey) }

func samePublic(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}

// strayKey records a key that fits no certificate.
func (m *material) strayKey(key privateKey) {
	cause := "fits no certificate: there is none beside it"
	if leaves := m.describe(); leaves != "" {
		cause = "fits no certificate; there is " + leaves
	}
	m.problems = append(m.problems, aboutFile(brokenFile, "key", key.file, cause,
		"put the key here that was made together with the certificate's request, or have the certificate reissued for this key"))
}

// describe lists the certificates that a key could belong to.
func (m *material) describe() string {
	var list []string
	for _, one := range m.certificates {
		if !one.IsCA || len(m.certificates) == 1 {
			list = append(list, fmt.Sprintf("%s (%s, %s)", one.file, nameOf(one), keyKind(one.PublicKey)))
		}
	}
	return strings.Join(list, ", ")
}

// strayCertificates records certificates of servers that no key fits.
func (m *material) strayCertificates(pairs []*pair) {
	for _, one := range m.certificates {
		if one.IsCA || slices.ContainsFunc(pairs, func(p *pair) bool { return p.leaf == one }) {
			continue
		}
		m.problems = append(m.problems, aboutFile(keylessFile, "certificate", one.file, "has no key: none of the files holds the key for "+nameOf(one),
			"put its private key (a .key file) beside it"))
	}
}

// nameOf returns what a person would call a certificate.
func nameOf(c certificate) string {
	if names := sans(c.Certificate); len(names) > 0 && !c.IsCA {
		return names[0]
	}
	if c.Subject.CommonName != "" {
		return "CN=" + c.Subject.CommonName
	}
	return c.Subject.String()
}

// sans returns the names a certificate is valid for, addresses included.
func sans(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// covers tells whether clients accept the certificate for a canonical name, which
// may be a wildcard that the certificate has too.
func (p *pair) covers(name string) bool {
	if strings.HasPrefix(name, "*.") {
		return slices.ContainsFunc(p.leaf.DNSNames, func(san string) bool { return strings.EqualFold(san, name) })
	}
	return p.leaf.VerifyHostname(name) == nil
}

// notAfter is when the first certificate of the chain ends.
func (p *pair) notAfter() time.Time {
	end := p.leaf.NotAfter
	for _, one := range p.chain {
		if one.NotAfter.Before(end) {
			end = one.NotAfter
		}
	}
	return end
}

func (p *pair) valid(now time.Time) bool {
	return !now.Before(p.leaf.NotBefore) && !now.After(p.notAfter())
}

// algorithm ranks the kind of key: ECDSA costs the server least, browsers don't
// know Ed25519.
func (p *pair) algorithm() int {
	switch p.leaf.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return 0
	case *rsa.PublicKey:
		return 1
	}
	return 2
}

// better tells whether p is to be preferred to other, both being usable: the one
// that clients accept now, then the one with the better key, then the newer one.
func (p *pair) better(other *pair, now time.Time) bool {
	if a, b := p.valid(now), other.valid(now); a != b {
		return a
	}
	if a, b := p.end != endOpen, other.end != endOpen; a != b {
		return a
	}
	if a, b := p.algorithm(), other.algorithm(); a != b {
		return a < b
	}
	return p.leaf.NotBefore.After(other.leaf.NotBefore)
}

// best returns the best pair of those that pass; nil if none does.
func best(pairs []*pair, now time.Time, passes func(*pair) bool) *pair {
	var chosen *pair
	for _, p := range pairs {
		if passes(p) && (chosen == nil || p.better(chosen, now)) {
			chosen = p
		}
	}
	return chosen
}
