package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var updateImports = flag.Bool("update-imports", false, "write testdata/import/differences.md anew")

// TestImportTwin_AnswersLikeApache runs every configuration of testdata/import
// in a real httpd, and what is made of it in gateway, and sends both the same
// requests. What the backend saw and what the client got must be equal, or stand
// in differences.md, which is written by this test.
func TestImportTwin_AnswersLikeApache(t *testing.T) {
	needPrograms(t, "apache2")
	files, err := filepath.Glob(filepath.Join("testdata", "import", "*.txt"))
	if err != nil || len(files) < 20 {
		t.Fatalf("there are %d configurations: %v", len(files), err)
	}
	rows := make([]string, len(files))
	t.Run("each", func(t *testing.T) {
		for i, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".txt")
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				rows[i] = runImportCase(t, name, parseImportCase(t, file))
			})
		}
	})
	if t.Failed() || slices.Contains(rows, "") {
		return // a part of them was chosen with -run
	}
	compareGolden(t, filepath.Join("testdata", "import", "differences.md"), importHeading+strings.Join(rows, ""))
}

const importHeading = `# Apache configurations, imported and compared

Written by TestImportTwin_AnswersLikeApache (-update-imports). Each configuration ran in Apache httpd, and what
` + "`gateway import apache`" + ` made of it in gateway. Left out is what README.md lists under "What differs from Apache" for all requests.

| configuration | requests | exit code | answered differently |
|---|---|---|---|
`

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *updateImports {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not up to date; run with -update-imports and read it:\n%s", path, got)
	}
}

// importCase is a file of testdata/import: files behind "-- NAME --", the first
// being httpd's first, and the requests.
type importCase struct {
	files    []importFile
	requests []string
	exit     string
}

type importFile struct{ name, text string }

var importMark = regexp.MustCompile(`(?m)^-- (\S+) --\n`)

func parseImportCase(t *testing.T, path string) importCase {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	marks := importMark.FindAllStringSubmatchIndex(text, -1)
	var c importCase
	for i, mark := range marks {
		end := len(text)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		name, body := text[mark[2]:mark[3]], text[mark[1]:end]
		switch name {
		case "requests":
			c.requests = strings.Split(strings.TrimSpace(body), "\n")
		case "exit":
			c.exit = strings.TrimSpace(body)
		default:
			c.files = append(c.files, importFile{name, body})
		}
	}
	if len(c.files) == 0 || len(c.requests) == 0 {
		t.Fatalf("%s has no files or no requests", path)
	}
	return c
}

// importWorld is what both servers share in one case.
type importWorld struct {
	http, https, alt int
	authority        *authority
	backends         []*twinBackend
	root             string // folder of the configuration
	replace          *strings.Replacer
}

func newImportWorld(t *testing.T, c importCase) *importWorld {
	t.Helper()
	w := &importWorld{http: freePort(t), https: freePort(t), alt: freePort(t), authority: newAuthority(t), root: t.TempDir()}
	if err := os.Chmod(filepath.Dir(w.root), 0o755); err != nil { // httpd gives its rights up
		t.Fatal(err)
	}
	a, b := newTwinBackend(t), newTwinBackend(t)
	socket := filepath.Join(shortDir(t), "app.sock")
	w.backends = []*twinBackend{a, b, socketBackend(t, socket)}
	ssl := w.authority.install(t, twinName, "www.example.com", "example.com", "app.example.com", "other.example.com", "static.example.com")
	w.replace = strings.NewReplacer("@HTTP@", fmt.Sprint(w.http), "@HTTPS@", fmt.Sprint(w.https), "@ALT@", fmt.Sprint(w.alt),
		"@PORTA@", strings.TrimPrefix(a.address, "127.0.0.1:"), "@PORTB@", strings.TrimPrefix(b.address, "127.0.0.1:"), "@A@", a.address, "@B@", b.address, "@SOCKET@", socket, "@ROOT@", w.root,
		"@CRT@", w.wholeChain(t, ssl), "@LEAF@", filepath.Join(ssl, "2_"+twinName+".crt"), "@KEY@", filepath.Join(ssl, "3_"+twinName+".key"), "@CHAIN@", filepath.Join(ssl, "1_root_bundle.crt"))
	for i, file := range c.files {
		text := w.replace.Replace(file.text)
		if i == 0 {
			text = "Include " + filepath.Join(w.root, "harness.conf") + "\n" + text
		}
		w.write(t, file.name, text)
	}
	w.write(t, "harness.types", "text/html html htm\ntext/css css\nimage/png png\n")
	w.write(t, "harness.conf", fmt.Sprintf(importHarness, w.root)+importModules(t))
	return w
}

