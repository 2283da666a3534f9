package certs

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// noticeBefore bounds how long before its end a certificate is warned about: a
// third of its life, but at most this. Certificates live from 6 to 398 days.
const noticeBefore = 30 * 24 * time.Hour

// problems returns what is wrong with a pair at that time. New files go to place.
func (p *pair) problems(place string, now time.Time) []Problem {
	return slices.Concat(p.timeProblems(place, now), p.chainProblems(place), p.leafProblems(), p.signatureProblems(), p.keyProblems(), p.keyFileProblems())
}

func (p *pair) timeProblems(place string, now time.Time) []Problem {
	var problems []Problem
	renew := "get a renewed one from your CA and put its files in " + place
	for _, one := range p.chain {
		part := p.part(one)
		switch {
		case now.After(one.NotAfter):
			cause := fmt.Sprintf("%sexpired on %s (%s ago)", part, day(one.NotAfter), span(now.Sub(one.NotAfter)))
			problems = append(problems, aboutCertificate(Error, one, cause, renew))
		case now.Before(one.NotBefore):
			cause := fmt.Sprintf("%snot valid before %s (in %s)", part, day(one.NotBefore), span(one.NotBefore.Sub(now)))
			problems = append(problems, aboutCertificate(Error, one, cause, "check this machine's clock with timedatectl; if it is right, use the older certificate until then"))
		case one.NotAfter.Sub(now) < notice(one):
			cause := fmt.Sprintf("%sexpires on %s (in %s)", part, day(one.NotAfter), span(one.NotAfter.Sub(now)))
			problems = append(problems, aboutCertificate(Warning, one, cause, renew))
		}
	}
	return problems
}

// part says which certificate of the chain is meant; nothing for the leaf.
func (p *pair) part(one certificate) string {
	if one == p.leaf {
		return ""
	}
	return "the intermediate " + nameOf(one) + " "
}

func notice(c certificate) time.Duration {
	return min(noticeBefore, c.NotAfter.Sub(c.NotBefore)/3)
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// span writes a duration in the unit that a person would use.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return count(int(d/(24*time.Hour)), "day")
	case d >= 2*time.Hour:
		return count(int(d/time.Hour), "hour")
	case d >= time.Minute:
		return count(int(d/time.Minute), "minute")
	}
	return "less than a minute"
}

func (p *pair) chainProblems(place string) []Problem {
	last := p.chain[len(p.chain)-1]
	switch {
	case p.end == endSelf:
		return []Problem{aboutCertificate(Warning, p.leaf, "is signed by itself, so clients refuse it unless they were given it", "get a certificate from a CA")}
	case p.end == endOpen && len(p.chain) == 1:
		return []Problem{p.missingIntermediate(place)}
	case p.end == endOpen:
		return []Problem{aboutCertificate(Warning, last,
			fmt.Sprintf("the chain ends at %s, whose issuer %q is no root that this machine trusts", nameOf(last), last.Issuer.String()),
			"add the missing certificate of the chain to "+place+"; if this is your own CA, add its root, which is not sent")}
	}
	return nil
}

func (p *pair) missingIntermediate(place string) Problem {
	cause := fmt.Sprintf("the intermediate certificate is missing: its issuer %q is not beside it, so phones and many clients refuse it", p.leaf.Issuer.String())
	if len(p.spare) > 0 {
		cause += "; " + p.spare[0].file + " holds " + nameOf(p.spare[0]) + ", which did not sign it"
	}
	remedy := "put your CA's chain file (such as root_bundle.crt or chain.pem) in " + place
	if urls := p.leaf.IssuingCertificateURL; len(urls) > 0 {
		remedy += ", or download it from " + urls[0]
	}
	return aboutCertificate(Error, p.leaf, cause, remedy)
}

// leafProblems returns what the certificate is not meant for. "openssl req -x509"
// makes CA certificates, so one that is signed by itself may be a CA's.
func (p *pair) leafProblems() []Problem {
	var problems []Problem
	if p.leaf.IsCA && p.end != endSelf {
		problems = append(problems, aboutCertificate(Error, p.leaf, "is the certificate of a CA, not of a server: clients refuse it",
			"put the server's certificate and its key here, and keep the CA's key off this machine"))
	}
	if !forServers(p.leaf.Certificate) {
		problems = append(problems, aboutCertificate(Error, p.leaf, "is not for servers: its extended key usage lacks serverAuth, so every client refuses it",
			"get a certificate for a web server from your CA"))
	}
	return problems
}

// forServers tells whether the extended key usage allows TLS servers; absent
// means any (RFC 5280 section 4.2.1.12).
func forServers(c *x509.Certificate) bool {
	if len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 {
		return true
	}
	return slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

func (p *pair) signatureProblems() []Problem {
	var problems []Problem
	for _, one := range p.chain {
		if weakSignature(one.SignatureAlgorithm) {
			cause := fmt.Sprintf("%sis signed with %s, which clients refuse today", p.part(one), one.SignatureAlgorithm)
			problems = append(problems, aboutCertificate(Error, one, cause, "have it reissued with SHA-256"))
		}
	}
	return problems
}

func weakSignature(algorithm x509.SignatureAlgorithm) bool {
	switch algorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return true
	}
	return false
}

func (p *pair) keyProblems() []Problem {
	var problems []Problem
	switch public := p.leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < 2048 { // CA/Browser Forum baseline requirements, 6.1.5
			problems = append(problems, aboutCertificate(Error, p.leaf, fmt.Sprintf("its RSA key has only %d bits, and clients refuse less than 2048", bits),
				"make a new key (openssl genrsa 2048) and have the certificate reissued for it"))
		}
	case *ecdsa.PublicKey:
		problems = append(problems, p.curveProblems(public)...)
	case ed25519.PublicKey:
		problems = append(problems, aboutCertificate(Error, p.leaf, "has an Ed25519 key, which browsers and phones do not accept", newKeyRemedy))
	}
	return problems
}

// curveProblems returns what is wrong with the curve of an ECDSA key. CAs may sign
// for P-256, P-384 and P-521 (CA/Browser Forum baseline requirements, 6.1.5), but
// BoringSSL, which is in Chrome and Android, offers no P-521.
func (p *pair) curveProblems(public *ecdsa.PublicKey) []Problem {
	switch bits := public.Params().BitSize; {
	case bits < 256:
		return []Problem{aboutCertificate(Error, p.leaf, fmt.Sprintf("its ECDSA key has only %d bits, and clients refuse less than 256", bits), newKeyRemedy)}
	case bits > 384:
		return []Problem{aboutCertificate(Error, p.leaf, "has a key on the curve P-521, which Chrome and Android do not accept", newKeyRemedy)}
	}
	return nil
}

func (p *pair) keyFileProblems() []Problem {
	if p.key.mode&0o007 == 0 {
		return nil
	}
	return []Problem{{Severity: Warning, Subject: "key", File: p.key.file,
		Cause:  fmt.Sprintf("is open to every user of this machine (mode %04o)", p.key.mode.Perm()),
		Remedy: "chmod 600 " + shellQuoted(p.key.file)}}
}
