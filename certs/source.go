package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"time"
)

// ErrNoCertificate is wrapped by what Get returns when nothing can be shown to
// a client.
var ErrNoCertificate = errors.New("no certificate for this client")

// Site is what the certificates of one [[site]] are made or chosen for.
type Site struct {
	Name      string   // host name, wildcard ("*.example.com") or IP address
	Aliases   []string // further names
	Default   bool     // answers for unknown names and for clients that send none
	Endpoints []string // the addresses it is served on, in the spelling of Store.Endpoint
	Plain     []string // the addresses, of any site, where plain HTTP is served; only ACME asks for them
	ACME      ACME     // how its certificates are obtained, with certificate = "acme"
	Config
}

// Source has the certificates of one origin for one site or several: installed
// files, the local CA, an ACME engine. All methods may be called at
// the same time.
type Source interface {
	// Covers tells whether a certificate for the name is there or is managed. The
	// name is canonical: lower case, no trailing dot.
	Covers(name string) bool
	// Get returns the best certificate that the client can use, one that covers
	// hello.ServerName if there is one. It never waits for the network.
	Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
	// Run keeps the certificates fresh until ctx ends. Every source is run once.
	Run(ctx context.Context) error
	// Status tells of every certificate that the source would show at that time.
	Status(now time.Time) []Status
}

// Status is what can be told of one certificate that is served.
type Status struct {
	Site      string    // name of the site
	Origin    string    // FromFiles, FromLocal, FromACME
	Names     []string  // DNS names and IP addresses it is valid for
	Files     []string  // where its chain and key are, the leaf's file first
	Chain     []string  // subjects as they are sent, the leaf first
	Issuer    string    // who signed the last one that is sent
	NotBefore time.Time // of the leaf
	NotAfter  time.Time // the earliest end in the chain
	Key       string    // "ECDSA P-256", "RSA 2048"
	SHA256    string    // fingerprint of the leaf, hexadecimal
	Renew     time.Time // when gateway renews it, or tries again, by itself; zero: it does not
	Due       time.Time // when gateway is to renew it if nothing fails; zero: it does not
	Problems  []Problem // with this certificate, and with the site's files as a whole

	// Placeholder tells that no certificate was obtained yet, and that clients refuse
	// what is shown in its place.
	Placeholder bool

	// Refused is why a replacement is not in use, or could not be obtained; empty when
	// there is none.
	Refused []Problem
	Since   time.Time // when that replacement was first seen, or the first try in vain to obtain one began
}

// Is tells whether it is the certificate of a site of that name, or one that is good
// for the name. The name may be written as people do: "MÜNCHEN.example.", "[::1]".
func (s Status) Is(name string) bool {
	name = canonicalName(name)
	fits := func(one string) bool {
		one = canonicalName(one)
		return one != "" && (one == name || one == parentWildcard(name))
	}
	return fits(s.Site) || slices.ContainsFunc(s.Names, fits)
}

// every calls f with the time at each interval, until ctx ends.
func every(ctx context.Context, interval time.Duration, f func(time.Time)) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			f(time.Now())
		}
	}
}