// wholeChain is one file with the certificate and its chain, as certbot writes it.
func (w *importWorld) wholeChain(t *testing.T, ssl string) string {
	t.Helper()
	var all []byte
	for _, name := range []string{"2_" + twinName + ".crt", "1_root_bundle.crt"} {
		text, err := os.ReadFile(filepath.Join(ssl, name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	return writeFile(t, ssl, "fullchain.pem", string(all))
}

func (w *importWorld) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(filepath.Join(w.root, name)), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Dir(filepath.Join(w.root, name)), filepath.Base(name), text)
	if err := os.Chmod(filepath.Join(w.root, name), 0o644); err != nil {
		t.Fatal(err)
	}
}

const importHarness = `PidFile %[1]s/pid
Mutex pthread
ErrorLog %[1]s/error.log
TypesConfig %[1]s/harness.types
StartServers 1
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
`

// importModules loads what the configurations use. As root httpd also needs to
// be told whom to become.
func importModules(t *testing.T) string {
	t.Helper()
	const folder = "/usr/lib/apache2/modules"
	if _, err := os.Stat(folder); err != nil {
		without(t, "Apache's modules are not where Debian puts them: %v", err)
	}
	var text strings.Builder
	for _, name := range []string{"mpm_event", "authz_core", "authz_host", "authz_user", "authn_core", "authn_file", "auth_basic", "access_compat", "alias", "dir", "mime", "headers",
		"rewrite", "setenvif", "env", "socache_shmcb", "ssl", "proxy", "proxy_http", "proxy_wstunnel", "proxy_fcgi", "slotmem_shm", "proxy_balancer", "lbmethod_byrequests", "macro", "remoteip", "autoindex", "expires", "reqtimeout"} {
		fmt.Fprintf(&text, "LoadModule %s_module %s/mod_%s.so\n", name, folder, name)
	}
	if os.Geteuid() == 0 {
		text.WriteString("User nobody\nGroup nogroup\n")
	}
	return text.String()
}

// socketBackend is a backend on a unix socket, which httpd may connect to.
func socketBackend(t *testing.T, path string) *twinBackend {
	t.Helper()
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	b := &twinBackend{address: "localhost", asked: make(chan struct{}, 100)}
	b.server = httptest.NewUnstartedServer(b)
	b.server.Listener.Close()
	b.server.Listener = l
	b.server.Start()
	t.Cleanup(b.stop)
	return b
}

// runImportCase compares the two and returns the row of the table.
func runImportCase(t *testing.T, name string, c importCase) string {
	w := newImportWorld(t, c)
	first := filepath.Join(w.root, c.files[0].name)
	apache := w.answers(t, c.requests, func() func() { return w.startApache(t, first) })
	config, code := w.imported(t, first)
	gateway := w.answers(t, c.requests, func() func() { return w.startImported(t, config) })
	if c.exit == "" {
		c.exit = "0"
	}
	if fmt.Sprint(code) != c.exit {
		t.Errorf("the import ended with %d, not %s", code, c.exit)
	}
	differences := map[string][]string{}
	var kinds []string
	for i, request := range c.requests {
		for _, d := range compareImports(apache[i], gateway[i]) {
			if reasonFor("-", d.kind) >= 0 {
				continue
			}
			kind := fmt.Sprintf("%s: Apache %s, gateway %s", d.kind, w.plain(d.apache), w.plain(d.gateway))
			if differences[kind] == nil {
				kinds = append(kinds, kind)
			}
			differences[kind] = append(differences[kind], request)
		}
	}
	return importRow(name, len(c.requests), code, kinds, differences)
}

// importRow is a row of the table: each difference once, with the first request
// that shows it.
func importRow(name string, requests, code int, kinds []string, shown map[string][]string) string {
	if len(kinds) == 0 {
		return fmt.Sprintf("| %s | %d | %d | nothing |\n", name, requests, code)
	}
	var cells []string
	for _, kind := range kinds {
		cell := kind + " (`" + shown[kind][0] + "`"
		if more := len(shown[kind]) - 1; more > 0 {
			cell += fmt.Sprintf(" and %d more", more)
		}
		cells = append(cells, strings.Join(strings.Fields(cell), " ")+")")
	}
	return fmt.Sprintf("| %s | %d | %d | %s |\n", name, requests, code, strings.ReplaceAll(strings.Join(cells, "<br>"), "|", `\|`))
}

// plain puts names in place of ports and folders, which differ from run to run.
func (w *importWorld) plain(text string) string {
	return strings.NewReplacer(fmt.Sprint(w.http), "HTTP", fmt.Sprint(w.https), "HTTPS", fmt.Sprint(w.alt), "ALT",
		w.backends[0].address, "A", w.backends[1].address, "B", w.root, "ROOT").Replace(text)
}

func (w *importWorld) startApache(t *testing.T, first string) func() {
	t.Helper()
	shell := fmt.Sprintf(`if [ -f %[1]s/envvars ]; then . %[1]s/envvars; fi; exec apache2 -d %[1]s -f %[2]s -DFOREGROUND`, w.root, first)
	p := startProcess(t, "/bin/sh", "-c", shell)
	w.waitServing(t, p)
	return func() {
		p.signal(syscall.SIGTERM)
		p.exitCode()
	}
}

// waitServing waits for httpd's pid file. It binds its ports twice and writes
// the file after the second time.
func (w *importWorld) waitServing(t *testing.T, p *process) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if text, err := os.ReadFile(filepath.Join(w.root, "pid")); err == nil && len(text) > 0 {
			return
		}
		select {
		case <-p.done:
			log, _ := os.ReadFile(filepath.Join(w.root, "error.log"))
			more, _ := os.ReadFile(filepath.Join(w.root, "log", "error.log"))
			t.Fatalf("httpd ended: %s\n%s%s", p.text(), log, more)
		default:
		}
	}
	t.Fatalf("httpd does not serve: %s", p.text())
}

