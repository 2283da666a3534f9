package certs

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// localSource serves a certificate that the local CA has made for one site, and
// makes a new one after two thirds of its life.
type localSource struct {
	site     Site
	state    string
	interval time.Duration
	log      *slog.Logger
	served   atomic.Pointer[pair]
	failure  atomic.Pointer[Problem] // of the last renewal; nil: it went well
	making   sync.Mutex              // held while a leaf is made
}

// newLocalSource opens the leaf of a site, and makes it, and the CA, where they
// are not there yet.
func newLocalSource(site Site, state string, interval time.Duration, log *slog.Logger, now time.Time) (*localSource, error) {
	source := &localSource{site: site, state: state, interval: interval, log: log}
	if err := source.refresh(now); err != nil {
		return nil, err
	}
	return source, nil
}

func localProblem(state string, err error) Problem {
	return Problem{Severity: Fatal, Subject: "local CA in", File: authorityFolder(state), Cause: err.Error(),
		Remedy: "let gateway write there, or remove that folder: a new CA is made, which clients have to be given again"}
}

// refresh loads the leaf, and makes a new one when it is due, covers too little or
// was signed by another CA.
func (l *localSource) refresh(now time.Time) error { return l.obtain(now, false) }

// obtain does the same; anew makes a new one whatever the old one is worth, unless
// another site of the same names has just done so.
func (l *localSource) obtain(now time.Time, anew bool) error {
	l.making.Lock()
	defer l.making.Unlock()
	ca, err := openAuthority(l.state, now)
	if err != nil {
		return err
	}
	leaf, err := readPair(l.file())
	if held := l.served.Load(); err == nil && held != nil && leaf.newer(held) {
		anew = false
	}
	if err != nil || anew || !l.keeps(leaf, ca, now) {
		if leaf, err = l.make(ca, now); err != nil {
			return err
		}
	}
	leaf.end = endRoot
	l.served.Store(leaf)
	return nil
}

// keeps tells whether the leaf goes on being served.
func (l *localSource) keeps(leaf *pair, ca *authority, now time.Time) bool {
	uncovered := slices.ContainsFunc(l.names(), func(name string) bool { return !leaf.covers(name) })
	return !uncovered && leaf.leaf.CheckSignatureFrom(ca.certificate) == nil && leaf.valid(now) && now.Before(renewal(leaf))
}

// make issues a leaf. Its file holds certificate and key together, so that they
// can't be torn apart.
func (l *localSource) make(ca *authority, now time.Time) (*pair, error) {
	text, err := ca.issue(l.names(), now)
	if err != nil {
		return nil, err
	}
	if err := writeFile(l.file(), text, 0o600); err != nil {
		return nil, err
	}
	leaf, err := readPair(l.file())
	if err == nil {
		l.log.Info("local certificate made", "site", l.site.Name, "expires", leaf.notAfter(), "root", LocalRoot(l.state))
	}
	return leaf, err
}

// names are the site's names, and those by which one reaches a site on one's own
// machine.
func (l *localSource) names() []string {
	names := l.site.names()
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// file is where the leaf is kept. A name may hold characters that file names don't.
// Sites of the same name, on different ports, share it only if their aliases are the
// same: each would overwrite what the other needs.
func (l *localSource) file() string {
	name := strings.NewReplacer("*", "_wildcard", ":", "_", "/", "_", "\\", "_").Replace(canonicalName(l.site.Name))
	if len(l.site.Aliases) > 0 {
		aliases := slices.Sorted(slices.Values(l.site.names()[1:]))
		name += fmt.Sprintf("+%.4x", sha256.Sum256([]byte(strings.Join(aliases, " "))))
	}
	return filepath.Join(authorityFolder(l.state), "site-"+name+".pem")
}

// renewal is when two thirds of a certificate's life are over.
func renewal(p *pair) time.Time {
	return p.leaf.NotBefore.Add(p.leaf.NotAfter.Sub(p.leaf.NotBefore) * 2 / 3)
}

func (l *localSource) Covers(name string) bool { return l.served.Load().covers(name) }

func (l *localSource) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return choose([]*pair{l.served.Load()}, hello, time.Now())
}

func (l *localSource) Run(ctx context.Context) error {
	return every(ctx, max(l.interval, time.Second), l.tend)
}

// renew makes a new leaf now.
func (l *localSource) renew(context.Context, string, time.Time) error {
	return l.obtain(time.Now(), true)
}

// tend makes a new leaf when it is due, and keeps the old one when that fails.
func (l *localSource) tend(now time.Time) {
	if now.Before(renewal(l.served.Load())) {
		return
	}
	err := l.refresh(now)
	if err == nil {
		l.failure.Store(nil)
		return
	}
	problem := localProblem(l.state, err)
	if last := l.failure.Swap(&problem); last == nil || *last != problem {
		l.log.Error("local certificate could not be renewed, the old one stays", "site", l.site.Name, "error", err,
			"expires", l.served.Load().notAfter())
	}
}

func (l *localSource) Status(now time.Time) []Status {
	p := l.served.Load()
	status := p.status(l.site, authorityFolder(l.state), now)
	status.Renew, status.Due = renewal(p), renewal(p)
	if failure := l.failure.Load(); failure != nil {
		status.Refused, status.Since = []Problem{*failure}, renewal(p)
	}
	return []Status{status}
}
