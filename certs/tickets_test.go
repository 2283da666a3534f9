package certs

import (
	"crypto/tls"
	"testing"
	"time"
)

// ticketClient is a client that keeps its sessions, and resumes them where it can.
func ticketClient(root *pkiCA, version uint16) *tls.Config {
	return &tls.Config{ServerName: "api.example.com", RootCAs: pkiPool(root), MinVersion: version, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
}

func ticketResumes(t *testing.T, address string, client *tls.Config, want bool) {
	t.Helper()
	state, err := pkiDial(address, client)
	if err != nil || state.DidResume != want {
		t.Errorf("resumed %t, want %t: %v", state.DidResume, want, err)
	}
}

func TestTickets_ResumeAcrossListenersApplyAndRotation(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			store, root, sites := servedStore(t)
			first := pkiServer(t, store.TLSConfig())
			second := pkiServer(t, store.TLSConfig().Clone()) // as http.Server makes one
			client := ticketClient(root, version)
			ticketResumes(t, first, client, false)
			ticketResumes(t, first, client, true)
			ticketResumes(t, second, client, true)
			if err := store.Apply(t.Context(), sites); err != nil {
				t.Fatal(err)
			}
			ticketResumes(t, first, client, true)
			now := time.Now()
			store.tickets.rotate(store.server, now.Add(ticketRotation))
			ticketResumes(t, second, client, true)
			store.tickets.rotate(store.server, now.Add(ticketRotation+ticketLife))
			ticketResumes(t, second, client, false) // the keys are forgotten everywhere, clones included
		})
	}
}

func TestTickets_ResumeInTheProcessThatServesNext(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		before, root, sites := servedStore(t)
		client := ticketClient(root, version)
		address := pkiServer(t, before.TLSConfig())
		ticketResumes(t, address, client, false)

		after := NewStore(t.TempDir(), before.log)
		after.Roots = before.Roots
		if err := after.Apply(t.Context(), sites); err != nil {
			t.Fatal(err)
		}
		config := after.TLSConfig() // also one that was made before
		if err := after.AdoptTickets(before.Tickets()); err != nil {
			t.Fatal(err)
		}
		next := pkiServer(t, config)
		ticketResumes(t, next, client, true)
		ticketResumes(t, address, client, true) // and back, if that one goes on after all
		if old := after.tickets.rotatesIn(before.tickets.keys[0].Made); old != ticketRotation {
			t.Errorf("a key that goes on is replaced when it is %v old", old)
		}
	}
}

func TestTickets_AreKeptForTheirTimeAndNoLonger(t *testing.T) {
	store, now := NewStore(t.TempDir(), nil), time.Now()
	for range 10 {
		now = now.Add(ticketRotation)
		store.tickets.rotate(store.server, now)
	}
	if n := len(store.tickets.keys); n != int(ticketLife/ticketRotation) || store.tickets.rotatesIn(now) != ticketRotation {
		t.Errorf("%d keys, and the next one in %v", n, store.tickets.rotatesIn(now))
	}
	exported := store.Tickets()
	for name, c := range map[string]struct {
		after time.Duration
		want  int // keys
	}{
		"at once":              {0, 3},
		"a rotation later":     {ticketRotation, 2},
		"when all are too old": {ticketLife, 0},
		"before they are made": {-time.Minute, 2}, // their age is unknown, but for older ones
	} {
		next := NewStore(t.TempDir(), nil)
		own := string(next.tickets.keys[0].Secret)
		if err := next.tickets.adopt(next.server, exported, now.Add(c.after)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		kept := len(next.tickets.keys)
		if string(next.tickets.keys[0].Secret) == own {
			kept = 0
		}
		if kept != c.want {
			t.Errorf("%s: %d keys were adopted", name, kept)
		}
	}
}

func TestTickets_ThatAreNoneChangeNothing(t *testing.T) {
	store := NewStore(t.TempDir(), nil)
	own := string(store.Tickets())
	for _, wrong := range []string{"nonsense", `[{"secret":"AAAA","made":"2026-01-02T03:04:05Z"}]`, `{}`} {
		if err := store.AdoptTickets([]byte(wrong)); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
	for _, none := range []string{"", "[]", "null"} {
		if err := store.AdoptTickets([]byte(none)); err != nil {
			t.Errorf("%q: %v", none, err)
		}
	}
	if string(store.Tickets()) != own {
		t.Error("the keys are others")
	}
}
