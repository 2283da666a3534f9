package certs

import (
	"crypto/x509"
	"time"
)

// managedView is what can be known of a managed certificate.
type managedView struct {
	held     *pair     // nil: none yet
	renew    time.Time // when the next is to be ordered; not used without held
	attempts attempts  // in vain, since the last success
}

// due tells whether it is time for an order.
func (v *managedView) due(now time.Time) bool { return !now.Before(v.next()) }

// next is when the next order is made.
func (v *managedView) next() time.Time {
	if v.held == nil || v.attempts.Next.After(v.renew) {
		return v.attempts.Next
	}
	return v.renew
}

// rest is how long nothing is to be done.
func (v *managedView) rest(now time.Time) time.Duration {
	return min(max(v.next().Sub(now), 0), lookEvery)
}

func (v *managedView) lifetime() time.Duration {
	if v.held == nil {
		return 0
	}
	return v.held.leaf.NotAfter.Sub(v.held.leaf.NotBefore)
}

// plan is when to renew under a CA's advice; chance is from [0, 1).
func plan(leaf *x509.Certificate, a advice, chance float64) time.Time {
	usual := leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) * 2 / 3)
	if a.start.IsZero() || a.end.Before(a.start) {
		return usual
	}
	chosen := a.start.Add(time.Duration(chance * float64(a.end.Sub(a.start))))
	if chosen.Before(usual) {
		return chosen
	}
	return usual
}

// failure is why the last order brought nothing; nil: none failed.
func (v *managedView) failure(name string) *Problem {
	if v.attempts.Cause == "" {
		return nil
	}
	return &Problem{Severity: Warning, Subject: "certificate for", File: name, Cause: v.attempts.Cause, Remedy: v.attempts.Remedy}
}
