package certs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

const (
	// orderTimeout bounds one order. CAs take seconds, and minutes when they are busy.
	orderTimeout = 10 * time.Minute
	// lookEvery is how often a certificate that is in order is looked at: another
	// gateway on the same folder may have renewed it, the clock may have been put
	// right, the machine may have slept.
	lookEvery = time.Minute
	// adviceEvery is how often the CA is asked when to renew, if it does not say
	// itself (RFC 9773 section 4.3.3), and adviceAfterFailure when asking failed.
	adviceEvery        = 6 * time.Hour
	adviceAfterFailure = time.Hour
	// adviceTimeout bounds asking: a renewal can do without.
	adviceTimeout = 5 * time.Second
)

// managed is one certificate that an engine obtains and renews: one name, one
// kind of key. Its run owns it; handshakes and status read the view.
type managed struct {
	name     string
	keyType  string
	acme     ACME
	settings string // digest of everything that a failure may hang on
	log      *slog.Logger

	certificate string // file: key and chain together, so that they can't be torn apart
	record      string // file: attempts
	lock        string // file: whoever holds it may order for this name

	view   atomic.Pointer[managedView]
	forced chan request // asks run for a renewal now

	// The rest belongs to run.
	ended    time.Time // when the last order had come to its end, here or elsewhere
	outcome  error     // of that
	window   advice
	askAgain time.Time
	logged   string // cause of the failure that the log has already
	unsaved  []byte // key and chain that are served and could not be written
}

// newManaged opens what an earlier run has left in the folder of the CA.
func newManaged(name, keyType, folder, settings string, acme ACME, log *slog.Logger) *managed {
	base := name + "-" + keyType
	m := &managed{name: name, keyType: keyType, acme: acme, settings: settings, forced: make(chan request), log: log.With("name", name, "key", keyType),
		certificate: managedFile(folder, name, keyType),
		record:      filepath.Join(folder, "attempts", base+".json"),
		lock:        filepath.Join(folder, "locks", name+".lock")}
	view := &managedView{attempts: readAttempts(m.record, settings).rightly(time.Now())}
	if stored, err := m.stored(); err == nil {
		view.held, view.renew = stored, renewal(stored)
	} else if !errors.Is(err, fs.ErrNotExist) {
		m.log.Warn("a stored certificate cannot be used; a new one is ordered", "error", err)
	}
	m.view.Store(view)
	return m
}

// managedFile is where the certificate of a name is kept in the folder of a CA.
func managedFile(folder, name, keyType string) string {
	return filepath.Join(folder, "certificates", name+"-"+keyType+".pem")
}

// stored reads the certificate from disk.
func (m *managed) stored() (*pair, error) {
	text, err := os.ReadFile(m.certificate)
	if err != nil {
		return nil, err
	}
	return m.parse(text)
}

// parse reads key and chain as they are stored.
func (m *managed) parse(text []byte) (*pair, error) {
	p, err := parsePair(m.certificate, text)
	if err != nil {
		return nil, err
	}
	if !p.covers(m.name) {
		return nil, fmt.Errorf("%s: does not cover %s", m.certificate, m.name)
	}
	p.end = endRoot // the chain is as the CA sent it
	return p, nil
}

// run orders whenever it is time, until ctx ends.
func (m *managed) run(ctx context.Context, e engine) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-m.forced:
			r.reply <- m.fulfil(ctx, e, r.asked)
		case <-timer.C:
			m.look()
			m.takeAdvice(ctx, e)
			if m.view.Load().due(time.Now()) {
				_ = m.attempt(ctx, e, func() bool { return m.view.Load().due(time.Now()) }) // it has been logged and is in the status
			}
		}
		timer.Reset(m.view.Load().rest(time.Now()))
	}
}

// look takes over what another process has put into the folder, writes what could
// not be written before, and notices a clock that was put back.
func (m *managed) look() {
	if m.unsaved != nil && m.save(m.unsaved) == nil {
		m.log.Info("the certificate could be written at last")
	}
	view := *m.view.Load()
	view.attempts = view.attempts.rightly(time.Now())
	m.view.Store(&view)
	stored, err := m.stored()
	if err != nil || view.held != nil && !stored.newer(view.held) {
		return
	}
	m.take(stored)
	m.log.Info("certificate taken over, which another site or gateway has obtained", "expires", stored.notAfter())
}

func (p *pair) newer(other *pair) bool { return p.leaf.NotBefore.After(other.leaf.NotBefore) }

// take serves a new certificate from now on.
func (m *managed) take(p *pair) {
	m.window, m.askAgain, m.logged = advice{}, time.Time{}, ""
	m.ended, m.outcome = time.Now(), nil
	m.view.Store(&managedView{held: p, renew: renewal(p)})
}

// takeAdvice asks the CA when to renew, and plans for a random moment of the
// window that it names (RFC 9773 section 4.2), or earlier if two thirds of the
// certificate's life are over before.
func (m *managed) takeAdvice(ctx context.Context, e engine) {
	view, now := *m.view.Load(), time.Now()
	asked, can := e.(adviser)
	if !can || view.held == nil || now.Before(m.askAgain) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, adviceTimeout)
	defer cancel()
	given, err := asked.advise(ctx, view.held.leaf.Certificate)
	if err != nil {
		m.askAgain = now.Add(adviceAfterFailure)
		m.log.Debug("the CA does not say when to renew", "error", err)
		return
	}
	m.askAgain = given.askAgain
	if m.askAgain.Before(now.Add(time.Minute)) {
		m.askAgain = now.Add(adviceEvery)
	}
	if m.window.start.Equal(given.start) && m.window.end.Equal(given.end) {
		return
	}
	m.window = given
	view.renew = plan(view.held.leaf.Certificate, given, rand.Float64())
	m.view.Store(&view)
}

// request asks for a certificate that was obtained after it was asked for.
type request struct {
	asked time.Time
	reply chan<- error
}

// fulfil orders, unless an order has ended meanwhile: of several who ask at the same
// time each is content with the same certificate, and the CA counts.
func (m *managed) fulfil(ctx context.Context, e engine, asked time.Time) error {
	wanted := func() bool { return !m.ended.After(asked) }
	if !wanted() {
		return m.outcome
	}
	m.takeAdvice(ctx, e) // a CA that gives any is told what the order replaces
	return m.attempt(ctx, e, wanted)
}

// renewNow has run make an order, if none has ended since that time, and returns how
// it went.
func (m *managed) renewNow(ctx context.Context, asked time.Time) error {
	reply := make(chan error, 1)
	select {
	case m.forced <- request{asked, reply}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
