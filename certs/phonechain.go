package certs

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Phone judges servers as WeChat on a phone does: it knows the public roots and
// nothing else, gets no missing certificate from anywhere, and keeps to Apple's
// App Transport Security (TLS 1.2, forward secrecy, SHA-256, RSA of 2048 or EC of
// 256 bits).
type Phone struct {
	Roots *x509.CertPool // own roots that the phones were given; nil: the public ones, as this machine has them
	Now   time.Time
	// Timeout bounds each connection that is made.
	Timeout time.Duration
}

func (p Phone) roots() *x509.CertPool {
	if p.Roots != nil {
		return p.Roots
	}
	return systemRoots()
}

// anyPlace is where new files go whatever server it is.
const anyPlace = `the certificate's place (gateway: the folder of "files"; nginx: the file of ssl_certificate; Apache: that of SSLCertificateFile)`

// phoneChain is a chain as a client gets it.
type phoneChain struct {
	*pair
	served  []certificate // as they came over the wire
	name    string        // canonical
	place   string        // where the admin puts new files
	own     bool          // whether the roots are the admin's own
	anchors []*x509.Certificate
	now     time.Time
}

// shownChain makes one of certificates in the order in which a server sent them,
// the leaf first.
func (p Phone) shownChain(name string, sent []*x509.Certificate) phoneChain {
	var m material
	for _, one := range sent {
		m.certificates = append(m.certificates, certificate{one, ""})
	}
	served := slices.Clone(m.certificates)
	m.certificates = withoutDuplicates(m.certificates)
	return p.chainOf(m.newPair(m.certificates[0], privateKey{}, p.roots(), p.Now), served, name, anyPlace)
}

func (p Phone) chainOf(one *pair, served []certificate, name, place string) phoneChain {
	c := phoneChain{pair: one, served: served, name: canonicalName(name), place: place, own: p.Roots != nil, now: p.Now}
	c.shorten(p)
	c.anchors = p.anchors(c.chain)
	if c.end == endSystem && len(c.anchors) == 0 {
		c.setChain(c.chain, endOpen)
	}
	return c
}

// anchors are the roots that a chain leads to. An intermediate that an admin made
// this machine trust is none, since phones do not have it.
func (p Phone) anchors(chain []certificate) []*x509.Certificate {
	found := anchors(chain, p.roots(), p.Now)
	if p.Roots == nil {
		found = slices.DeleteFunc(found, func(one *x509.Certificate) bool { return !selfSigned(certificate{Certificate: one}) })
	}
	return found
}

// setChain leaves the pair of others as it is.
func (c *phoneChain) setChain(chain []certificate, end chainEnd) {
	changed := *c.pair
	changed.chain, changed.end = chain, end
	c.pair = &changed
}

// shorten leaves expired certificates at the end of the chain out where a trusted
// root has signed what stands before them: phones find that way, too. It is so
// with cross-signed certificates that outlived their purpose.
func (c *phoneChain) shorten(p Phone) {
	chain := c.chain
	for len(chain) > 1 && p.Now.After(chain[len(chain)-1].NotAfter) {
		chain = chain[:len(chain)-1]
		if len(p.anchors(chain)) > 0 {
			c.setChain(chain, endSystem)
			return
		}
	}
}

// findings are the items that can be told from the certificates alone.
func (c phoneChain) findings() []Finding {
	return []Finding{c.complete(), c.order(), c.rootSent(), c.keyStrength(), c.signature(), c.covered(), c.usage(), c.validity(), c.trust(), c.android()}
}

func (c phoneChain) complete() Finding {
	if c.end == endSelf {
		return skipped(ItemChain, "the certificate is signed by itself")
	}
	if c.end == endOpen {
		f := finding(ItemChain, "", c.chainProblems(c.place))
		f.Verdict = Failed
		f.Remedies = append(f.Remedies, "if the issuer is a CA of your own: "+publicCA)
		return f
	}
	return passed(ItemChain, fmt.Sprintf("complete as sent: %s up to the root %s", count(len(c.chain), "certificate"), c.rootName()))
}

// rootName is what the chain ends at.
func (c phoneChain) rootName() string {
	if len(c.anchors) > 0 {
		return rootName(c.anchors[0].Subject)
	}
	return c.chain[len(c.chain)-1].Issuer.String()
}

