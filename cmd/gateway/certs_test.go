package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// certsConfig is a site with a certificate of the local CA and one with files.
func certsConfig(t *testing.T) (path string) {
	t.Helper()
	port, dir := freePort(t), t.TempDir()
	return writeFile(t, dir, "config.toml", fmt.Sprintf(`
state = %q
admin.socket = %q
[[site]]
name = "local.example.com"
listen = ["127.0.0.1:%d"]
certificate = "local"
backend = "api"
[[site]]
name = "files.example.com"
listen = ["127.0.0.1:%d"]
certificate = "files"
files = %q
backend = "api"
[[backend]]
name = "api"
url = "http://127.0.0.1:1"
`, t.TempDir(), filepath.Join(dir, "s"), port, port, newAuthority(t).install(t, "files.example.com")))
}

// gatewayCommand runs one command of the program in this process.
func gatewayCommand(args ...string) (code int, stdout, stderr string) {
	var out, told bytes.Buffer
	code = run(args, &out, &told)
	return code, out.String(), told.String()
}

func TestCerts_TellsAndRenewsWhatTheRunningGatewayServes(t *testing.T) {
	t.Parallel()
	path := certsConfig(t)
	gateway := startProcess(t, builtGateway(t), "run", "-c", path)
	gateway.waitFor("serving")
	awaitSocket(t, path)

	code, list, told := gatewayCommand("certs", "list", "-c", path)
	if code != exitDone || !strings.Contains(list, "local.example.com") || !strings.Contains(list, "files.example.com") || !strings.Contains(list, "DAYS LEFT") {
		t.Errorf("list: %d %s%s", code, list, told)
	}
	before := certsShown(t, path, "local.example.com")
	if len(before.Files) == 0 || before.Origin != "local" || before.Renew.IsZero() {
		t.Errorf("%+v", before)
	}
	if code, text, told := gatewayCommand("certs", "renew", "local.example.com", "-c", path); code != exitDone || !strings.Contains(text, "SHA-256") {
		t.Errorf("renew: %d %s%s", code, text, told)
	}
	if after := certsShown(t, path, "local.example.com"); after.SHA256 == before.SHA256 {
		t.Error("renew changed nothing")
	}
	for _, row := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"certs", "renew", "files.example.com"}, exitFailed, "is an installed file: put the new files into"},
		{[]string{"certs", "renew", "other.example.com"}, exitFailed, "gateway certs list"},
		{[]string{"certs", "show", "other.example.com"}, exitFailed, "gateway certs list"},
		{[]string{"certs", "renew"}, exitUsage, "needs a name"},
		{[]string{"certs", "show", "a", "b"}, exitUsage, "takes one name"},
	} {
		if code, _, told := gatewayCommand(append(row.args, "-c", path)...); code != row.code || !strings.Contains(told, row.want) {
			t.Errorf("%q: %d %s", row.args, code, told)
		}
	}
}

func TestCerts_ListTellsTheSiteAndWhatHasExpired(t *testing.T) {
	now := time.Now()
	var out bytes.Buffer
	err := printCertificates(&out, []certificateReport{
		{Site: "a.example.com", Names: []string{"*.example.com"}, Origin: "files", NotAfter: now.Add(50 * time.Hour)},
		{Site: "b.example.com", Names: []string{"*.example.com"}, Origin: "files", NotAfter: now.Add(-time.Minute)},
		{Site: "c.example.com", Origin: "acme", Placeholder: true},
	}, now)
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{"SITE NAMES ORIGIN", "a.example.com *.example.com files", "b.example.com *.example.com files", "c.example.com acme placeholder"} {
		if got := strings.Join(strings.Fields(lines[i]), " "); !strings.HasPrefix(got, want) {
			t.Errorf("line %d is %q, not %q: %v", i+1, got, want, err)
		}
	}
	if !strings.Contains(lines[1], " 2 ") || !strings.Contains(lines[2], " expired ") {
		t.Errorf("the days left:\n%s", out.String())
	}
}

func TestCerts_ShowTellsEverythingOfACertificate(t *testing.T) {
	t.Parallel()
	path := certsConfig(t)
	startProcess(t, builtGateway(t), "run", "-c", path).waitFor("serving")
	awaitSocket(t, path)
	_, text, _ := gatewayCommand("certs", "show", "-c", path)
	for _, row := range []string{"site", "origin", "valid from", "valid until", "next renewal", "key", "SHA-256", "chain", "issuer", "files"} {
		if !strings.Contains(text, "\n  "+row+" ") {
			t.Errorf("tells no %q:\n%s", row, text)
		}
	}
	r := certsShown(t, path, "files.example.com")
	if !slices.Contains(r.Names, "files.example.com") || r.Origin != "files" || len(r.Chain) != 2 || r.NotBefore.IsZero() || r.NotAfter.IsZero() ||
		!r.Renew.IsZero() || len(r.SHA256) != 64 || len(r.Files) < 2 || r.Key == "" || r.Issuer == "" {
		t.Errorf("%+v", r)
	}
}

