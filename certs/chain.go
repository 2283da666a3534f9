package certs

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// maxChain bounds the length of a chain. Public CAs use three or four.
const maxChain = 10

// chainEnd is what is known about the issuer of the last certificate of a chain.
type chainEnd int

const (
	endOpen   chainEnd = iota // it is not known here
	endRoot                   // its certificate is among the files
	endSystem                 // it is a root that this machine trusts
	endSelf                   // the leaf has signed itself
)

// buildChain puts the chain of a leaf in order by subject and signature. The root
// is left out: a client that trusts it has it, another one would not use it.
func buildChain(leaf certificate, pool []certificate, now time.Time) ([]certificate, chainEnd) {
	chain := []certificate{leaf}
	if selfSigned(leaf) {
		return chain, endSelf
	}
	for len(chain) < maxChain {
		parent, found := issuerOf(chain[len(chain)-1], chain, pool, now)
		switch {
		case !found:
			return chain, endOpen
		case selfSigned(parent):
			return chain, endRoot
		}
		chain = append(chain, parent)
	}
	return chain, endOpen
}

// issuerOf finds who signed a certificate. A CA may have several certificates for
// one key: a cross-signed one is preferred to the root, because older clients
// need it, but not when it has expired.
func issuerOf(child certificate, chain, pool []certificate, now time.Time) (certificate, bool) {
	var found certificate
	rank := 0
	for _, candidate := range pool {
		if slices.Contains(chain, candidate) || !signed(child, candidate) {
			continue
		}
		if r := rankIssuer(candidate, now); r > rank || r == rank && candidate.NotAfter.After(found.NotAfter) {
			found, rank = candidate, r
		}
	}
	return found, rank > 0
}

func rankIssuer(c certificate, now time.Time) int {
	inTime := !now.Before(c.NotBefore) && !now.After(c.NotAfter)
	switch {
	case inTime && !selfSigned(c):
		return 3
	case inTime:
		return 2
	}
	return 1
}

// signed tells whether parent has issued child.
func signed(child, parent certificate) bool {
	return bytes.Equal(child.RawIssuer, parent.RawSubject) && parent.IsCA && verifies(child, parent)
}

func selfSigned(c certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) && verifies(c, c)
}

// verifies checks the signature alone. The standard library refuses to check MD5;
// there the names have to do, and the admin is told of it elsewhere.
func verifies(child, parent certificate) bool {
	err := parent.CheckSignature(child.SignatureAlgorithm, child.RawTBSCertificate, child.Signature)
	var insecure x509.InsecureAlgorithmError
	if errors.As(err, &insecure) {
		return len(child.AuthorityKeyId) == 0 || bytes.Equal(child.AuthorityKeyId, parent.SubjectKeyId)
	}
	return err == nil
}

// knownToSystem tells whether the last certificate of a chain was issued by one of
// the roots.
func knownToSystem(chain []certificate, roots *x509.CertPool, now time.Time) bool {
	return len(anchors(chain, roots, now)) > 0
}

// anchors returns those of the roots that have issued the last certificate of a
// chain. It counts at any time of its life: expiry is reported apart.
func anchors(chain []certificate, roots *x509.CertPool, now time.Time) []*x509.Certificate {
	if roots == nil {
		return nil
	}
	last := chain[len(chain)-1]
	for _, at := range []time.Time{now, last.NotBefore, last.NotAfter} {
		options := x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
		var found []*x509.Certificate
		paths, err := last.Verify(options)
		for _, path := range paths {
			found = append(found, path[len(path)-1])
		}
		if err == nil {
			return found
		}
	}
	return nil
}
