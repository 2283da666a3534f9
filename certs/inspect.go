package certs

import "time"

// Inspect returns everything that is wrong with the certificate of a site at that
// time, without serving it and without changing anything. Chains are followed to
// the roots that this machine trusts. A site whose certificate gateway makes by
// itself has nothing to inspect before it is served.
func Inspect(site Site, now time.Time) []Problem {
	if site.Certificate != FromFiles || len(site.Files) == 0 {
		return nil
	}
	return newSet(takeSnapshot(site.Files), systemRoots(), now).judge(site, now)
}
