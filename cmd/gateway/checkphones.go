package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gateway/certs"
)

// phones tells for each site that speaks TLS whether a mini-program on a phone
// would accept its certificate. That is no fault of the file: a site may have
// other clients.
func (c *checker) phones(out io.Writer) {
	phone := certs.Phone{Now: time.Now()}
	for _, site := range c.config.Certs() {
		for _, line := range c.siteLines(phone.Site(site, c.config.State)) {
			fmt.Fprintf(out, "%s: site %s: %s\n", c.path, site.Name, line)
		}
	}
}

// siteLines are the lines of all certificates of one site. What is the same of an
// RSA and an ECDSA certificate is told once.
func (c *checker) siteLines(certificates [][]certs.Finding) []string {
	var lines []string
	for _, findings := range certificates {
		for _, line := range c.phoneLines(findings) {
			if !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// phoneLines are the whole in one line, and one for each item that is not in
// order and was not told as a problem of the file already.
func (c *checker) phoneLines(findings []certs.Finding) []string {
	var seen, refused, lines []string
	for _, f := range findings {
		switch {
		case f.Verdict == certs.Failed:
			refused = append(refused, f.Item)
		case f.Verdict == certs.Passed && slices.Contains([]string{certs.ItemChain, certs.ItemKey, certs.ItemSignature, certs.ItemValidity}, f.Item):
			seen = append(seen, f.Seen)
		}
		if told := slices.ContainsFunc(c.problems, func(problem string) bool { return strings.Contains(problem, f.Seen) }); len(f.Remedies) > 0 && !told {
			lines = append(lines, f.Item+": "+f.Seen+": "+strings.Join(f.Remedies, "; "))
		}
	}
	switch {
	case len(refused) > 0:
		return append([]string{"a phone would refuse the certificate: " + strings.Join(refused, ", ")}, lines...)
	case len(seen) > 0:
		return append([]string{"a phone would accept the certificate: " + strings.Join(seen, ", ")}, lines...)
	}
	return []string{findings[0].Seen}
}
