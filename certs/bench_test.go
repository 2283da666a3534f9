package certs

import (
	"crypto/tls"
	"log/slog"
	"testing"
)

// BenchmarkGet is what the choice of a certificate costs a handshake, which costs
// some 100 µs more for its signature.
func BenchmarkGet(b *testing.B) {
	ca := pkiRoot(b, "Root")
	store := pkiStore(b, slog.New(slog.DiscardHandler))
	site := pkiSite("api.example.com", pkiInstall(b, ca.issue(b, nil, []string{"api.example.com"})))
	if err := store.Apply(b.Context(), []Site{site}); err != nil {
		b.Fatal(err)
	}
	hello := &tls.ClientHelloInfo{ServerName: "api.example.com", SupportedVersions: []uint16{tls.VersionTLS13},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedCurves: []tls.CurveID{tls.X25519}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := store.Get(hello); err != nil {
			b.Fatal(err)
		}
	}
}
