package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// attempt makes an order, if one is wanted still when no other site or process is at
// it.
func (m *managed) attempt(ctx context.Context, e engine, wanted func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	unlock, err := lockFile(ctx, m.lock)
	if err != nil {
		return m.failed(ctx, m.view.Load().attempts, err)
	}
	defer unlock()
	if m.look(); !wanted() {
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

// order obtains a certificate, keeps it, and serves it. One that cannot be written
// is served all the same: the CA has counted it.
func (m *managed) order(ctx context.Context, e engine, failures int) error {
	text, err := e.order(ctx, order{m.name, m.keyType, failures, m.replaced()})
	if err != nil {
		return m.acme.explained(ctx, err)
	}
	obtained, err := m.parse(text)
	if err != nil {
		return fmt.Errorf("the CA's answer cannot be used: %w", err)
	}
	renewed := m.view.Load().held != nil
	m.take(obtained)
	m.log.Info("certificate obtained", "renewed", renewed, "expires", obtained.notAfter(), "next", renewal(obtained))
	if err := m.save(text); err != nil {
		m.log.Error("the certificate is served from memory, since it cannot be written; see that the folder can be written to and its disk is not full", "error", err)
	}
	return nil
}

// save writes key and chain, and forgets the tries in vain.
func (m *managed) save(text []byte) error {
	m.unsaved = text
	if err := writeFile(m.certificate, text, 0o600); err != nil {
		return err
	}
	m.unsaved = nil
	return attempts{}.save(m.record)
}

// replaced is the certificate that the CA is told an order replaces: it has said
// when to renew that one, and so may not count the order (RFC 9773 section 5).
func (m *managed) replaced() *x509.Certificate {
	held := m.view.Load().held
	if held == nil || m.window.start.IsZero() {
		return nil
	}
	return held.leaf.Certificate
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
	m.ended, m.outcome = now, problem
	if problem.Cause != m.logged {
		m.logged = problem.Cause
		m.logger(&view).Error("certificate could not be obtained; it is tried again by itself", "error", problem, "next_try", view.attempts.Next)
	}
	if unsaved != nil {
		m.log.Debug("the failure could not be noted on disk", "error", unsaved)
	}
	return problem
}

// logger adds how long what is served is good.
func (m *managed) logger(view *managedView) *slog.Logger {
	if view.held == nil {
		return m.log
	}
	return m.log.With("served_until", view.held.notAfter())
}