func TestCerts_TellThatAPlaceholderIsShownAndWhy(t *testing.T) {
	t.Parallel() // the notifier looks only every half minute
	dir := shortDir(t)
	box := newMailbox(t)
	path := writeFile(t, dir, "config.toml", fmt.Sprintf(`
state = %q
admin.socket = %q
[acme]
directory = "https://127.0.0.1:%d/dir"
[[site]]
name = "api.example.com"
listen = ["127.0.0.1:%d"]
certificate = "acme"
backend = "api"
[[backend]]
name = "api"
url = %q
`, filepath.Join(dir, "state"), filepath.Join(dir, "s"), freePort(t), freePort(t), startBackend(t))+mailTable(box.addr))
	gateway := startProcess(t, builtGateway(t), "run", "-c", path)
	gateway.waitFor("certificate could not be obtained")
	awaitSocket(t, path)
	for command, wants := range map[string][]string{
		"status":     {"none yet, a placeholder is shown", "cannot be asked", "curl -v https://127.0.0.1:"},
		"certs list": {"placeholder"},
		"certs show": {"a placeholder is shown, which clients refuse", "cannot be asked", "next renewal"},
	} {
		_, text, told := gatewayCommand(append(strings.Fields(command), "-c", path)...)
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not tell %q:\n%s%s", command, want, text, told)
			}
		}
	}
	if mail := box.wait(t, 1)[0]; !strings.Contains(mail.subject, "api.example.com has NO certificate yet") || !strings.Contains(mail.body, "cannot be asked") {
		t.Errorf("%s\n%s", mail.subject, mail.body)
	}
}

// awaitSocket waits until commands are answered, which is a moment after requests.
func awaitSocket(t *testing.T, path string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		code, _, told := gatewayCommand("status", "-c", path)
		if code == exitDone {
			return
		}
		select {
		case <-timeout:
			t.Fatal(told)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// certsShown is what `gateway certs show NAME --json` tells.
func certsShown(t *testing.T, path, name string) certificateReport {
	t.Helper()
	code, text, told := gatewayCommand("certs", "show", name, "--json", "-c", path)
	var reports []certificateReport
	if err := json.Unmarshal([]byte(text), &reports); code != exitDone || err != nil || len(reports) != 1 {
		t.Fatalf("show: %d %v %s%s", code, err, text, told)
	}
	return reports[0]
}

func TestACME_OpenSSLAcceptsWhatIsObtained(t *testing.T) {
	t.Parallel()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		without(t, "openssl is not installed")
	}
	ca := startACME(t, 3600)
	path := writeFile(t, t.TempDir(), "config.toml", ca.acmeSite(t, t.TempDir(), "certmagic", startBackend(t)))
	gateway := startProcess(t, builtGateway(t), "run", "-c", path)
	gateway.waitFor("certificate obtained")
	awaitSocket(t, path)
	root := writeFile(t, t.TempDir(), "root.pem", ca.rootText(t))
	before := certsShown(t, path, "api.example.com")
	if code, text, told := gatewayCommand("certs", "renew", "api.example.com", "-c", path); code != exitDone {
		t.Errorf("renew: %d %s%s", code, text, told)
	}
	if after := certsShown(t, path, "api.example.com"); after.SHA256 == before.SHA256 || after.Placeholder {
		t.Errorf("%+v", after)
	}
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		client := exec.Command(openssl, "s_client", version, "-connect", fmt.Sprintf("127.0.0.1:%d", ca.tlsPort), "-servername", "api.example.com",
			"-verify_hostname", "api.example.com", "-CAfile", root, "-verify_return_error", "-brief")
		if out, err := client.CombinedOutput(); err != nil || !strings.Contains(string(out), "Verification: OK") {
			t.Errorf("%s: %v\n%s", version, err, out)
		}
	}
	challenge := exec.Command(openssl, "s_client", "-connect", fmt.Sprintf("127.0.0.1:%d", ca.tlsPort), "-servername", "api.example.com", "-alpn", "acme-tls/1")
	if out, err := challenge.CombinedOutput(); err == nil {
		t.Errorf("a challenge that nobody ordered is answered:\n%s", out)
	}
}
