package certs

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"
)

// fileSource serves installed files and follows their replacement. The contents
// are compared, not the times: copying keeps times, certbot and Kubernetes swap
// links, and notifications of the kernel miss both.
type fileSource struct {
	site     Site
	interval time.Duration
	roots    *x509.CertPool // nil: none are known
	log      *slog.Logger

	// view is what handshakes see. Only Run writes it.
	view atomic.Pointer[fileView]

	// The rest belongs to Run.
	passing  [sha256.Size]byte // a bad content seen once: perhaps half-written
	reported string            // the refusal that the log has already
}

// fileView is what is served, and the replacement that is not.
type fileView struct {
	served    *set
	refused   []Problem
	candidate *set // what the refusal is about; nil: nothing is refused
	since     time.Time
}

// newFileSource loads the files of a site. It returns all problems; the source is
// nil if one is Fatal.
func newFileSource(site Site, interval time.Duration, roots *x509.CertPool, log *slog.Logger, now time.Time) (*fileSource, []Problem) {
	loaded := newSet(takeSnapshot(site.Files), roots, now)
	problems := loaded.judge(site, now)
	if worst(problems) == Fatal {
		return nil, problems
	}
	source := &fileSource{site: site, interval: interval, roots: roots, log: log}
	source.view.Store(&fileView{served: loaded})
	return source, problems
}

func (f *fileSource) Covers(name string) bool {
	return slices.ContainsFunc(f.view.Load().served.pairs, func(p *pair) bool { return p.covers(name) })
}

func (f *fileSource) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return choose(f.view.Load().served.pairs, hello, time.Now())
}

func (f *fileSource) Run(ctx context.Context) error {
	return every(ctx, f.interval, f.look)
}

// look compares the files with what is served, and takes a good change over.
func (f *fileSource) look(now time.Time) {
	view := f.view.Load()
	seen := takeSnapshot(f.site.Files)
	switch {
	case seen.sum == view.served.sum:
		f.restored(view)
	case view.candidate != nil && seen.sum == view.candidate.sum:
		f.consider(view.candidate, now) // time alone can make it the better one
	default:
		f.consider(newSet(seen, f.roots, now), now)
	}
}

// consider takes a changed set over unless it is worse than what is served. A bad
// one is reported only when it is seen twice, since files that are being copied
// are bad for a moment.
func (f *fileSource) consider(candidate *set, now time.Time) {
	view := f.view.Load()
	problems := candidate.judge(f.site, now)
	switch {
	case !worse(view.served, candidate, f.site, now):
		f.view.Store(&fileView{served: candidate})
		f.log.Info("replaced certificate files are in use", "site", f.site.Name, "files", candidate.place(), "expires", candidate.expires(f.site, now))
		f.reported = ""
		logProblems(f.log, f.site, problems)
	case f.passing != candidate.sum:
		f.passing = candidate.sum
	case view.candidate == nil || view.candidate.sum != candidate.sum:
		f.refuse(view, candidate, problems, now)
	}
}

func (f *fileSource) refuse(view *fileView, candidate *set, problems []Problem, now time.Time) {
	since := now
	if view.candidate != nil {
		since = view.since
	}
	f.view.Store(&fileView{served: view.served, candidate: candidate, refused: problems, since: since})
	message := joined(problems, Warning).Error()
	if message == f.reported {
		return
	}
	f.reported = message
	f.log.Error("replaced certificate files are not in use, the last good ones stay", "site", f.site.Name, "error", message,
		"expires", view.served.expires(f.site, now))
}

// restored notes that the files are again what is served.
func (f *fileSource) restored(view *fileView) {
	f.passing = [sha256.Size]byte{}
	if view.candidate == nil {
		return
	}
	f.view.Store(&fileView{served: view.served})
	f.reported = ""
	f.log.Info("certificate files are good again", "site", f.site.Name, "files", view.served.place())
}

func (f *fileSource) Status(now time.Time) []Status {
	view := f.view.Load()
	var all []Status
	for _, p := range view.served.chosen(f.site, now) {
		status := p.status(f.site, view.served.place(), now)
		status.Problems = append(status.Problems, view.served.siteProblems(f.site)...)
		status.Refused, status.Since = view.refused, view.since
		all = append(all, status)
	}
	return all
}

// expires is when the first of the pairs ends that the site shows.
func (s *set) expires(site Site, now time.Time) time.Time {
	var first time.Time
	for _, p := range s.chosen(site, now) {
		if end := p.notAfter(); first.IsZero() || end.Before(first) {
			first = end
		}
	}
	return first
}

// worse tells whether clients would lose something if next took the place of
// served: it can't be served, or clients refuse it while they accept what is
// served, or a kind of key is gone for a name because a file of it is broken. A
// pair that was removed as a whole is no loss but a decision.
func worse(served, next *set, site Site, now time.Time) bool {
	had, has := worst(served.judge(site, now)), worst(next.judge(site, now))
	switch {
	case has == Fatal:
		return true
	case has == Error && had < Error:
		return true
	}
	return next.brokenFiles() > served.brokenFiles() && next.lacks(served, site)
}

func (s *set) brokenFiles() int {
	count := 0
	for _, problem := range s.problems {
		if problem.halves() {
			count++
		}
	}
	return count
}

// lacks tells whether other covers a name of the site with a kind of key for which
// s has nothing.
func (s *set) lacks(other *set, site Site) bool {
	for _, name := range site.names() {
		for _, p := range other.pairs {
			same := func(q *pair) bool { return q.algorithm() == p.algorithm() && q.covers(name) }
			if p.covers(name) && !slices.ContainsFunc(s.pairs, same) {
				return true
			}
		}
	}
	return false
}

// logProblems writes every problem as one line of its level.
func logProblems(log *slog.Logger, site Site, problems []Problem) {
	for _, problem := range problems {
		level := slog.LevelWarn
		if problem.Severity > Warning {
			level = slog.LevelError
		}
		log.Log(context.Background(), level, "certificate problem", "site", site.Name, "problem", problem.Error())
	}
}
