package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// downtimeCA is an engine whose CA can be down. It gives certificates of a local CA.
type downtimeCA struct {
	down      atomic.Bool
	asked     atomic.Int64
	authority *authority
}

func (d *downtimeCA) order(ctx context.Context, o order) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	d.asked.Add(1)
	if d.down.Load() {
		return nil, &url.Error{Op: "Get", URL: "https://ca.example.com/dir", Err: errors.New("connection refused")}
	}
	now := time.Now()
	return mint(&x509.Certificate{DNSNames: []string{o.name}, NotBefore: now, NotAfter: now.Add(downtimeLife)}, d.authority)
}

func (d *downtimeCA) challenge(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return nil, errStopped
}
func (d *downtimeCA) answer(http.ResponseWriter, *http.Request) bool { return false }
func (d *downtimeCA) close()                                         {}

// downtimeLife is a tenth of the usual; its tries are as far apart.
const downtimeLife = 9 * 24 * time.Hour

// downtimeManaged is a certificate of that life, and its CA.
func downtimeManaged(t *testing.T, state string) (*managed, *downtimeCA) {
	t.Helper()
	authority, err := openAuthority(state, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(state, "acme", "ca")
	for _, part := range []string{"certificates", "attempts", "locks"} {
		if err := makeFolder(filepath.Join(folder, part)); err != nil {
			t.Fatal(err)
		}
	}
	return newManaged("api.example.com", KeyECDSA, folder, "settings", ACME{Directory: "https://ca.example.com/dir"}, slog.New(slog.DiscardHandler)),
		&downtimeCA{authority: authority}
}

func TestDowntime_OfAThirdOfALifeLeavesTheOldCertificateAndHammersNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, ca := downtimeManaged(t, t.TempDir())
		wait := func(d time.Duration) { time.Sleep(d); synctest.Wait() } // of the bubble's clock
		stop := downtimeRun(t, m, ca)
		wait(time.Second)
		first := m.view.Load().held
		if first == nil {
			t.Fatal("nothing was obtained")
		}
		ca.down.Store(true)
		ca.asked.Store(0)
		due := renewal(first)
		stop()
		wait(time.Until(due) - time.Hour) // at once, since nothing runs
		stop = downtimeRun(t, m, ca)
		wait(59 * time.Minute)
		if n := ca.asked.Load(); n > 0 {
			t.Errorf("%d orders before the renewal is due", n)
		}
		wait(time.Hour)
		if n := ca.asked.Load(); n < 3 || n > 5 {
			t.Errorf("%d orders in the first hour", n)
		}
		wait(time.Until(first.notAfter()) - time.Second)
		if view := m.view.Load(); view.held != first || view.failure(m.name) == nil || !view.attempts.Since.Equal(due) || !view.renew.Equal(due) {
			t.Errorf("at the end: %+v", view)
		}
		if n := ca.asked.Load(); n < 15 || n > 25 { // every six hours for three days
			t.Errorf("%d orders while the CA was down", n)
		}
		wait(24 * time.Hour)
		if m.view.Load().held != first {
			t.Error("what has ended is not shown any more")
		}
		ca.down.Store(false)
		wait(maxBackoff)
		if view := m.view.Load(); view.held == first || !view.held.valid(time.Now()) || view.failure(m.name) != nil {
			t.Errorf("after the CA is back: %+v", view)
		}
		stop()
	})
}

// downtimeRun runs it until stop is called.
func downtimeRun(t *testing.T, m *managed, ca *downtimeCA) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); m.run(ctx, ca) }()
	return func() { cancel(); <-done }
}

func TestDowntime_IsRememberedOverARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		state := t.TempDir()
		_, ca := downtimeManaged(t, state)
		ca.down.Store(true)
		for range 200 { // a gateway that systemd starts again and again
			m, _ := downtimeManaged(t, state)
			stop := downtimeRun(t, m, ca)
			time.Sleep(10 * time.Second)
			stop()
		}
		if n := ca.asked.Load(); n > 6 {
			t.Errorf("%d orders in half an hour", n)
		}
	})
}
