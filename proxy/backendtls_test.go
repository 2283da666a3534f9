package proxy

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// backendOverTLS speaks HTTPS with a certificate that no system knows, for
// 127.0.0.1 and not for localhost. Its certificate is in the file.
func backendOverTLS(t *testing.T) (address, file string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(frontEcho))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that are broken off
	server.StartTLS()
	t.Cleanup(server.Close)
	file = filepath.Join(t.TempDir(), "backend.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return server.URL, file
}

func TestBackend_ChecksTheCertificateAsItIsTold(t *testing.T) {
	address, file := backendOverTLS(t)
	named := strings.Replace(address, "127.0.0.1", "localhost", 1)
	for name, row := range map[string]struct {
		backend Backend
		status  int
	}{
		"an unknown authority":         {Backend{URL: address}, 502},
		"its own certificate":          {Backend{URL: address, CAFile: file}, 200},
		"for another name":             {Backend{URL: named, CAFile: file}, 502},
		"any certificate":              {Backend{URL: named, Verify: new(bool)}, 200},
		"any certificate of an own CA": {Backend{URL: address, CAFile: file, Verify: new(true)}, 200},
	} {
		f := newFront(t, frontConfig("", func(c *Config) {
			row.backend.Name, row.backend.Hold = c.Backends[0].Name, c.Backends[0].Hold
			c.Backends[0] = row.backend
		}))
		if res, _ := frontGet(t, f.client(t, false), "https://api.example.com/"); res.StatusCode != row.status {
			t.Errorf("%s: status %d, want %d", name, res.StatusCode, row.status)
		}
	}
}

func TestNext_ReadsTheAuthoritiesOfABackendAnew(t *testing.T) {
	address, file := backendOverTLS(t)
	_, other := backendOverTLS(t) // every such server has the same certificate
	cfg := frontConfig(address)
	cfg.Backends[0].CAFile = file
	before, err := NewHandler(cfg, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	same, err := before.Next(cfg)
	if err != nil || same.upstreams["api"] != before.upstreams["api"] {
		t.Errorf("%v: the connections of an unchanged backend are given up", err)
	}
	text, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append([]byte("another\n"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := before.Next(cfg); err != nil || changed.upstreams["api"] == before.upstreams["api"] {
		t.Errorf("%v: the old authorities are kept", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := before.Next(cfg); err == nil || !strings.Contains(err.Error(), `backend "api": ca_file: `+file+": no such file") {
		t.Errorf("without the file: %v", err)
	}
}
