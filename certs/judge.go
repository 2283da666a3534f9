package certs

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// noticeBefore bounds how long before its end a certificate is warned about: a
// third of its life, but at most this. Certificates live from 6 to 398 days.
const noticeBefore = 30 * 24 * time.Hour

// set is what the files of a site hold at one moment.
type set struct {
	*snapshot
	pairs    []*pair
	problems []Problem // of files, whatever the site and the time
}

// newSet parses a snapshot. The chains are followed to one of roots where the
// files themselves don't hold the root; nil: no roots are known.
func newSet(s *snapshot, roots *x509.CertPool, now time.Time) *set {
	m := &material{problems: slices.Clone(s.problems)}
	for _, f := range s.files {
		m.parse(f)
	}
	pairs := m.match(roots, now)
	return &set{snapshot: s, pairs: pairs, problems: m.problems}
}

// judge returns everything that is wrong with the set for a site at that time.
func (s *set) judge(site Site, now time.Time) []Problem {
	problems := s.fileProblems()
	for _, p := range s.chosen(site, now) {
		problems = append(problems, p.problems(s.place(), now)...)
	}
	if len(s.pairs) == 0 {
		return problems
	}
	for _, name := range site.names() {
		if !slices.ContainsFunc(s.pairs, func(p *pair) bool { return p.covers(name) }) {
			problems = append(problems, s.uncovered(name))
		}
	}
	return unique(problems)
}

// fileProblems returns the problems of files. Beside a pair that can be used they
// are warnings; without one they are why nothing can be served.
func (s *set) fileProblems() []Problem {
	if len(s.pairs) > 0 {
		return slices.DeleteFunc(slices.Clone(s.problems), func(p Problem) bool { return p.kind == unwanted })
	}
	problems := slices.Clone(s.problems)
	keyAtFault := slices.ContainsFunc(problems, func(p Problem) bool { return p.kind == broken })
	if keyAtFault {
		problems = slices.DeleteFunc(problems, func(p Problem) bool { return p.kind == noKey })
	}
	for i := range problems {
		problems[i].Severity = Fatal
	}
	if len(problems) == 0 {
		problems = append(problems, s.nothing())
	}
	return problems
}

// nothing words that the paths hold no pair and no file that is at fault.
func (s *set) nothing() Problem {
	problem := Problem{Fatal, "folder", s.place(), "holds no certificate and no key",
		"put the files here that your CA sent: the certificate, its chain and its key, in PEM form", broken}
	switch {
	case len(s.folders) > 0:
		problem.Cause += ", only the folders " + strings.Join(s.folders, ", ")
		problem.Remedy = "name the folder with the files for Nginx in \"files\""
	case len(s.files) > 0:
		problem.Cause = "holds no key and no certificate of a server, only " + s.fileNames()
	}
	return problem
}

func (s *set) fileNames() string {
	const most = 5
	var names []string
	for _, f := range s.files {
		if len(names) == most {
			names = append(names, "and others")
			break
		}
		names = append(names, f.path)
	}
	return strings.Join(names, ", ")
}

// chosen returns the pairs that the site would show: for each of its names the
// best of each kind of key. When no name is covered, these are all pairs.
func (s *set) chosen(site Site, now time.Time) []*pair {
	var chosen []*pair
	for _, name := range site.names() {
		for algorithm := range 3 {
			p := best(s.pairs, now, func(p *pair) bool { return p.algorithm() == algorithm && p.covers(name) })
			if p != nil && !slices.Contains(chosen, p) {
				chosen = append(chosen, p)
			}
		}
	}
	if len(chosen) == 0 {
		return s.pairs
	}
	return chosen
}

func (s *set) uncovered(name string) Problem {
	var names []string
	for _, p := range s.pairs {
		for _, san := range sans(p.leaf.Certificate) {
			if !slices.Contains(names, san) {
				names = append(names, san)
			}
		}
	}
	file := s.pairs[0].leaf.file
	if len(names) == 0 {
		return Problem{Error, "certificate", file, fmt.Sprintf("does not cover %s: it has no subject alternative names, and clients don't look at its common name %q", name, s.pairs[0].leaf.Subject.CommonName),
			"get a certificate for " + name + " from your CA", about}
	}
	return Problem{Error, "certificate", file, fmt.Sprintf("does not cover %s: valid for %s", name, strings.Join(names, ", ")),
		fmt.Sprintf("get a certificate that covers %s and put its files in %s, or take the name out of this site", name, s.place()), about}
}

