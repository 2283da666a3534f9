package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCheck_TellsOfCertificatesTogetherWithTheRestOfTheFile has a file with a
// wrong key, a missing unit and a certificate that has expired.
func TestCheck_TellsOfCertificatesTogetherWithTheRestOfTheFile(t *testing.T) {
	dir := t.TempDir()
	writeExpired(t, dir, "api.example.com")
	text := `state = "` + dir + `"
[timeouts]
drain = 30
[[site]]
name = "api.example.com"
listen = ["127.0.0.1:0"]
certificate = "files"
files = "."
backend = "api"
[[backend]]
name = "api"
url = "http://127.0.0.1:7878"
`
	path := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, problems, _ := Check(path, time.Now())
	if c != nil || len(problems) < 2 || problems[0].Line != 3 {
		t.Fatalf("config %v, problems %v", c, problems)
	}
	if last := problems[len(problems)-1]; last.Line != 8 || last.Key != "site.files" || !strings.Contains(problems.Error(), "expired") {
		t.Errorf("the certificate's problem is %v", last)
	}

	sound := strings.Replace(text, "drain = 30", `drain = "30s"`, 1)
	if err := os.WriteFile(path, []byte(sound), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, problems, _ := Check(path, time.Now()); c == nil || len(problems) == 0 {
		t.Errorf("config %v, problems %v: an expired certificate is a problem and keeps no gateway from starting", c, problems)
	}
	if _, err := Load(path); err != nil {
		t.Errorf("gateway does not start with an expired certificate: %v", err)
	}
}

func writeExpired(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"a.crt": {Type: "CERTIFICATE", Bytes: certificate}, "a.key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCheck_WarnsOfACertificateThatNobodyIsShown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	text := `[[site]]
name = "api.example.com"
listen = ["http://127.0.0.1:0"]
certificate = "acme"
respond = 404
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, problems, warnings := Check(path, time.Now())
	if c == nil || len(problems) > 0 || len(warnings) != 1 || warnings[0].Line != 4 || !strings.Contains(warnings[0].Wrong, "every address in listen is plain HTTP") {
		t.Errorf("%v; warnings %v", problems, warnings)
	}
}
