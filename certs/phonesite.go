package certs

import (
	"fmt"
	"net"
	"os"
	"strconv"
)

// Site judges the certificates of a site without asking a server: those that are
// installed, or were obtained already, as they would be sent, one list for each of
// them. What can't be judged so is told in one item. The list is empty where the
// files hold nothing that can be sent, which Inspect tells. The state folder is
// where Store keeps what it obtains.
func (p Phone) Site(site Site, state string) [][]Finding {
	paths := site.Files
	switch site.Certificate {
	case FromLocal:
		return [][]Finding{{{Item: ItemTrust, Verdict: Failed, Seen: "the certificate is made by the local CA, which phones do not know",
			Remedies: []string{`certificate = "acme" or "files" for phones; the developer tools of WeChat take it while their check of domains and certificates is off`}}}}
	case FromACME:
		if paths = obtained(site, state); len(paths) == 0 {
			return [][]Finding{{skipped(ItemTrust, fmt.Sprintf("the certificate is obtained when gateway runs: ask then with `gateway wechat check %s`", site.reached()))}}
		}
	}
	set := newSet(takeSnapshot(paths), p.roots(), p.Now)
	var all [][]Finding
	for _, one := range set.chosen(site, p.Now) {
		all = append(all, p.chainOf(one, one.chain, one.shownFor(site), set.place()).findings())
	}
	return all
}

// reached is what clients write to come to a site: its name, and its port if it is not
// on 443.
func (s Site) reached() string {
	name := canonicalName(s.Name)
	if _, port := preferred(s.Endpoints, 443); port != 443 && port != 0 {
		return net.JoinHostPort(name, strconv.Itoa(port))
	}
	return name
}

// obtained are the files of a site's certificates that a CA has given.
func obtained(site Site, state string) []string {
	var paths []string
	for _, name := range unique(site.names()) {
		for _, keyType := range site.ACME.keyTypes() {
			path := managedFile(acmeFolder(state, site.ACME), name, keyType)
			if file, err := os.Open(path); err == nil {
				_ = file.Close() // nothing was written
				paths = append(paths, path)
			}
		}
	}
	return paths
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
