package certs

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

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
	problems := s.siteProblems(site)
	for _, p := range s.chosen(site, now) {
		problems = append(problems, p.problems(s.place(), now)...)
	}
	return unique(problems)
}

// siteProblems returns what is wrong with the set as a whole: files that can't be
// used, names that nothing covers.
func (s *set) siteProblems(site Site) []Problem {
	problems := s.fileProblems()
	if len(s.pairs) == 0 {
		return problems
	}
	for _, name := range site.names() {
		if !slices.ContainsFunc(s.pairs, func(p *pair) bool { return p.covers(name) }) {
			problems = append(problems, uncovered(s.pairs, s.place(), name))
		}
	}
	return problems
}

// fileProblems returns the problems of files. Beside a pair that can be used they
// are warnings; without one they are why nothing can be served.
func (s *set) fileProblems() []Problem {
	if len(s.pairs) > 0 {
		return slices.DeleteFunc(slices.Clone(s.problems), func(p Problem) bool { return p.kind == foreignFile })
	}
	problems := slices.Clone(s.problems)
	keyAtFault := slices.ContainsFunc(problems, func(p Problem) bool { return p.kind == brokenFile })
	if keyAtFault {
		problems = slices.DeleteFunc(problems, func(p Problem) bool { return p.kind == keylessFile })
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
	cause := "holds no certificate and no key"
	remedy := "put the files here that your CA sent: the certificate, its chain and its key, in PEM form"
	switch {
	case len(s.folders) > 0:
		cause += ", only the folders " + strings.Join(s.folders, ", ")
		remedy = "name the folder with the files for Nginx in \"files\""
	case len(s.files) > 0:
		cause = "holds no key and no certificate of a server, only " + s.fileNames()
	}
	return Problem{Severity: Fatal, Subject: "folder", File: s.place(), Cause: cause, Remedy: remedy, kind: brokenFile}
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

// uncovered words that no certificate of the pairs is valid for a name. New files
// go to place.
func uncovered(pairs []*pair, place, name string) Problem {
	var names []string
	for _, p := range pairs {
		names = append(names, sans(p.leaf.Certificate)...)
	}
	names = unique(names)
	leaf := pairs[0].leaf
	if len(names) == 0 {
		return aboutCertificate(Error, leaf,
			fmt.Sprintf("does not cover %s: it has no subject alternative names, and clients don't look at its common name %q", name, leaf.Subject.CommonName),
			"get a certificate for "+name+" from your CA")
	}
	return aboutCertificate(Error, leaf,
		fmt.Sprintf("does not cover %s: valid for %s", name, strings.Join(names, ", ")),
		fmt.Sprintf("get a certificate that covers %s and put its files in %s, or take the name out of this site", name, place))
}
