package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gateway/cmd/internal/host"
)

// localSite is a running gateway with a certificate of its local CA.
func localSite(t *testing.T) (path string, port int) {
	t.Helper()
	port = freePort(t)
	dir := shortDir(t)
	path = writeFile(t, dir, "config.toml", fmt.Sprintf(`
state = %q
admin.socket = %q
log.access = ""
[[site]]
name = "localhost"
listen = ["127.0.0.1:%d"]
certificate = "local"
backend = "api"
[[backend]]
name = "api"
url = %q
`, filepath.Join(dir, "state"), filepath.Join(dir, "s"), port, startBackend(t)))
	startProcess(t, builtGateway(t), "run", "-c", path).waitFor("serving")
	return path, port
}

// elsewhere runs a shell's lines with copies of the folders that say what this
// machine trusts in their places, so that the machine itself is left alone.
func elsewhere(t *testing.T, lines string) (string, error) {
	t.Helper()
	needPrograms(t, "unshare", "mount", "cp")
	if os.Geteuid() != 0 {
		t.Skip("only root may put folders in the places of others")
	}
	if out, err := exec.Command("unshare", "--mount", "true").CombinedOutput(); err != nil {
		t.Skipf("a mount namespace cannot be had here: %v %s", err, out)
	}
	script := `set -e
for folder in /usr/local/share/ca-certificates /etc/ssl/certs; do
	mkdir -p "$0$folder"
	cp -a "$folder/." "$0$folder"
	mount --bind "$0$folder" "$folder"
done
` + lines
	out, err := exec.Command("unshare", "--mount", "sh", "-c", script, t.TempDir()).CombinedOutput()
	return string(out), err
}

func TestCertsTrust_MakesCurlAcceptTheSiteUntilItIsUndone(t *testing.T) {
	t.Parallel()
	needPrograms(t, "curl", "update-ca-certificates")
	path, port := localSite(t)
	command := builtGateway(t) + " certs trust -c " + path
	url := fmt.Sprintf("https://localhost:%d/", port)
	out, err := elsewhere(t, fmt.Sprintf(`
echo "before: $(curl -s --max-time 30 %[1]s || echo refused)"
%[2]s | sed 's/^/first: /'
echo "after: $(curl -s --max-time 30 %[1]s || echo refused)"
%[2]s | sed 's/^/second: /'
grep -rl PRIVATE /usr/local/share/ca-certificates && echo "a key was copied"
%[2]s --undo | sed 's/^/undone: /'
echo "at last: $(curl -s --max-time 30 %[1]s || echo refused)"
%[2]s --undo
`, url, command))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"before: refused", "is trusted by this machine now, by /usr/local/share/ca-certificates/gateway-local-ca-", "after: from the backend", "second: \"gateway local CA on",
		"is trusted already", "undone: \"gateway local CA", "at last: refused", "is not trusted by this machine: nothing to do",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "a key was copied") {
		t.Error(out)
	}
	if text, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt"); err == nil {
		if again, _ := elsewhere(t, "cat /etc/ssl/certs/ca-certificates.crt"); again != string(text) {
			t.Error("this machine itself was changed")
		}
	}
}

func TestCertsTrust_PrintsHowItIsDoneWhereItMayNot(t *testing.T) {
	t.Parallel()
	path, _ := localSite(t)
	code, out, told := gatewayCommand("certs", "trust", "--print", "-c", path)
	for _, want := range []string{"/local-ca/root.crt", "Firefox", "Certificate Trust Settings", "curl --cacert", "stays in gateway's state folder"} {
		if code != exitDone || !strings.Contains(out, want) {
			t.Errorf("%d: lacks %q:\n%s%s", code, want, out, told)
		}
	}
	if code, _, told := gatewayCommand("certs", "trust", "--print", "--undo", "-c", path); code != exitUsage || !strings.Contains(told, "cannot be had together") {
		t.Error(code, told)
	}
}

func TestCertsTrust_SaysWhatIsMissing(t *testing.T) {
	path := writeFile(t, t.TempDir(), "config.toml", oneSite(t, newAuthority(t).install(t, "api.example.com"), freePort(t), "http://127.0.0.1:1", ""))
	if code, _, told := gatewayCommand("certs", "trust", "-c", path); code != exitFailed || !strings.Contains(told, `certificate = "local"`) {
		t.Error(code, told)
	}
	root := filepath.Join(t.TempDir(), "local-ca", "root.crt")
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "garbage", pemOf("CERTIFICATE", newAuthority(t).root.Raw) + pemOf("PRIVATE KEY", []byte("k")), pemOf("CERTIFICATE", []byte("k"))} {
		writeFile(t, filepath.Dir(root), "root.crt", text)
		subject := truster{}
		if err := subject.open(filepath.Dir(filepath.Dir(root))); err == nil || !strings.Contains(err.Error(), "gateway writes it anew") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCertsTrust_TellsAUserWithoutTheRightWhatToType(t *testing.T) {
	t.Parallel()
	path, _ := localSite(t)
	var out strings.Builder
	subject := truster{store: host.NewTrustStore(), config: path, out: &out}
	if err := subject.open(filepath.Join(filepath.Dir(path), "state")); err != nil {
		t.Fatal(err)
	}
	for _, act := range []func() error{func() error { return subject.trust(t.Context()) }, func() error { return subject.undo(t.Context()) }} {
		if err := act(); err == nil || !strings.Contains(err.Error(), "sudo gateway certs trust -c "+path) {
			t.Error(err)
		}
	}
	if !strings.Contains(out.String(), "Firefox") {
		t.Error(out.String())
	}
}
