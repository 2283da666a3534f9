package certs

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// servedStore is a store with one site, and the CA that clients trust.
func servedStore(t *testing.T) (*Store, *pkiCA, []Site) {
	t.Helper()
	root := pkiRoot(t, "Root")
	ca := root.sub(t, "CA")
	sites := []Site{pkiSite("api.example.com", pkiInstall(t, ca.issue(t, nil, []string{"api.example.com"}), root.cert, ca.cert))}
	store := pkiStore(t, slog.New(slog.DiscardHandler))
	if err := store.Apply(t.Context(), sites); err != nil {
		t.Fatal(err)
	}
	return store, root, sites
}

func TestTLSConfig_OffersModernTermsOnly(t *testing.T) {
	store, root, _ := servedStore(t)
	address := pkiServer(t, store.TLSConfig())
	client := func() *tls.Config {
		return &tls.Config{ServerName: "api.example.com", RootCAs: pkiPool(root), NextProtos: []string{"h2", "http/1.1"}}
	}
	state, err := pkiDial(address, client())
	if err != nil || state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "h2" || state.CurveID != tls.X25519MLKEM768 {
		t.Errorf("modern client: %v, version %x, %q, curve %v", err, state.Version, state.NegotiatedProtocol, state.CurveID)
	}
	config := client()
	config.MaxVersion, config.NextProtos = tls.VersionTLS12, []string{"http/1.1"}
	state, err = pkiDial(address, config)
	if err != nil || state.Version != tls.VersionTLS12 || state.NegotiatedProtocol != "http/1.1" {
		t.Errorf("TLS 1.2 client: %v, version %x, %q", err, state.Version, state.NegotiatedProtocol)
	}
	config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if _, err := pkiDial(address, config); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		modern := strings.HasPrefix(suite.Name, "TLS_ECDHE_ECDSA") && (strings.Contains(suite.Name, "GCM") || strings.Contains(suite.Name, "POLY1305"))
		if !slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
			continue
		}
		config := client()
		config.MaxVersion, config.CipherSuites = tls.VersionTLS12, []uint16{suite.ID}
		if _, err := pkiDial(address, config); (err == nil) != modern {
			t.Errorf("%s: %v", suite.Name, err)
		}
	}
}

func TestTLSConfig_OpenSSLVerifiesTheChainAsItIsSent(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	store, root, _ := servedStore(t)
	address := pkiServer(t, store.TLSConfig())
	rootFile := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(rootFile, []byte(pkiPEM(root.cert)), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(arguments ...string) (string, error) {
		command := exec.CommandContext(t.Context(), openssl, append([]string{"s_client", "-connect", address, "-servername", "api.example.com"}, arguments...)...)
		output, err := command.CombinedOutput()
		return string(output), err
	}
	output, err := run("-verify_return_error", "-verify_hostname", "api.example.com", "-CAfile", rootFile, "-showcerts")
	if err != nil || !strings.Contains(output, "Verify return code: 0 (ok)") || strings.Count(output, "BEGIN CERTIFICATE") != 2 {
		t.Errorf("%v\n%s", err, output)
	}
	var exit *exec.ExitError
	if output, err := run("-verify_return_error", "-no-CAfile", "-no-CApath", "-no-CAstore"); !errors.As(err, &exit) {
		t.Errorf("without the root it verifies too: %v\n%s", err, output)
	}
	if output, err := run("-cipher", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:AES128-SHA", "-tls1_2"); !errors.As(err, &exit) {
		t.Errorf("a CBC suite was agreed on: %v\n%s", err, output)
	}
}
