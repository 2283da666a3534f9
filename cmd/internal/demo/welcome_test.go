package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

func demoInfo() Info {
	return Info{
		Listen:  []string{"127.0.0.1:7879", "127.0.0.1:8443"},
		Backend: "127.0.0.1:7878",
		State:   "/home/bob/.local/state/gateway-demo",
		CA:      "/home/bob/.local/state/gateway-demo/local-ca/ca.pem",
		Config:  "/home/bob/.local/state/gateway-demo/config.toml",
		Home:    "/home/bob",
		Mailbox: true,
	}
}

func TestWelcome_FitsATerminalOf80Columns(t *testing.T) {
	var out strings.Builder
	if err := Welcome(&out, demoInfo()); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if n := len(strings.TrimRight(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, want := range []string{"https://localhost:7879/ ", "https://localhost:8443/ ", "http://127.0.0.1:7878", "~/.local/state/gateway-demo/config.toml", "curl --cacert ~/.local/state/gateway-demo/local-ca/ca.pem"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	t.Log(out.String())
}

func TestWelcome_PrintsCommandsThatWork(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("needs curl")
	}
	crashes := make(chan struct{}, 1)
	address, ca := demoTLS(t, Backend(func() { crashes <- struct{}{} }))
	info := Info{Listen: []string{address}, CA: ca}
	for i, want := range []string{`"method": "GET"`, "from pid", "kills itself"} {
		// The stream is without end, which -m turns into curl's exit status 28.
		line := strings.ReplaceAll(commands(info)[i].String(), "curl ", "curl -sS -m 2 ")
		out, err := exec.Command("sh", "-c", line).CombinedOutput()
		if i != 1 && err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s\n%v\n%s", line, err, out)
		}
	}
	if len(crashes) != 1 {
		t.Errorf("%d crashes, want 1", len(crashes))
	}
}

// demoTLS serves a handler for "localhost" with a certificate that a client
// verifies with the returned file, whose path needs quotes.
func demoTLS(t *testing.T, handler http.Handler) (address, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "demo test"}, DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "it's a $CA.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(handler)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), ca
}

func TestBaseURL_UsesTheNameOfTheCertificate(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:7879":   "https://localhost:7879",
		":443":             "https://localhost",
		"[::]:8443":        "https://localhost:8443",
		"[::1]:443":        "https://localhost",
		"192.0.2.1:443":    "https://192.0.2.1",
		"[2001:db8::1]:80": "https://[2001:db8::1]:80",
		"example.com:7879": "https://example.com:7879",
	} {
		if got := baseURL(address); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}

func TestConfig_IsTheSetupAsAFile(t *testing.T) {
	s := Defaults()
	s.Mailbox = 2525
	s.State, s.Program = `/home/b"o\b/st`+"\x01ate", "/opt/gate way"
	var got struct {
		State string
		Admin struct{ Socket string }
		Site  []struct {
			Name, Backend, Certificate string
			Listen                     []string
		}
		Backend []struct {
			Name, URL string
			Command   []string
		}
		Mail struct {
			Host string
			Port int
			To   []string
		}
	}
	if _, err := toml.Decode(Config(s), &got); err != nil {
		t.Fatal(err)
	}
	if got.State != s.State || len(got.Site) != 1 || len(got.Backend) != 1 {
		t.Fatalf("got %+v", got)
	}
	if got.Mail.Host != "127.0.0.1" || got.Mail.Port != 2525 || len(got.Mail.To) != 1 {
		t.Errorf("mail %+v", got.Mail)
	}
	if strings.Join(got.Site[0].Listen, " ") != "127.0.0.1:7879 127.0.0.1:8443" || got.Site[0].Backend != got.Backend[0].Name {
		t.Errorf("site %+v", got.Site[0])
	}
	if got.Backend[0].URL != "http://127.0.0.1:7878" || strings.Join(got.Backend[0].Command, "|") != "/opt/gate way|demo-backend|--listen|127.0.0.1:7878" {
		t.Errorf("backend %+v", got.Backend[0])
	}
}

func FuzzQuote_IsReadBackAsItWas(f *testing.F) {
	f.Add("/home/b\"o\\b\x00\x7f\u0085\u2028é")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			t.Skip("TOML is UTF-8")
		}
		var got struct{ K string }
		if _, err := toml.Decode("k = "+quote(s), &got); err != nil || got.K != s {
			t.Errorf("%q came back as %q, %v", s, got.K, err)
		}
	})
}

func TestStateFolder_FollowsTheXDGSpecification(t *testing.T) {
	for _, c := range []struct{ xdg, home, want string }{
		{"/state", "/home/bob", "/state/gateway-demo"},
		{"", "/home/bob", "/home/bob/.local/state/gateway-demo"},
		{"relative", "/home/bob", "/home/bob/.local/state/gateway-demo"},
		{"", "", ""},
	} {
		got, err := StateFolder(func(name string) string {
			return map[string]string{"XDG_STATE_HOME": c.xdg, "HOME": c.home}[name]
		})
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%+v: got %q, %v", c, got, err)
		}
	}
}

func TestPrepare_KeepsTheFolderToItsOwner(t *testing.T) {
	s := Defaults()
	s.State = filepath.Join(t.TempDir(), "a", "b")
	if err := os.MkdirAll(s.State, 0o777); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second start replaces the file
		path, err := Prepare(s)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != Config(s) {
			t.Errorf("the file is not what Config says: %v", err)
		}
		demoWantMode(t, path, 0o600)
		demoWantMode(t, s.State, 0o700)
	}
	if left, _ := os.ReadDir(s.State); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestPrepare_SaysWhatToDoWhenTheFolderCannotBeMade(t *testing.T) {
	s := Defaults()
	s.State = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(s.State, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Prepare(s); err == nil || !strings.Contains(err.Error(), "--state FOLDER") || !strings.Contains(err.Error(), s.State) {
		t.Errorf("got %v", err)
	}
}

func demoWantMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %o, want %o", path, got, want)
	}
}