// problems returns what is wrong with a pair at that time. New files go to place.
func (p *pair) problems(place string, now time.Time) []Problem {
	problems := p.timeProblems(place, now)
	problems = append(problems, p.chainProblems(place)...)
	problems = append(problems, p.leafProblems()...)
	return append(problems, p.keyProblems()...)
}

func (p *pair) timeProblems(place string, now time.Time) []Problem {
	var problems []Problem
	renew := "get a renewed one from your CA and put its files in " + place
	for _, one := range p.chain {
		switch {
		case now.After(one.NotAfter):
			problems = append(problems, Problem{Error, "certificate", one.file, fmt.Sprintf("%sexpired on %s (%s ago)", p.part(one), day(one.NotAfter), span(now.Sub(one.NotAfter))), renew, about})
		case now.Before(one.NotBefore):
			problems = append(problems, Problem{Error, "certificate", one.file, fmt.Sprintf("%snot valid before %s (in %s)", p.part(one), day(one.NotBefore), span(one.NotBefore.Sub(now))),
				"check this machine's clock with timedatectl; if it is right, use the older certificate until then", about})
		case one.NotAfter.Sub(now) < notice(one):
			problems = append(problems, Problem{Warning, "certificate", one.file, fmt.Sprintf("%sexpires on %s (in %s)", p.part(one), day(one.NotAfter), span(one.NotAfter.Sub(now))), renew, about})
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
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return fmt.Sprintf("%d minutes", d/time.Minute)
}

func (p *pair) chainProblems(place string) []Problem {
	last := p.chain[len(p.chain)-1]
	switch {
	case p.end == endSelf:
		return []Problem{{Warning, "certificate", p.leaf.file, "is signed by itself, so clients refuse it unless they were given it",
			"get a certificate from a CA", about}}
	case p.end == endOpen && len(p.chain) == 1:
		return []Problem{p.missingIntermediate(place)}
	case p.end == endOpen:
		return []Problem{{Warning, "certificate", last.file, fmt.Sprintf("the chain ends at %s, whose issuer %q is no root that this machine trusts", nameOf(last), last.Issuer.String()),
			"add the missing certificate of the chain to " + place + "; if this is your own CA, add its root, which is not sent", about}}
	}
	return nil
}

func (p *pair) missingIntermediate(place string) Problem {
	problem := Problem{Error, "certificate", p.leaf.file, fmt.Sprintf("the intermediate certificate is missing: its issuer %q is not among the files, so phones and many clients refuse it", p.leaf.Issuer.String()),
		"put your CA's chain file (such as root_bundle.crt or chain.pem) in " + place, about}
	if len(p.spare) > 0 {
		problem.Cause += "; " + p.spare[0].file + " holds " + nameOf(p.spare[0]) + ", which did not sign it"
	}
	if urls := p.leaf.IssuingCertificateURL; len(urls) > 0 {
		problem.Remedy += ", or download it from " + urls[0]
	}
	return problem
}

func (p *pair) leafProblems() []Problem {
	var problems []Problem
	if p.leaf.IsCA && p.end != endSelf {
		problems = append(problems, Problem{Error, "certificate", p.leaf.file, "is the certificate of a CA, not of a server: clients refuse it",
			"put the server's certificate and its key here, and keep the CA's key off this machine", about})
	}
	if !forServers(p.leaf.Certificate) {
		problems = append(problems, Problem{Error, "certificate", p.leaf.file, "is not for servers: its extended key usage lacks serverAuth, so every client refuses it",
			"get a certificate for a web server from your CA", about})
	}
	for _, one := range p.chain {
		if weakSignature(one.SignatureAlgorithm) {
			problems = append(problems, Problem{Warning, "certificate", one.file, fmt.Sprintf("%sis signed with %s, which clients refuse today", p.part(one), one.SignatureAlgorithm),
				"have it reissued with SHA-256", about})
		}
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
		if public.N.BitLen() < 2048 { // CA/Browser Forum baseline requirements, 6.1.5
			problems = append(problems, Problem{Warning, "certificate", p.leaf.file, fmt.Sprintf("its RSA key has only %d bits, and clients refuse less than 2048", public.N.BitLen()),
				"make a new key (openssl genrsa 2048) and have the certificate reissued for it", about})
		}
	case ed25519.PublicKey:
		problems = append(problems, Problem{Warning, "certificate", p.leaf.file, "has an Ed25519 key, which browsers and phones do not accept",
			newKeyRemedy, about})
	}
	if p.key.mode&0o007 != 0 {
		problems = append(problems, Problem{Warning, "key", p.key.file, fmt.Sprintf("is open to every user of this machine (mode %04o)", p.key.mode.Perm()),
			"chmod 600 " + shellQuoted(p.key.file), about})
	}
	return problems
}
