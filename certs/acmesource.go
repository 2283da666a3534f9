package certs

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// acmeSource serves the certificates that an engine obtains for one site: one for
// each of its names and kinds of key. Until the first is there, what the site
// showed before or a placeholder answers.
type acmeSource struct {
	site        Site
	folder      string // of the CA
	log         *slog.Logger
	managed     []*managed
	earlier     []*pair // of other CAs and kinds of key, from before the configuration was changed
	before      Source  // of the site before a reload, if it was no ACME source; nil: there was none
	placeholder *pair
	made        time.Time

	// engine is there while Run runs: only then is there a challenge to answer.
	engine atomic.Pointer[engine]
}

// acmeFolder is where everything that has to do with a CA is kept. Certificates of
// its staging system must not be taken for its real ones.
func acmeFolder(state string, a ACME) string {
	u, err := url.Parse(a.directory())
	if err != nil {
		return filepath.Join(state, "acme", "unknown")
	}
	name := strings.NewReplacer("/", "-", ":", "_", "\\", "-").Replace(u.Host + strings.TrimRight(u.Path, "/"))
	return filepath.Join(state, "acme", name)
}

// newACMESource opens what is stored for a site. It does not ask the CA.
func newACMESource(site Site, state string, before Source, log *slog.Logger, now time.Time) (*acmeSource, error) {
	s := &acmeSource{site: site, folder: acmeFolder(state, site.ACME), before: beneath(before), made: now, log: log.With("site", site.Name)}
	for _, part := range []string{"certificates", "attempts", "locks"} {
		if err := makeFolder(filepath.Join(s.folder, part)); err != nil {
			return nil, err
		}
	}
	settings := fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%q %q %q", site.ACME, site.Endpoints, site.Plain)))
	for _, name := range unique(site.names()) {
		for _, keyType := range site.ACME.keyTypes() {
			s.managed = append(s.managed, newManaged(name, keyType, s.folder, settings, site.ACME, s.log))
		}
		s.earlier = append(s.earlier, obtainedEarlier(state, name, now)...)
	}
	var err error
	s.placeholder, err = newPlaceholder(site.names(), now)
	return s, err
}

func acmeProblem(site Site, err error) Problem {
	return Problem{Severity: Fatal, Subject: "site", File: site.Name, Cause: "the folder for its certificates cannot be used: " + err.Error(),
		Remedy: "let gateway write into the folder that is named as state"}
}

// placeholderLife is how long a placeholder could answer. Clients refuse it anyway.
const placeholderLife = 365 * 24 * time.Hour

// newPlaceholder makes a certificate that has signed itself.
func newPlaceholder(names []string, now time.Time) (*pair, error) {
	text, err := mint(&x509.Certificate{
		Subject:     pkix.Name{Organization: []string{"gateway"}, CommonName: "placeholder until a CA has answered"},
		DNSNames:    names,
		NotBefore:   now.Add(-clockSkew),
		NotAfter:    now.Add(placeholderLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, nil)
	if err != nil {
		return nil, err
	}
	m := &material{}
	m.parse(file{data: text, listed: true})
	if pairs := m.match(nil, now); len(pairs) == 1 {
		return pairs[0], nil
	}
	return nil, joined(m.problems, Warning)
}

// Covers tells whether the name is one of the site's.
func (s *acmeSource) Covers(name string) bool { return slices.Contains(s.site.names(), name) }

// Get returns an obtained certificate. Where there is none for the name, what the
// site had before answers, then the placeholder.
func (s *acmeSource) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name, now := canonicalName(hello.ServerName), time.Now()
	if pairs := s.obtained(name, now); len(pairs) > 0 {
		return choose(pairs, hello, now)
	}
	if s.before != nil && s.before.Covers(name) {
		return s.before.Get(hello)
	}
	// The one that has ended says to clients what is wrong; the placeholder would not.
	if ended := s.held(name); len(ended) > 0 {
		return choose(ended, hello, now)
	}
	return choose([]*pair{s.placeholder}, hello, now)
}

// Run obtains and renews until ctx ends.
func (s *acmeSource) Run(ctx context.Context) error {
	var e engine = &lateEngine{options: engineOptions{ACME: s.site.ACME, folder: filepath.Join(s.folder, s.site.ACME.Engine),
		endpoints: s.site.Endpoints, plain: s.site.Plain, log: s.log}}
	s.engine.Store(&e)
	var running sync.WaitGroup
	for _, m := range s.managed {
		running.Go(func() { m.run(ctx, e) })
	}
	running.Wait()
	s.engine.Store(nil)
	e.close()
	return nil
}

// challenge answers tls-alpn-01.
func (s *acmeSource) challenge(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	e := s.engine.Load()
	if e == nil {
		return nil, fmt.Errorf("%w: an ACME challenge while nothing is ordered", ErrNoCertificate)
	}
	return (*e).challenge(hello)
}

// answer answers http-01.
func (s *acmeSource) answer(w http.ResponseWriter, r *http.Request) bool {
	e := s.engine.Load()
	return e != nil && (*e).answer(w, r)
}

// renew orders new certificates for a name, if none came since that time.
func (s *acmeSource) renew(ctx context.Context, name string, asked time.Time) error {
	for _, m := range s.managed {
		if m.name != name {
			continue
		}
		if err := m.renewNow(ctx, asked); err != nil {
			return err
		}
	}
	return nil
}
