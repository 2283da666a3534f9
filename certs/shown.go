package certs

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// choose returns the best pair for a client: one that it can use and that covers
// the name it asked for. Where there is none, any pair is better than a broken
// connection without a reason: the client's own message then names the fault.
func choose(pairs []*pair, hello *tls.ClientHelloInfo, now time.Time) (*tls.Certificate, error) {
	name := canonicalName(hello.ServerName)
	supported := func(p *pair) bool { return hello.SupportsCertificate(&p.tls) == nil }
	covering := func(p *pair) bool { return p.covers(name) }
	for _, passes := range []func(*pair) bool{
		func(p *pair) bool { return covering(p) && supported(p) },
		covering,
		supported,
		func(*pair) bool { return true },
	} {
		if p := best(pairs, now, passes); p != nil {
			return &p.tls, nil
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrNoCertificate, name)
}

// status tells of one pair.
func (p *pair) status(site Site, place string, now time.Time) Status {
	status := Status{
		Site:      site.Name,
		Origin:    site.Certificate,
		Names:     sans(p.leaf.Certificate),
		Issuer:    p.chain[len(p.chain)-1].Issuer.String(),
		NotBefore: p.leaf.NotBefore,
		NotAfter:  p.notAfter(),
		Key:       keyKind(p.leaf.PublicKey),
		SHA256:    fingerprint(p.leaf.Raw),
		Problems:  p.problems(place, now),
	}
	for _, one := range p.chain {
		status.Chain = append(status.Chain, cmp.Or(one.Subject.String(), nameOf(one))) // CAs leave the subject of servers empty
		status.addFile(one.file)
	}
	status.addFile(p.key.file)
	return status
}

func (s *Status) addFile(path string) {
	if !slices.Contains(s.Files, path) {
		s.Files = append(s.Files, path)
	}
}

// fingerprint is the SHA-256 of a certificate, hexadecimal.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}
