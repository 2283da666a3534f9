package main

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestReplace_ANewCertificateIsServedWithinFiveSeconds replaces the files of a
// running gateway as an admin does, and counts handshakes that failed meanwhile.
func TestReplace_ANewCertificateIsServedWithinFiveSeconds(t *testing.T) {
	t.Parallel()
	ca, backend, port := newAuthority(t), newSlowBackend(t), freePort(t)
	dir := ca.install(t, "api.example.com")
	p := startGateway(t, racyGateway(t), oneSite(t, dir, port, backend.URL, ""))
	first := served(t, ca, port)

	// A key that fits nothing: the old pair stays.
	keyFile := filepath.Join(dir, "3_api.example.com.key")
	good, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "3_api.example.com.key", string(good[:len(good)/2]))
	p.waitFor("3_api.example.com.key")
	if served(t, ca, port) != first {
		t.Fatal("a torn key changed what is served")
	}

	ca.installIn(t, dir, "api.example.com")
	replaced := time.Now()
	for served(t, ca, port) == first {
		if time.Since(replaced) > patience {
			t.Fatal("the new certificate is not served")
		}
	}
	t.Logf("served after %v", time.Since(replaced).Round(time.Millisecond))
}

// served is the fingerprint of what a verifying client is shown.
func served(t *testing.T, ca *authority, port int) [32]byte {
	t.Helper()
	c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port), &tls.Config{RootCAs: ca.pool, ServerName: "api.example.com"})
	if err != nil {
		t.Fatalf("handshake: %v", err)
	}
	defer c.Close()
	return sha256.Sum256(c.ConnectionState().PeerCertificates[0].Raw)
}
