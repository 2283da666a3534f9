package certs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
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
	forced chan chan error // asks run for a renewal now

	// The rest belongs to run.
	window   advice
	askAgain time.Time
	logged   string // cause of the failure that the log has already
}

// newManaged opens what an earlier run has left in the folder of the CA.
func newManaged(name, keyType, folder, settings string, acme ACME, log *slog.Logger) *managed {
	base := name + "-" + keyType
	m := &managed{name: name, keyType: keyType, acme: acme, settings: settings, forced: make(chan chan error), log: log.With("name", name, "key", keyType),
		certificate: filepath.Join(folder, "certificates", base+".pem"),
		record:      filepath.Join(folder, "attempts", base+".json"),
		lock:        filepath.Join(folder, "locks", name+".lock")}
	view := &managedView{attempts: readAttempts(m.record, settings)}
	if stored, err := m.stored(); err == nil {
		view.held, view.renew = stored, renewal(stored)
	} else if !errors.Is(err, fs.ErrNotExist) {
		m.log.Warn("a stored certificate cannot be used; a new one is ordered", "error", err)
	}
	m.view.Store(view)
	return m
}

// stored reads the certificate from disk.
func (m *managed) stored() (*pair, error) {
	p, err := readPair(m.certificate)
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
		case reply := <-m.forced:
			reply <- m.attempt(ctx, e, true)
		case <-timer.C:
			m.look()
			m.takeAdvice(ctx, e)
			if m.view.Load().due(time.Now()) {
				_ = m.attempt(ctx, e, false) // it has been logged and is in the status
			}
		}
		timer.Reset(m.view.Load().rest(time.Now()))
	}
}

// look takes over what another process has put into the folder.
func (m *managed) look() {
	view := m.view.Load()
	stored, err := m.stored()
	if err != nil || view.held != nil && !stored.newer(view.held) {
		return
	}
	m.take(stored)
	m.log.Info("certificate taken over from another gateway", "expires", stored.notAfter())
}

func (p *pair) newer(other *pair) bool { return p.leaf.NotBefore.After(other.leaf.NotBefore) }

// take serves a new certificate from now on.
func (m *managed) take(p *pair) {
	m.window, m.askAgain, m.logged = advice{}, time.Time{}, ""
	m.view.Store(&managedView{held: p, renew: renewal(p)})
}

// attempt makes an order, if no other process has just made one.
func (m *managed) attempt(ctx context.Context, e engine, forced bool) error {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	unlock, err := lockFile(ctx, m.lock)
	if err != nil {
		return m.failed(ctx, m.view.Load().attempts, err)
	}
	defer unlock()
	if m.look(); !forced && !m.view.Load().due(time.Now()) {
		return nil
	}
	before := m.view.Load().attempts
	begun := before.begin(time.Now(), m.settings)
	if err := begun.save(m.record); err != nil {
		return m.failed(ctx, before, err) // the answer could not be kept either
	}
	if err := m.order(ctx, e, before.Begun); err != nil {
		return m.failed(ctx, before, err)
	}
	return nil
}

// order obtains a certificate, keeps it, and serves it.
func (m *managed) order(ctx context.Context, e engine, failures int) error {
	text, err := e.order(ctx, order{m.name, m.keyType, failures})
	if err != nil {
		return err
	}
	if err := writeFile(m.certificate, text, 0o600); err != nil {
		return err
	}
	stored, err := m.stored()
	if err != nil {
		return fmt.Errorf("the CA's answer cannot be used: %w", err)
	}
	renewed := m.view.Load().held != nil
	m.take(stored)
	m.log.Info("certificate obtained", "renewed", renewed, "expires", stored.notAfter(), "next", renewal(stored))
	return attempts{}.save(m.record)
}

// failed notes why there is no new certificate, and tells it once. When gateway
// stops in the middle it is as if the order had not been begun.
func (m *managed) failed(ctx context.Context, before attempts, cause error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return errors.Join(errStopped, before.save(m.record))
	}
	view := *m.view.Load()
	problem := m.acme.failure(m.name, cause)
	var refused *refusal
	var named time.Time
	if errors.As(cause, &refused) {
		named = refused.retryAfter
	}
	now := time.Now()
	view.attempts = before.begin(now, m.settings).failed(problem, named, view.lifetime(), now)
	unsaved := view.attempts.save(m.record)
	m.view.Store(&view)
	if problem.Cause != m.logged {
		m.logged = problem.Cause
		m.log.Error("certificate could not be obtained; it is tried again by itself", "error", problem, "next_try", view.attempts.Next, "served_until", view.until())
	}
	if unsaved != nil {
		m.log.Debug("the failure could not be noted on disk", "error", unsaved)
	}
	return problem
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

// renewNow has run make an order at once and returns how it went.
func (m *managed) renewNow(ctx context.Context) error {
	reply := make(chan error, 1)
	select {
	case m.forced <- reply:
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
