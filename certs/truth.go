package certs

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"time"
)

// truthTimeout bounds one connection to an own listener.
const truthTimeout = 10 * time.Second

// Difference is where a site shows another certificate than it should.
type Difference struct {
	Site    string
	Problem Problem
}

// Compare connects to the own listeners as a client would, and compares what they
// show with what is in memory, and that with what is kept on disk. Addresses are
// where each endpoint of the sites is bound. Installed files are compared all the
// time, see Status.Refused.
func (s *Store) Compare(ctx context.Context, addresses map[string]net.Addr) []Difference {
	var all []Difference
	for _, m := range s.current.Load().members {
		for _, problem := range slices.Concat(m.compareShown(ctx, addresses), m.compareKept()) {
			all = append(all, Difference{m.site.Name, problem})
		}
	}
	return all
}

// compareShown looks at every address of a site.
func (m *member) compareShown(ctx context.Context, addresses map[string]net.Addr) []Problem {
	var problems []Problem
	for _, endpoint := range m.site.Endpoints {
		address := addresses[endpoint]
		if address == nil {
			continue
		}
		name := canonicalName(m.site.Name)
		shown, err := shownAt(ctx, address, name)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			problems = append(problems, Problem{Severity: Error, Subject: "address", File: endpoint, Cause: "no TLS connection for " + name + ": " + err.Error(),
				Remedy: "see the error log, and whether clients get through"})
		case !m.has(shown):
			problems = append(problems, Problem{Severity: Error, Subject: "address", File: endpoint, Cause: fmt.Sprintf("%s is shown a certificate that is not its own (SHA-256 %s)", name, fingerprint(shown)),
				Remedy: "see whether another program answers there, or another site has the same name; else restart gateway"})
		}
	}
	return problems
}

// shownAt returns the leaf that a client is shown. Whether it would accept it is
// not the question here.
func shownAt(ctx context.Context, address net.Addr, name string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, truthTimeout)
	defer cancel()
	config := &tls.Config{InsecureSkipVerify: true} // compared byte for byte instead
	if net.ParseIP(name) == nil {
		config.ServerName = name
	}
	dialer := tls.Dialer{Config: config}
	conn, err := dialer.DialContext(ctx, address.Network(), address.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw, nil
}

// has tells whether a certificate is one that the site shows. One that was
// replaced this very moment is in the status already.
func (m *member) has(leaf []byte) bool {
	return slices.ContainsFunc(m.source.Status(time.Now()), func(status Status) bool { return status.SHA256 == fingerprint(leaf) })
}

// compareKept compares what gateway itself keeps on disk with what it serves, so
// that a restart shows the same.
func (m *member) compareKept() []Problem {
	var problems []Problem
	for _, status := range m.source.Status(time.Now()) {
		if status.Origin == FromFiles || len(status.Files) == 0 || status.Placeholder {
			continue
		}
		kept, err := readPair(status.Files[0])
		cause := "it holds another certificate than the one that is served"
		switch {
		case err != nil:
			cause = err.Error()
		case fingerprint(kept.leaf.Raw) == status.SHA256 || m.has(kept.leaf.Raw):
			continue // the same, or replaced this very moment
		}
		problems = append(problems, Problem{Severity: Warning, Subject: "file", File: status.Files[0], Cause: cause,
			Remedy: "`gateway certs renew " + m.site.Name + "` makes both the same; see who writes there"})
	}
	return problems
}
