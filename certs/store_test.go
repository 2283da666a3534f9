package certs

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pkiInstall writes a leaf with its chain and key into a new folder.
func pkiInstall(t testing.TB, leaf pkiLeaf, chain ...*x509.Certificate) (folder string) {
	t.Helper()
	folder = t.TempDir()
	pkiWrite(t, folder, map[string]string{"fullchain.pem": pkiPEM(append([]*x509.Certificate{leaf.cert}, chain...)...), "privkey.pem": pkiKeyPEM(t, leaf.key)})
	return folder
}

func TestStore_ChoosesTheLeafByName(t *testing.T) {
	root := pkiRoot(t, "Root")
	ca := root.sub(t, "CA")
	install := func(names ...string) string {
		return pkiInstall(t, ca.issue(t, nil, names), ca.cert)
	}
	api := pkiSite("api.example.com", install("api.example.com", "192.0.2.7"))
	api.Endpoints = []string{":443"}
	other := pkiSite("api.example.com", install("api.example.com", "other.invalid"))
	other.Endpoints = []string{":7879"}
	wild := pkiSite("*.example.com", install("*.example.com"))
	wild.Endpoints = []string{":443"}
	shared := pkiSite("www.example.org", install("www.example.org", "*.example.org"))
	shared.Default, shared.Endpoints = true, []string{":443"}
	shared.Aliases = []string{"deep.www.example.org"} // not covered
	uncovered := pkiSite("moved.example.net", install("old.example.net"))
	uncovered.Endpoints = []string{":443"}

	type endpointKey struct{}
	store := pkiStore(t, slog.New(slog.DiscardHandler))
	store.Endpoint = func(ctx context.Context) string { name, _ := ctx.Value(endpointKey{}).(string); return name }
	if err := store.Apply(t.Context(), []Site{api, other, wild, shared, uncovered}); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ asked, endpoint, want string }{
		{"api.example.com", ":443", "api.example.com 192.0.2.7"},
		{"API.Example.COM", ":443", "api.example.com 192.0.2.7"},
		{"api.example.com", ":7879", "api.example.com other.invalid"},
		{"api.example.com", "", "api.example.com 192.0.2.7"},
		{"www.example.com", ":443", "*.example.com"},
		{"a.b.example.com", ":443", "www.example.org *.example.org"},
		{"www.example.com", ":7879", "api.example.com other.invalid"},
		{"sub.example.org", ":443", "www.example.org *.example.org"},
		{"deep.www.example.org", ":443", "www.example.org *.example.org"},
		{"moved.example.net", ":443", "old.example.net"},
		{"unknown.invalid", ":443", "www.example.org *.example.org"},
		{"", ":443", "www.example.org *.example.org"},
		{"", ":7879", "api.example.com other.invalid"},
	} {
		t.Run(row.asked+" at "+row.endpoint, func(t *testing.T) {
			got := handshakeInMemory(t, context.WithValue(t.Context(), endpointKey{}, row.endpoint), store.TLSConfig(),
				&tls.Config{ServerName: row.asked, InsecureSkipVerify: true})
			if names := strings.Join(sans(got.PeerCertificates[0]), " "); names != row.want {
				t.Errorf("shown %q, want %q", names, row.want)
			}
		})
	}
}

