package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gateway/cmd/internal/apache"
)

// importing runs the command and returns what it printed.
func importing(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(append([]string{"import", "apache"}, args...), &out, &errs)
	return code, out.String(), errs.String()
}

const importedSite = `Listen 8080
<VirtualHost *:8080>
ServerName app.example.com
ProxyPreserveHost On
ProxyPass / http://127.0.0.1:3000/
</VirtualHost>
`

func TestImport_WritesTheFileWholeAndNeverOverAnother(t *testing.T) {
	dir := t.TempDir()
	from, to := writeFile(t, dir, "app.conf", importedSite), filepath.Join(dir, "config.toml")
	if code, out, errs := importing(from, "-o", to); code != exitDone || !strings.Contains(out, "Carried") {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	first, err := os.ReadFile(to)
	if err != nil || !strings.Contains(string(first), `backend = "127.0.0.1-3000"`) {
		t.Fatalf("%v: %s", err, first)
	}
	if code, _, errs := importing(from, "-o", to); code != exitFailed || !strings.Contains(errs, "--force") {
		t.Errorf("a second import ended with %d: %s", code, errs)
	}
	if code, _, errs := importing(from, "-o", to, "--force"); code != exitDone {
		t.Errorf("--force ended with %d: %s", code, errs)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	broken := writeFile(t, dir, "broken.conf", "<VirtualHost *:80>\n")
	if code, _, _ := importing(broken, "-o", filepath.Join(dir, "none.toml")); code != exitFailed {
		t.Errorf("a broken configuration ended with %d", code)
	}
	if _, err := os.Stat(filepath.Join(dir, "none.toml")); err == nil {
		t.Error("a broken configuration left a file")
	}
}

func TestImport_PrintsTheFileAndTheReportApart(t *testing.T) {
	from := writeFile(t, t.TempDir(), "app.conf", importedSite+"NoSuchDirective on\n")
	code, out, errs := importing(from)
	if code != exitLost || !strings.Contains(out, "[[site]]") || strings.Contains(out, "NoSuchDirective") {
		t.Errorf("exit %d, standard output: %s", code, out)
	}
	if !strings.Contains(errs, "app.conf:7: NoSuchDirective on: ") {
		t.Errorf("the report: %s", errs)
	}
	code, out, _ = importing(from, "--json")
	var report importReport
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitLost {
		t.Fatalf("exit %d: %v", code, err)
	}
	if len(report.Items) != 6 || !strings.Contains(report.TOML, "[[backend]]") {
		t.Errorf("the JSON has %d directives: %s", len(report.Items), out)
	}
	last := report.Items[len(report.Items)-1]
	if last.Class != apache.NotCarried || !last.Matters || last.Do == "" || last.Line != 7 {
		t.Errorf("the last directive: %+v", last)
	}
}

func TestImport_TellsWhatCheckWouldSayOfTheFile(t *testing.T) {
	from := writeFile(t, t.TempDir(), "app.conf", "Listen 8443\n<VirtualHost *:8443>\nServerName a.example.com\nSSLEngine on\nSSLCertificateFile /no/such.pem\nRedirect / https://b.example.com/\n</VirtualHost>\n")
	if _, _, errs := importing(from); !strings.Contains(errs, "gateway check would say of the file: line 8: site.files: /no/such.pem: does not exist") {
		t.Errorf("the report: %s", errs)
	}
}

func TestImport_RefusesAWrongCommandLine(t *testing.T) {
	for _, args := range [][]string{{"one", "two"}, {"--nosuch"}} {
		if code, _, _ := importing(args...); code != exitUsage {
			t.Errorf("%v ended with %d", args, code)
		}
	}
	if code, _, errs := importing(filepath.Join(t.TempDir(), "none")); code != exitFailed || !strings.Contains(errs, "does not exist") {
		t.Errorf("a missing path ended with %d: %s", code, errs)
	}
}

func TestImport_PrintsTheCoverageThatTheREADMEHas(t *testing.T) {
	_, out, _ := importing("--coverage")
	if _, block, _ := strings.Cut(readmeBlock(t, "import: coverage"), "\n"); !strings.HasSuffix(strings.TrimSpace(out), strings.TrimSpace(block)) || block == "" {
		t.Errorf("README.md has another table than\n%s", out)
	}
}

func TestImportRehearsal_FindsWhatDiffersAndSendsNothingThatChangesThings(t *testing.T) {
	t.Parallel()
	needPrograms(t, "apache2")
	w := newImportWorld(t, importCase{files: []importFile{{"httpd.conf", `
Listen 127.0.0.1:@HTTP@
Listen 127.0.0.1:@HTTPS@
<VirtualHost *:@HTTP@>
  ServerName app.example.com
  Redirect / https://app.example.com/
</VirtualHost>
<VirtualHost *:@HTTPS@>
  ServerName app.example.com
  SSLEngine on
  SSLCertificateFile @CRT@
  SSLCertificateKeyFile @KEY@
  ProxyPass / http://@A@/
  <Location /edited>
    Header edit X-Backend 1 2
  </Location>
</VirtualHost>
`}}})
	stop := w.startApache(t, filepath.Join(w.root, "httpd.conf"))
	defer stop()
	log := w.replace.Replace(strings.Join([]string{
		`app.example.com:@HTTPS@ 127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "GET /length?a=\"b\" HTTP/1.1" 200 5 "-" "curl"`,
		`app.example.com:@HTTPS@ 127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "POST /pay HTTP/1.1" 200 5 "-" "curl"`,
		`app.example.com:@HTTPS@ 127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "GET /edited HTTP/1.1" 200 5 "-" "curl"`,
		`127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "HEAD /length HTTP/1.1" 200 5`,
		`http://app.example.com:@HTTP@/x`,
		`127.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "-" 408 0 "-" "-"`, "",
	}, "\n"))
	list := writeFile(t, t.TempDir(), "access.log", log)
	code, out, errs := importing(filepath.Join(w.root, "httpd.conf"), "--rehearse", list)
	if code != exitLost {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	for _, wanted := range []string{`/edited: X-Backend: Apache ["2"], gateway ["1"]`, "1 with method POST", "1 that are no request", "requests: 4, differences: 1"} {
		if !strings.Contains(out, wanted) {
			t.Errorf("it does not say %q:\n%s", wanted, out)
		}
	}
	if seen := w.backends[0].take(); seen == nil || strings.HasPrefix(seen.line, "POST") {
		t.Errorf("the backend saw %+v", seen)
	}
	urls := writeFile(t, t.TempDir(), "urls", w.replace.Replace("https://app.example.com:@HTTPS@/length\n/redirect?to=/y\n"))
	if code, out, errs := importing(filepath.Join(w.root, "httpd.conf"), "--rehearse", urls); code != exitDone {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
}
