package certs

import "fmt"

// Site judges the certificates of a site without asking a server: installed
// files as they would be sent, one list for each of them. What gateway makes or
// obtains by itself is told in one item. The list is empty where the files hold
// nothing that can be sent, which Inspect tells.
func (p Phone) Site(site Site) [][]Finding {
	switch site.Certificate {
	case FromLocal:
		return [][]Finding{{{Item: ItemTrust, Verdict: Failed, Seen: "the certificate is made by the local CA, which phones do not know",
			Remedies: []string{`certificate = "acme" or "files" for phones; the developer tools of WeChat take it while their check of domains and certificates is off`}}}}
	case FromACME:
		return [][]Finding{{skipped(ItemTrust, fmt.Sprintf("the certificate is obtained while gateway runs: ask then with `gateway wechat check %s`", site.Name))}}
	}
	set := newSet(takeSnapshot(site.Files), p.roots(), p.Now)
	var all [][]Finding
	for _, one := range set.chosen(site, p.Now) {
		name := one.shownFor(site)
		all = append(all, p.chainOf(one, one.chain, name, set.place()).findings())
	}
	return all
}

// shownFor is the first name of the site that the pair covers, or else the main
// one.
func (p *pair) shownFor(site Site) string {
	for _, name := range site.names() {
		if p.covers(name) {
			return name
		}
	}
	return canonicalName(site.Name)
}
