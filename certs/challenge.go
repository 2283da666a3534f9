package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
)

// acmeProtocol is asked for by a CA that checks a challenge (RFC 8737 section 3);
// a certificate of a site must never answer it.
const acmeProtocol = "acme-tls/1"

// challengePath is where a CA asks for http-01 (RFC 8555 section 8.3).
const challengePath = "/.well-known/acme-challenge/"

func isChallenge(hello *tls.ClientHelloInfo) bool {
	return slices.Equal(hello.SupportedProtos, []string{acmeProtocol})
}

// loadACME makes the source of a site, or keeps the one that it has: an order may
// be under way there.
func (s *Store) loadACME(site Site, now time.Time) (Source, []Problem) {
	before := s.current.Load().find(site)
	if present, ok := before.(*acmeSource); ok && reflect.DeepEqual(present.site, site) {
		return present, nil
	}
	source, err := newACMESource(site, s.state, before, s.log, now)
	if err != nil {
		return nil, []Problem{acmeProblem(site, err)}
	}
	return source, nil
}

// challenge answers a CA by the source that has the name.
func (s *Store) challenge(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	for _, source := range s.current.Load().acme(canonicalName(hello.ServerName)) {
		if certificate, err := source.challenge(hello); err == nil {
			return certificate, nil
		}
	}
	return nil, fmt.Errorf("%w: it asks for an ACME challenge, and none is under way for %q", ErrNoCertificate, hello.ServerName)
}

// acme returns the sources that obtain certificates for a name: two, where a site
// has another certificate on each address.
func (g *generation) acme(name string) []*acmeSource {
	var all []*acmeSource
	for _, m := range g.members {
		if source, ok := m.source.(*acmeSource); ok && source.Covers(name) {
			all = append(all, source)
		}
	}
	return all
}

// WrapHTTP answers http-01, the challenge that a CA asks for by plain HTTP on port
// 80, and leaves all other requests to next. So the backend may answer challenges
// of its own.
func (s *Store) WrapHTTP(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, challengePath) || !s.answer(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}

func (s *Store) answer(w http.ResponseWriter, r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	for _, source := range s.current.Load().acme(canonicalName(host)) {
		if source.answer(w, r) {
			return true
		}
	}
	return false
}

// renewer is a source whose certificates are not installed by hand. What an order
// brought that has ended since a renewal was asked for need not be ordered again.
type renewer interface {
	renew(ctx context.Context, name string, asked time.Time) error
}

// Renew makes a new certificate for a name now, for all sites that have the name, and
// waits until it is served. Who asks while it is made gets the same one. It is for
// certificates that gateway obtains or makes; files are for the admin.
func (s *Store) Renew(ctx context.Context, name string) error {
	name = canonicalName(name)
	asked, renewed := time.Now(), false
	var installed []string
	for _, m := range s.current.Load().members {
		if !slices.Contains(m.site.names(), name) && !m.source.Covers(name) {
			continue
		}
		source, can := m.source.(renewer)
		if !can {
			installed = append(installed, m.site.Files...)
			continue
		}
		if err := source.renew(ctx, name, asked); err != nil {
			return err
		}
		renewed = true
	}
	switch {
	case renewed:
		return nil
	case len(installed) > 0:
		return fmt.Errorf("the certificate of %s is an installed file: put the new files into %s, and they are in use within seconds", name, strings.Join(installed, ", "))
	}
	return errors.New("no site has the name " + name + ": see the names with `gateway certs list`")
}
