package main

import (
	"fmt"
	"testing"
)

// TestEndpoint_OneNameHasTheCertificateOfTheAddress serves one name with two
// certificates: which one a client gets is a matter of the port it came to.
func TestEndpoint_OneNameHasTheCertificateOfTheAddress(t *testing.T) {
	t.Parallel()
	ca, backend := newAuthority(t), newSlowBackend(t)
	first, second := freePort(t), freePort(t)
	// The second address is spelled in another way than the listener names it.
	startGateway(t, racyGateway(t), oneSite(t, ca.install(t, "api.example.com"), first, backend.URL, "")+fmt.Sprintf(`
[[site]]
name = "api.example.com"
listen = ["[::ffff:127.0.0.1]:%d"]
certificate = "files"
files = %q
backend = "api"
`, second, ca.install(t, "api.example.com")))
	if served(t, ca, first) == served(t, ca, second) {
		t.Error("both addresses show one certificate")
	}
}