// handshakeInMemory makes a handshake with a context, as a server does.
func handshakeInMemory(t *testing.T, ctx context.Context, server, client *tls.Config) tls.ConnectionState {
	t.Helper()
	here, there := pkiPipe(t)
	done := make(chan error, 1)
	go func() { done <- tls.Server(there, server).HandshakeContext(ctx) }()
	conn := tls.Client(here, client)
	if err := errors.Join(conn.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	return conn.ConnectionState()
}

func TestStore_AnswersAClientWithoutNameByTheAddressItCameTo(t *testing.T) {
	ca := pkiRoot(t, "Root")
	byAddress := pkiSite("127.0.0.1", pkiInstall(t, ca.issue(t, nil, []string{"127.0.0.1"})))
	named := pkiSite("api.example.com", pkiInstall(t, ca.issue(t, nil, []string{"api.example.com"})))
	named.Default = true
	store := pkiStore(t, slog.New(slog.DiscardHandler))
	if err := store.Apply(t.Context(), []Site{named, byAddress}); err != nil {
		t.Fatal(err)
	}
	if _, err := pkiDial(pkiServer(t, store.TLSConfig()), &tls.Config{RootCAs: pkiPool(ca)}); err != nil {
		t.Error(err)
	}
}

func TestStore_ServesRSAAndECDSASideBySide(t *testing.T) {
	root := pkiRoot(t, "Root")
	ca := root.sub(t, "CA")
	names := []string{"api.example.com"}
	rsaLeaf, ecdsaLeaf := ca.issue(t, pkiRSA(), names), ca.issue(t, nil, names)
	folder := t.TempDir()
	pkiWrite(t, folder, map[string]string{"a.crt": pkiPEM(rsaLeaf.cert), "a.key": pkiKeyPEM(t, rsaLeaf.key),
		"b.crt": pkiPEM(ecdsaLeaf.cert), "b.key": pkiKeyPEM(t, ecdsaLeaf.key), "chain.crt": pkiPEM(ca.cert)})
	store := pkiStore(t, slog.New(slog.DiscardHandler))
	store.Roots = pkiPool(root)
	if err := store.Apply(t.Context(), []Site{pkiSite(names[0], folder)}); err != nil {
		t.Fatal(err)
	}
	address := pkiServer(t, store.TLSConfig())
	for _, row := range []struct {
		name  string
		suite uint16
		want  crypto.PublicKey
	}{
		{"a client for both", 0, ecdsaLeaf.cert.PublicKey},
		{"a client for RSA only", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, rsaLeaf.cert.PublicKey},
		{"a client for ECDSA only", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, ecdsaLeaf.cert.PublicKey},
	} {
		config := &tls.Config{ServerName: names[0], RootCAs: pkiPool(root)}
		if row.suite != 0 {
			config.MaxVersion, config.CipherSuites = tls.VersionTLS12, []uint16{row.suite}
		}
		state, err := pkiDial(address, config)
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		if !samePublic(state.PeerCertificates[0].PublicKey, row.want) {
			t.Errorf("%s: shown %s", row.name, keyKind(state.PeerCertificates[0].PublicKey))
		}
	}
	if all := store.Status(); len(all) != 2 || all[0].Key != "ECDSA P-256" || all[1].Key != "RSA 2048" {
		t.Errorf("status: %+v", all)
	}
}

func TestStore_StatusTellsWhatIsServed(t *testing.T) {
	root := pkiRoot(t, "Root")
	ca := root.sub(t, "CA", pkiDates(time.Now().Add(-time.Hour), time.Now().Add(40*24*time.Hour)))
	leaf := ca.issue(t, nil, []string{"api.example.com", "192.0.2.1"})
	folder := pkiInstall(t, leaf, ca.cert)
	store := pkiStore(t, slog.New(slog.DiscardHandler))
	store.Roots = pkiPool(root)
	if err := store.Apply(t.Context(), []Site{pkiSite("api.example.com", folder)}); err != nil {
		t.Fatal(err)
	}
	got := store.Status()[0]
	if got.Site != "api.example.com" || got.Origin != "files" || got.Key != "ECDSA P-256" || len(got.SHA256) != 64 || got.Issuer != "CN=Root" ||
		strings.Join(got.Names, " ") != "api.example.com 192.0.2.1" || strings.Join(got.Chain, " ") != "CN=leaf CN=CA" ||
		!got.NotAfter.Equal(ca.cert.NotAfter) || !got.NotBefore.Equal(leaf.cert.NotBefore) || len(got.Problems) != 0 || len(got.Refused) != 0 ||
		len(got.Files) != 2 || got.Files[0] != filepath.Join(folder, "fullchain.pem") {
		t.Errorf("%+v", got)
	}
}

func TestStore_StatusNamesWhatTheSiteLacks(t *testing.T) {
	ca := pkiRoot(t, "Root")
	site := pkiSite("api.example.com", pkiInstall(t, ca.issue(t, nil, []string{"api.example.com"}), ca.cert))
	site.Aliases = []string{"www.example.com"}
	pkiWrite(t, site.Files[0], map[string]string{"old.key": pkiKeyPEM(t, pkiECDSA(t))})
	store := pkiStore(t, slog.New(slog.DiscardHandler))
	if err := store.Apply(t.Context(), []Site{site}); err != nil {
		t.Fatal(err)
	}
	told := joined(store.Status()[0].Problems, Warning).Error()
	if !strings.Contains(told, "does not cover www.example.com") || !strings.Contains(told, "old.key: fits no certificate") {
		t.Error(told)
	}
}

func TestStore_AppliesAllOrNothingAndTellsEveryFault(t *testing.T) {
	ca := pkiRoot(t, "Root")
	good := pkiSite("good.example.com", pkiInstall(t, ca.issue(t, nil, []string{"good.example.com"})))
	store := pkiStore(t, slog.New(slog.DiscardHandler))
	if err := store.Apply(t.Context(), []Site{good}); err != nil {
		t.Fatal(err)
	}
	before := store.Status()
	empty, acme := pkiSite("empty.example.com", t.TempDir()), Site{Name: "acme.example.com", Config: Config{Certificate: "other"}}
	newcomer := pkiSite("new.example.com", pkiInstall(t, ca.issue(t, nil, []string{"new.example.com"})))
	err := store.Apply(t.Context(), []Site{newcomer, empty, acme, pkiSite("x.example.com", "/nonexistent")})
	if err == nil {
		t.Fatal("applied")
	}
	for _, part := range []string{"folder " + empty.Files[0] + ": holds no certificate and no key: put the files here", "site acme.example.com: certificate = \"other\" is not served", "file /nonexistent: does not exist"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
	var problem Problem
	if !errors.As(err, &problem) || problem.Severity != Fatal {
		t.Error("the error holds no Problem")
	}
	if after := store.Status(); len(after) != 1 || after[0].SHA256 != before[0].SHA256 {
		t.Errorf("changed to %+v", after)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := store.Apply(cancelled, []Site{newcomer}); !errors.Is(err, context.Canceled) || store.Status()[0].Site != "good.example.com" {
		t.Error("cancelled:", err)
	}
}

func TestStore_StartsWithWhatClientsRefuseButDoesNotTradeForIt(t *testing.T) {
	root := pkiRoot(t, "Root")
	ca := root.sub(t, "CA")
	names := []string{"api.example.com"}
	expired := ca.issue(t, nil, names, pkiDates(time.Now().Add(-90*24*time.Hour), time.Now().Add(-24*time.Hour)))
	bad, good := pkiSite(names[0], pkiInstall(t, expired, ca.cert)), pkiSite(names[0], pkiInstall(t, ca.issue(t, nil, names), ca.cert))
	var logged bytes.Buffer
	store := pkiStore(t, slog.New(slog.NewTextHandler(&logged, nil)))
	for i := range 2 { // a reload for another reason is not held up by what was so before
		if err := store.Apply(t.Context(), []Site{bad}); err != nil {
			t.Fatalf("apply %d: %v", i, err)
		}
	}
	if !strings.Contains(logged.String(), "level=ERROR") || !strings.Contains(logged.String(), "expired on") {
		t.Errorf("not logged: %s", &logged)
	}
	if err := store.Apply(t.Context(), []Site{good}); err != nil {
		t.Fatal(err)
	}
	err := store.Apply(t.Context(), []Site{bad})
	if err == nil || !strings.Contains(err.Error(), "expired on") {
		t.Errorf("traded a good certificate for an expired one: %v", err)
	}
	good.Aliases = []string{"www.example.com"} // which its certificate never covered
	if err := store.Apply(t.Context(), []Site{good}); err != nil {
		t.Errorf("a new alias is no worse than before: %v", err)
	}
}

func TestStore_RefusesToAnswerAChallengeOrWithoutSites(t *testing.T) {
	store := pkiStore(t, slog.New(slog.DiscardHandler))
	if _, err := store.Get(&tls.ClientHelloInfo{ServerName: "x"}); !errors.Is(err, ErrNoCertificate) {
		t.Error(err)
	}
	ca := pkiRoot(t, "Root")
	if err := store.Apply(t.Context(), []Site{pkiSite("api.example.com", pkiInstall(t, ca.issue(t, nil, []string{"api.example.com"})))}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(&tls.ClientHelloInfo{ServerName: "api.example.com", SupportedProtos: []string{"acme-tls/1"}}); !errors.Is(err, ErrNoCertificate) {
		t.Error(err)
	}
}

func TestStore_RunEndsTheSourcesThatAReloadDropped(t *testing.T) {
	ca := pkiRoot(t, "Root")
	site := func(name string) Site { return pkiSite(name, pkiInstall(t, ca.issue(t, nil, []string{name}))) }
	store := pkiStore(t, slog.New(slog.DiscardHandler))
	first, second := site("a.example.com"), site("b.example.com")
	if err := store.Apply(t.Context(), []Site{first}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- store.Run(ctx) }()
	if err := store.Apply(t.Context(), []Site{second}); err != nil {
		t.Fatal(err)
	}
	renewed := ca.issue(t, nil, []string{"b.example.com"})
	pkiWrite(t, second.Files[0], map[string]string{"fullchain.pem": pkiPEM(renewed.cert), "privkey.pem": pkiKeyPEM(t, renewed.key)})
	pkiEventually(t, "the new source follows its files", func() bool { return shows(store, renewed) })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// shows tells whether the first certificate that is served is the leaf.
func shows(store *Store, leaf pkiLeaf) bool {
	source := store.current.Load().members[0].source.(*fileSource)
	for _, p := range source.view.Load().served.chosen(source.site, time.Now()) {
		if p.leaf.Equal(leaf.cert) {
			return true
		}
	}
	return false
}

func TestInspect_JudgesFilesOnly(t *testing.T) {
	folder := t.TempDir()
	if got := Inspect(pkiSite("api.example.com", folder), time.Now()); len(got) != 1 || got[0].Severity.String() != "fatal" {
		t.Error(got)
	}
	if got := Inspect(Site{Name: "x", Config: Config{Certificate: FromLocal}}, time.Now()); got != nil {
		t.Error(got)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 0 {
		t.Error("inspecting left something behind")
	}
}
