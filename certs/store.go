package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultInterval is how often files are looked at. A bad change is looked at
// twice before it is reported; a good one is in use at the first look.
const DefaultInterval = 2 * time.Second

// Store has the certificates of all sites. Its fields may be set before the first
// Apply.
type Store struct {
	// Interval is how often files are looked at and renewals are considered.
	Interval time.Duration
	// Endpoint returns the address a client came to, spelled as in Site.Endpoints,
	// from the context that the handshake was given. It is needed only where one name
	// has different certificates on different addresses; nil or "": all are one.
	Endpoint func(context.Context) string
	// Roots are what chains should lead to; nil: those that the system trusts.
	Roots *x509.CertPool

	state   string
	log     *slog.Logger
	server  *tls.Config
	tickets ticketKeys

	applying sync.Mutex // held while a generation is made and swapped
	current  atomic.Pointer[generation]
	applied  chan struct{} // tells Run of a new generation
}

// NewStore returns a store without certificates. The folder state is where the
// local CA is kept.
func NewStore(state string, log *slog.Logger) *Store {
	s := &Store{Interval: DefaultInterval, state: state, log: log, applied: make(chan struct{}, 1)}
	s.server = s.newServerConfig()
	s.current.Store(&generation{})
	return s
}

// Apply loads the certificates of all sites and swaps them in, or changes nothing.
// The error joins one Problem for everything that stands in the way. At the first
// call these are the Fatal ones; later also what would give clients of a site a
// certificate that they refuse in place of one that they accept. Everything else
// that is wrong is logged.
func (s *Store) Apply(ctx context.Context, sites []Site) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	now := time.Now()
	var members []member
	var obstacles []Problem
	for _, site := range sites {
		source, problems := s.load(site, now)
		obstacles = append(obstacles, s.obstacles(site, source, problems, now)...)
		members = append(members, member{site, source, problems})
	}
	if err := joined(obstacles, Warning); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("the certificates were left as they are: %w", err)
	}
	s.commit(newGeneration(members))
	return nil
}

func (s *Store) commit(next *generation) {
	s.current.Store(next)
	for _, m := range next.members {
		logProblems(s.log, m.site, m.problems)
	}
	select {
	case s.applied <- struct{}{}:
	default: // Run has a notice to read already
	}
}

// load makes the source of a site; nil if a problem is Fatal.
func (s *Store) load(site Site, now time.Time) (Source, []Problem) {
	switch site.Certificate {
	case FromFiles:
		source, problems := newFileSource(site, s.Interval, s.roots(), s.log, now)
		if source == nil {
			return nil, problems // not a nil *fileSource in an interface
		}
		return source, problems
	case FromLocal:
		source, err := newLocalSource(site, s.state, s.Interval, s.log, now)
		if err != nil {
			return nil, []Problem{localProblem(s.state, err)}
		}
		return source, nil
	case FromACME:
		return s.loadACME(site, now)
	}
	return nil, []Problem{{Severity: Fatal, Subject: "site", File: site.Name, Cause: fmt.Sprintf("certificate = %q is not served", site.Certificate),
		Remedy: `write certificate = "files", "acme" or "local"`}}
}

func (s *Store) roots() *x509.CertPool {
	if s.Roots != nil {
		return s.Roots
	}
	return systemRoots()
}

// systemRoots returns nil where the system has no roots that can be read: then
// nothing can be said about the end of a chain.
func systemRoots() *x509.CertPool {
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil
	}
	return roots
}

// obstacles returns why a site can't be taken over: what is Fatal, and what would
// be worse for its clients than what it serves now.
func (s *Store) obstacles(site Site, source Source, problems []Problem, now time.Time) []Problem {
	if source == nil {
		return slices.DeleteFunc(slices.Clone(problems), func(p Problem) bool { return p.Severity < Fatal })
	}
	next, isFiles := source.(*fileSource)
	before, wasFiles := s.current.Load().find(site).(*fileSource)
	if !isFiles || !wasFiles || !worse(before.view.Load().served, next.view.Load().served, site, now) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(problems), func(p Problem) bool { return p.Severity < Error && !p.halves() })
}

// Get returns the certificate for a client, for use as tls.Config.GetCertificate.
// It is chosen by the name that the client asks for: exact, then by wildcard, then
// by what any certificate covers, else the default site's. A client that sends no
// name gets the default site's, or the one for the address that it came to.
func (s *Store) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if isChallenge(hello) {
		return s.challenge(hello)
	}
	endpoint := ""
	if s.Endpoint != nil && hello.Context() != nil {
		endpoint = s.Endpoint(hello.Context())
	}
	return s.current.Load().get(endpoint, hello)
}

// Status tells of all certificates that are served, in the order of the sites.
func (s *Store) Status() []Status {
	var all []Status
	now := time.Now()
	for _, m := range s.current.Load().members {
		all = append(all, m.source.Status(now)...)
	}
	return all
}

// Run keeps the certificates fresh until ctx ends: it follows replaced files,
// renews what gateway makes itself, and rotates the keys of session tickets. It
// returns when everything that it started has ended.
func (s *Store) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	running := make(map[Source]*task)
	failed := make(chan error, 1)
	defer func() {
		cancel()
		for _, t := range running {
			<-t.ended
		}
	}()
	rotation := time.NewTimer(s.tickets.rotatesIn(time.Now()))
	defer rotation.Stop()
	for {
		s.reconcile(ctx, running, failed)
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-rotation.C:
			s.tickets.rotate(s.server, time.Now())
			rotation.Reset(ticketRotation)
		case <-s.applied:
		}
	}
}

// task is a source that runs.
type task struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// reconcile stops the sources that are not in use any more, and starts new ones.
func (s *Store) reconcile(ctx context.Context, running map[Source]*task, failed chan<- error) {
	wanted := s.current.Load().sources()
	for source, t := range running {
		if !slices.Contains(wanted, source) {
			t.cancel()
			<-t.ended
			delete(running, source)
		}
	}
	for _, source := range wanted {
		if running[source] == nil {
			running[source] = start(ctx, source, failed)
		}
	}
}

func start(ctx context.Context, source Source, failed chan<- error) *task {
	ctx, cancel := context.WithCancel(ctx)
	t := &task{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(t.ended)
		defer cancel()
		if err := source.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			select {
			case failed <- err:
			default: // the first failure ends Run
			}
		}
	}()
	return t
}
