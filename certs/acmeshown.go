package certs

import (
	"crypto/tls"
	"path/filepath"
	"strings"
	"time"
)

// obtainedEarlier are the certificates for a name that lie in the folders of all
// CAs and are still good. After a change of directory or key_type they are shown
// until the CA that is asked now has answered.
func obtainedEarlier(state, name string, now time.Time) []*pair {
	paths, err := filepath.Glob(filepath.Join(globQuoted(state), "acme", "*", "certificates", globQuoted(name)+"-*.pem"))
	if err != nil {
		return nil
	}
	var all []*pair
	for _, path := range paths {
		if p, err := readPair(path); err == nil && p.covers(name) && p.valid(now) {
			p.end = endRoot // the chain is as the CA sent it
			all = append(all, p)
		}
	}
	return all
}

// globQuoted takes the meaning from characters that filepath.Match knows.
func globQuoted(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// beneath is what a source stands for that has nothing of its own yet. What an ACME
// source has obtained is on the disk.
func beneath(before Source) Source {
	if source, ok := before.(*acmeSource); ok {
		return source.before
	}
	return before
}

// held returns the certificates that cover a name and were obtained under the
// present configuration, expired ones too.
func (s *acmeSource) held(name string) []*pair {
	var all []*pair
	for _, m := range s.managed {
		if p := m.view.Load().held; p != nil && (name == "" || p.covers(name)) {
			all = append(all, p)
		}
	}
	return all
}

// obtained returns what can be shown for a name, of all names for "": what is held,
// or else what was obtained earlier. None of it has expired.
func (s *acmeSource) obtained(name string, now time.Time) []*pair {
	good := func(pairs []*pair) (all []*pair) {
		for _, p := range pairs {
			if p.valid(now) && (name == "" || p.covers(name)) {
				all = append(all, p)
			}
		}
		return all
	}
	if held := good(s.held(name)); len(held) > 0 {
		return held
	}
	return good(s.earlier)
}

// Status tells of every certificate that is managed, and of what is shown where one
// is still to come.
func (s *acmeSource) Status(now time.Time) []Status {
	var all []Status
	for _, m := range s.managed {
		view := m.view.Load()
		status := s.shown(m, view, now)
		status.Renew, status.Due = view.next(), view.renew
		if view.held == nil {
			status.Due = s.made
		}
		if failure := view.failure(m.name); failure != nil {
			status.Refused, status.Since = []Problem{*failure}, view.attempts.Since
		}
		all = append(all, status)
	}
	return all
}

// shown tells what clients get in the place of one managed certificate.
func (s *acmeSource) shown(m *managed, view *managedView, now time.Time) Status {
	if view.held != nil && view.held.valid(now) {
		return view.held.status(s.site, s.folder, now)
	}
	if p := best(s.obtained(m.name, now), now, func(*pair) bool { return true }); p != nil {
		return s.awaiting(p.status(s.site, s.folder, now), m, Warning, "a certificate from before is shown")
	}
	if status, found := s.statusBefore(m.name, now); found {
		return s.awaiting(status, m, Warning, "a certificate from before is shown")
	}
	if view.held != nil {
		return view.held.status(s.site, s.folder, now)
	}
	status := s.placeholder.status(s.site, s.folder, now)
	status.Names, status.Files, status.Problems, status.Placeholder = []string{m.name}, nil, nil, true
	return s.awaiting(status, m, Error, "a placeholder is shown, which clients refuse,")
}

// awaiting adds that the CA has not given the certificate yet.
func (s *acmeSource) awaiting(status Status, m *managed, severity Severity, what string) Status {
	status.Problems = append(status.Problems, Problem{Severity: severity, Subject: "certificate for", File: m.name,
		Cause:  what + " until the CA " + s.site.ACME.host() + " has given the first",
		Remedy: "nothing if gateway was just started; else see why it was not given"})
	return status
}

// statusBefore tells of what the site's earlier source shows for a name.
func (s *acmeSource) statusBefore(name string, now time.Time) (Status, bool) {
	if s.before == nil || !s.before.Covers(name) {
		return Status{}, false
	}
	certificate, err := s.before.Get(&tls.ClientHelloInfo{ServerName: name})
	if err != nil {
		return Status{}, false
	}
	for _, status := range s.before.Status(now) {
		if status.SHA256 == fingerprint(certificate.Certificate[0]) {
			return status, true
		}
	}
	return Status{}, false
}