// order compares what was sent with what a client needs. Each certificate must
// be signed by the next one (RFC 5246 section 7.4.2).
func (c phoneChain) order() Finding {
	needed := slices.Clone(c.chain)
	var sent []certificate
	var problems []Problem
	for i, one := range c.served {
		again := slices.ContainsFunc(c.served[:i], func(other certificate) bool { return one.Equal(other.Certificate) })
		switch {
		case again:
			problems = append(problems, c.surplus(one, " is sent twice"))
		case slices.Contains(c.chain, one):
			sent = append(sent, one)
		case selfSigned(one) && signed(c.chain[len(c.chain)-1], one): // no use, but in its place it does no harm
			sent, needed = append(sent, one), append(needed, one)
		default:
			problems = append(problems, c.surplus(one, " is sent and is no part of the chain"))
		}
	}
	if !slices.Equal(sent, needed) {
		problems = append(problems, Problem{Severity: Error, Cause: "sent as " + namesOf(sent) + ", but each must be signed by the next: " + namesOf(needed), Remedy: byItself})
	}
	return finding(ItemOrder, "each certificate is signed by the next", problems)
}

func (c phoneChain) surplus(one certificate, how string) Problem {
	return Problem{Severity: Warning, Cause: nameOf(one) + how, Remedy: byItself}
}

func (c phoneChain) rootSent() Finding {
	var problems []Problem
	for _, one := range c.served[1:] {
		if selfSigned(one) && signed(c.chain[len(c.chain)-1], one) && !one.Equal(c.leaf.Certificate) {
			problems = append(problems, c.surplus(one, fmt.Sprintf(" is sent (%d bytes a connection): a phone that trusts the root has it", len(one.Raw))))
		}
	}
	return finding(ItemRoot, "the root is not sent", unique(problems))
}

func (c phoneChain) keyStrength() Finding {
	return finding(ItemKey, keyKind(c.leaf.PublicKey), c.keyProblems())
}

func (c phoneChain) signature() Finding {
	return finding(ItemSignature, c.leaf.SignatureAlgorithm.String(), c.signatureProblems())
}

func (c phoneChain) covered() Finding {
	var problems []Problem
	if !c.covers(c.name) {
		problems = append(problems, uncovered([]*pair{c.pair}, c.place, c.name))
	}
	return finding(ItemName, c.name+" is covered by "+strings.Join(sans(c.leaf.Certificate), ", "), problems)
}

func (c phoneChain) usage() Finding {
	return finding(ItemUsage, "for servers", c.leafProblems())
}

func (c phoneChain) validity() Finding {
	return finding(ItemValidity, fmt.Sprintf("until %s (%s left)", day(c.notAfter()), span(c.notAfter().Sub(c.now))), c.timeProblems(c.place, c.now))
}

// publicCA is the remedy for roots that no phone has.
const publicCA = `get a certificate from a public CA (gateway: certificate = "acme" does it by itself); phones know no others`

func (c phoneChain) trust() Finding {
	switch {
	case len(c.anchors) > 0 && c.own:
		return passed(ItemTrust, "the root "+c.rootName()+" is among those that were given")
	case len(c.anchors) > 0:
		return passed(ItemTrust, "this machine trusts the root "+c.rootName())
	case c.end == endOpen:
		return skipped(ItemTrust, "the chain does not lead to a root")
	case c.end == endSelf:
		return Finding{Item: ItemTrust, Verdict: Failed, Seen: c.chainProblems(c.place)[0].Cause, Remedies: []string{publicCA}}
	}
	return Finding{Item: ItemTrust, Verdict: Failed, Seen: "the root " + c.rootName() + " is none that this machine trusts, so it is in no phone", Remedies: []string{publicCA}}
}

func (c phoneChain) android() Finding {
	switch {
	case len(c.anchors) == 0:
		return skipped(ItemAndroid, "there is no root to ask about")
	case c.own:
		return skipped(ItemAndroid, "the roots are your own")
	}
	first, root, known := firstAndroidFor(c.chain, c.anchors)
	if !known {
		return skipped(ItemAndroid, "it is not known here which Android was the first with the root "+c.rootName())
	}
	if first.year <= oldestPhones {
		return passed(ItemAndroid, fmt.Sprintf("the root %s is in every Android from %s on", root, first))
	}
	return Finding{Item: ItemAndroid, Verdict: Warned, Seen: fmt.Sprintf("phones with an Android before %s do not know the root %s", first, root),
		Remedies: []string{"if your users have such phones, take a certificate that leads to an older root, such as DigiCert Global Root G2, GlobalSign Root CA - R3 or USERTrust RSA Certification Authority"}}
}

func namesOf(chain []certificate) string {
	var names []string
	for _, one := range chain {
		names = append(names, nameOf(one))
	}
	return strings.Join(names, ", ")
}

// count writes how many there are of something.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
