package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func localSite(name string, aliases ...string) Site {
	return Site{Name: name, Aliases: aliases, Config: Config{Certificate: FromLocal}}
}

// localPool trusts what LocalRoot names, as "curl --cacert" does.
func localPool(t *testing.T, state string) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(LocalRoot(state))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) || bytes.Contains(text, []byte("PRIVATE")) {
		t.Fatalf("root file: %s", text)
	}
	return pool
}

func TestLocal_ClientsThatTrustTheRootReachEveryName(t *testing.T) {
	store := pkiStore(t, slog.New(slog.DiscardHandler))
	if err := store.Apply(t.Context(), []Site{localSite("api.example.com", "*.dev.example.com", "192.0.2.5")}); err != nil {
		t.Fatal(err)
	}
	pool := localPool(t, store.state)
	address := pkiServer(t, store.TLSConfig())
	for _, name := range []string{"api.example.com", "a.dev.example.com", "192.0.2.5", "localhost", "127.0.0.1", "::1"} {
		if _, err := pkiDial(address, &tls.Config{ServerName: name, RootCAs: pool}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	status := store.Status()[0]
	if status.Origin != "local" || len(status.Problems) != 0 || !status.Renew.After(time.Now()) || !status.Renew.Before(status.NotAfter) {
		t.Errorf("%+v", status)
	}
	if life := status.NotAfter.Sub(status.NotBefore); life > 398*24*time.Hour {
		t.Errorf("lives %v, longer than Apple's devices accept", life)
	}
}

func TestLocal_SecretsAreForTheOwnerOnly(t *testing.T) {
	state := t.TempDir()
	if _, err := newLocalSource(localSite("api.example.com"), state, time.Second, slog.New(slog.DiscardHandler), time.Now()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{authorityFolder(state): 0o700, authorityFile(state): 0o600, LocalRoot(state): 0o644, filepath.Join(authorityFolder(state), "site-api.example.com.pem"): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	entries, err := os.ReadDir(authorityFolder(state))
	if err != nil || len(entries) != 3 {
		t.Errorf("temporary files are left: %v %v", entries, err)
	}
}

func TestLocal_TheSameFilesServeUntilTwoThirdsOfTheirLife(t *testing.T) {
	state, log, start := t.TempDir(), slog.New(slog.DiscardHandler), time.Now()
	leafAt := func(site Site, now time.Time) *pair {
		t.Helper()
		source, err := newLocalSource(site, state, time.Second, log, now)
		if err != nil {
			t.Fatal(err)
		}
		return source.served.Load()
	}
	site := localSite("api.example.com")
	first := leafAt(site, start)
	root, err := os.ReadFile(LocalRoot(state))
	if err != nil {
		t.Fatal(err)
	}
	if !leafAt(site, start.Add(59*24*time.Hour)).leaf.Equal(first.leaf.Certificate) {
		t.Error("made anew before it was due")
	}
	later := leafAt(site, start.Add(61*24*time.Hour))
	if later.leaf.Equal(first.leaf.Certificate) {
		t.Error("not renewed when due")
	}
	wider := leafAt(localSite("api.example.com", "www.example.com"), start.Add(62*24*time.Hour))
	if !wider.covers("www.example.com") || !wider.covers("localhost") {
		t.Error("a new alias is not covered")
	}
	if now, err := os.ReadFile(LocalRoot(state)); err != nil || !bytes.Equal(now, root) {
		t.Error("the root has changed, so clients would have to be given it again")
	}
	leafAt(site, start.Add(authorityLife-time.Hour))
	if now, err := os.ReadFile(LocalRoot(state)); err != nil || bytes.Equal(now, root) {
		t.Error("the root was not renewed before its end")
	}
}

func TestLocal_RenewsWhileItRunsAndKeepsTheOldOneWhenItCannot(t *testing.T) {
	var logged watchLog
	state := t.TempDir()
	source, err := newLocalSource(localSite("api.example.com"), state, time.Second, slog.New(slog.NewTextHandler(&logged, nil)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	first := source.served.Load()
	source.tend(renewal(first).Add(-time.Second))
	if source.served.Load() != first {
		t.Error("renewed too early")
	}
	hidden := state + ".away"
	if err := os.Rename(authorityFile(state), hidden); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(authorityFile(state), 0o700); err != nil {
		t.Fatal(err)
	}
	due := renewal(first).Add(time.Second)
	source.tend(due)
	source.tend(due.Add(time.Minute))
	if status := source.Status(due)[0]; source.served.Load() != first || len(status.Refused) != 1 || !strings.Contains(status.Refused[0].Error(), authorityFile(state)) {
		t.Errorf("%+v", status)
	}
	if lines := logged.count("could not be renewed"); lines != 1 {
		t.Errorf("%d lines in the log, want 1", lines)
	}
	if err := os.Remove(authorityFile(state)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(hidden, authorityFile(state)); err != nil {
		t.Fatal(err)
	}
	source.tend(due)
	if status := source.Status(due)[0]; source.served.Load() == first || len(status.Refused) != 0 {
		t.Errorf("%+v", status)
	}
}

func TestLocal_RunRenewsAfterTwoThirdsOfTheLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, err := newLocalSource(localSite("api.example.com"), t.TempDir(), time.Hour, slog.New(slog.DiscardHandler), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		first := source.served.Load()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- source.Run(ctx) }()
		time.Sleep(time.Until(renewal(first)) - time.Minute) // of the bubble's clock
		synctest.Wait()
		if source.served.Load() != first {
			t.Error("renewed too early")
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if second := source.served.Load(); second == first || !second.valid(time.Now()) {
			t.Error("not renewed")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestLocal_ABrokenCAIsAnErrorWithItsRemedyAndIsNotOverwritten(t *testing.T) {
	store := pkiStore(t, slog.New(slog.DiscardHandler))
	if err := os.MkdirAll(authorityFolder(store.state), 0o700); err != nil {
		t.Fatal(err)
	}
	pkiWrite(t, authorityFolder(store.state), map[string]string{"ca.pem": "garbage"})
	err := store.Apply(t.Context(), []Site{localSite("api.example.com")})
	if err == nil || !strings.Contains(err.Error(), authorityFile(store.state)) || !strings.Contains(err.Error(), "remove that folder") {
		t.Error(err)
	}
	if text, err := os.ReadFile(authorityFile(store.state)); err != nil || string(text) != "garbage" {
		t.Error("overwritten")
	}
}

func TestLocal_TwoProcessesAtOnceAgreeOnOneCA(t *testing.T) {
	state := t.TempDir()
	var started sync.WaitGroup
	found := make([]*authority, 4)
	for i := range found {
		started.Go(func() {
			ca, err := openAuthority(state, time.Now())
			if err != nil {
				t.Error(err)
				return
			}
			found[i] = ca
		})
	}
	started.Wait()
	if slices.ContainsFunc(found, func(ca *authority) bool { return ca == nil || !ca.certificate.Equal(found[0].certificate) }) {
		t.Error("they have different CAs")
	}
}