// imported runs the command twice: the second must give the same bytes.
func (w *importWorld) imported(t *testing.T, first string) (path string, code int) {
	t.Helper()
	var texts [2]bytes.Buffer
	var report bytes.Buffer
	for i := range texts {
		report.Reset()
		code = run([]string{"import", "apache", first}, &texts[i], &report)
	}
	if !bytes.Equal(texts[0].Bytes(), texts[1].Bytes()) {
		t.Error("a second import gave another file")
	}
	if code != exitDone && code != exitLost {
		t.Fatalf("the import failed: %s", report.String())
	}
	t.Cleanup(func() {
		if t.Failed() {
			_, lost, _ := strings.Cut(report.String(), "\nNOT carried")
			t.Logf("imported:\n%s\n%s", texts[0].String(), lost)
		}
	})
	return w.forTest(t, texts[0].String()), code
}

// forTest moves what a test must not touch, the state and the socket, has it say
// on standard error when it serves, and lets
// requests to a backend that is away fail at once, as with httpd.
func (w *importWorld) forTest(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	text = fmt.Sprintf("state = %q\n%s\n[admin]\nsocket = %q\n", filepath.Join(dir, "state"), text, filepath.Join(shortDir(t), "admin.sock"))
	text = regexp.MustCompile(`(?m)^error = .*`).ReplaceAllString(text, `error = "-"`)
	text = strings.ReplaceAll(text, "[[backend]]\n", "[[backend]]\nhold = \"0s\"\n")
	path := writeFile(t, dir, "config.toml", text)
	var out bytes.Buffer
	if code := run([]string{"check", "-c", path}, &out, &out); code != exitDone {
		t.Fatalf("gateway check says %d:\n%s\n%s", code, out.String(), text)
	}
	return path
}

func (w *importWorld) startImported(t *testing.T, path string) func() {
	t.Helper()
	p := startProcess(t, builtGateway(t), "run", "-c", path)
	p.waitFor("serving")
	return func() {
		p.signal(syscall.SIGTERM)
		p.exitCode()
	}
}

func (w *importWorld) answers(t *testing.T, requests []string, start func() func()) []twinAnswer {
	t.Helper()
	stop := start()
	defer stop()
	answers := make([]twinAnswer, len(requests))
	for i, request := range requests {
		answers[i] = w.ask(t, request)
	}
	return answers
}

// ask sends a line such as "GET https api.example.com /x | Accept: a".
func (w *importWorld) ask(t *testing.T, request string) twinAnswer {
	t.Helper()
	line, fields, _ := strings.Cut(w.replace.Replace(request), " | ")
	words := strings.Fields(line)
	if len(words) != 4 {
		t.Fatalf("%q is no request", request)
	}
	for _, b := range w.backends {
		b.take()
	}
	port := map[string]int{"http": w.http, "https": w.https, "alt": w.alt, "altplain": w.alt}[words[1]]
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if words[1] == "https" || words[1] == "alt" {
		conn = tls.Client(conn, &tls.Config{RootCAs: w.authority.pool, ServerName: words[2]})
	}
	head := words[0] + " " + words[3] + " HTTP/1.1\r\nHost: " + words[2] + "\r\n"
	for field := range strings.SplitSeq(fields, " | ") {
		if field != "" {
			head += field + "\r\n"
		}
	}
	if !strings.Contains(strings.ToLower(fields), "connection:") {
		head += "Connection: close\r\n"
	}
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		t.Fatalf("%s: %v", request, err)
	}
	a := readTwinAnswer(bufio.NewReader(conn), words[0])
	for i, b := range w.backends {
		if seen := b.take(); seen != nil {
			seen.line = string("AB"[min(i, 1)]) + strings.Repeat("U", i/2) + " " + seen.line
			a.seen = seen
		}
	}
	return a
}

// ownFields are what each server says of its own pages and files in its own words.
var ownFields = []string{"Content-Length", "Content-Type", "Etag", "Last-Modified", "Accept-Ranges", "Vary", "Allow", "Content-Language", "Connection", "Keep-Alive", "X-Content-Type-Options", "Cache-Control"}

// compareImports is compareTwins, but for files, which both servers send.
func compareImports(a, g twinAnswer) []twinDiff {
	if !a.own() || !g.own() {
		return compareTwins(a, g)
	}
	for _, name := range ownFields {
		delete(a.headers, name)
		delete(g.headers, name)
	}
	diffs := append(compareFields("to client", a.headers, g.headers), compareSeen(a.seen, g.seen)...)
	if a.status != g.status {
		diffs = append(diffs, twinDiff{"status", a.status, g.status})
	}
	if a.status == "200" && a.body != g.body && !strings.Contains(a.body, "Index of") {
		diffs = append(diffs, twinDiff{"body", a.body, g.body})
	}
	return diffs
}
