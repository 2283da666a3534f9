package certs

import (
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
)

func TestCompare_FindsWhatIsShownOrKeptInTheWrongPlace(t *testing.T) {
	site := Site{Name: "api.example.com", Config: Config{Certificate: FromLocal}, Endpoints: []string{":443"}}
	state := t.TempDir()
	store, another := NewStore(state, slog.New(slog.DiscardHandler)), pkiStore(t, slog.New(slog.DiscardHandler))
	for _, s := range []*Store{store, another} {
		if err := s.Apply(t.Context(), []Site{site}); err != nil {
			t.Fatal(err)
		}
	}
	bound := func(s *Store) map[string]net.Addr {
		address, err := net.ResolveTCPAddr("tcp", pkiServer(t, s.TLSConfig()))
		if err != nil {
			t.Fatal(err)
		}
		return map[string]net.Addr{":443": address}
	}
	if found := store.Compare(t.Context(), bound(store)); len(found) > 0 {
		t.Errorf("nothing differs, but: %+v", found)
	}
	found := store.Compare(t.Context(), bound(another))
	if len(found) != 1 || found[0].Site != site.Name || !strings.Contains(found[0].Problem.Error(), "not its own") {
		t.Errorf("another listener: %+v", found)
	}
	closed := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	if found := store.Compare(t.Context(), map[string]net.Addr{":443": closed}); len(found) != 1 || !strings.Contains(found[0].Problem.Cause, "no TLS connection") {
		t.Errorf("no listener: %+v", found)
	}
	second := NewStore(state, slog.New(slog.DiscardHandler))
	if err := second.Apply(t.Context(), []Site{site}); err != nil {
		t.Fatal(err)
	}
	if err := second.Renew(t.Context(), site.Name); err != nil { // behind the first one's back
		t.Fatal(err)
	}
	if found := store.Compare(t.Context(), nil); len(found) != 1 || !strings.Contains(found[0].Problem.Cause, "another certificate") {
		t.Errorf("disk: %+v %v", found, time.Now())
	}
}
