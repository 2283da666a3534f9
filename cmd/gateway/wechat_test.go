package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"gateway/certs"
	"gateway/cmd/internal/wechat"
)

// phoneBackend answers as a backend for mini-programs should: errors in JSON,
// and a WebSocket at /chat.
func phoneBackend(t *testing.T) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chat" {
			if conn, err := websocket.Accept(w, r, nil); err == nil {
				_ = conn.CloseNow()
			}
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path != "/" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, `{"path":"`+r.URL.Path+`"}`)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// phoneSetup is a server as an admin left it, and what is to be said of it.
type phoneSetup struct {
	name   string
	files  string // the kind of certificate, see phoneFiles; default: good
	nginx  string // in the server; "-": this can't be done with it
	apache string // in the virtual host
	listen string // for nginx; default: " ssl http2"
	h1     bool   // HTTP/2 is switched off in Apache
	plain  bool   // no TLS at all
	noWS   bool   // WebSockets are not passed on
	flags  []string
	failed []string // items
	warned []string
}

func phoneSetups() []phoneSetup {
	const weak, today = ":@SECLEVEL=0", "ssl_protocols TLSv1.2 TLSv1.3; "
	return []phoneSetup{
		{name: "well"},
		{name: "without the intermediate", files: "leaf only", failed: []string{certs.ItemChain}},
		{name: "with the intermediates in the wrong order", files: "wrong order", failed: []string{certs.ItemOrder}},
		{name: "with the certificate twice", files: "leaf twice", warned: []string{certs.ItemOrder}},
		{name: "with the root in the chain", files: "with root", warned: []string{certs.ItemRoot}},
		{name: "with a self-signed certificate", files: "self-signed", failed: []string{certs.ItemTrust}},
		{name: "with a root that phones do not know", files: "unknown root", failed: []string{certs.ItemTrust}, warned: []string{certs.ItemRoot}},
		{name: "with an expired certificate", files: "expired", failed: []string{certs.ItemValidity}},
		{name: "with a certificate that is not valid yet", files: "too early", failed: []string{certs.ItemValidity}},
		{name: "with a certificate that ends soon", files: "ends soon", warned: []string{certs.ItemValidity}},
		{name: "with an expired intermediate", files: "expired intermediate", failed: []string{certs.ItemValidity}},
		{name: "with a certificate for another name", files: "other name", failed: []string{certs.ItemName}},
		{name: "with a certificate for clients", files: "for clients", failed: []string{certs.ItemUsage}},
		{name: "with a key of RSA 1024", files: "RSA 1024", nginx: today + "ssl_ciphers DEFAULT" + weak + ";", apache: "SSLProtocol -all +TLSv1.2 +TLSv1.3\nSSLCipherSuite DEFAULT" + weak, failed: []string{certs.ItemKey}},
		{name: "with a signature by SHA-1", files: "SHA-1", nginx: today + "ssl_ciphers DEFAULT" + weak + ";", apache: "SSLProtocol -all +TLSv1.2 +TLSv1.3\nSSLCipherSuite DEFAULT" + weak, failed: []string{certs.ItemSignature}},
		{name: "with TLS 1.3 only", nginx: "ssl_protocols TLSv1.3;", apache: "SSLProtocol -all +TLSv1.3", failed: []string{certs.ItemTLS}},
		{name: "with TLS 1.1 only", nginx: "ssl_protocols TLSv1.1; ssl_ciphers ALL" + weak + ";", apache: "SSLProtocol -all +TLSv1.1\nSSLCipherSuite ALL" + weak,
			failed: []string{certs.ItemTLS}, h1: true, listen: " ssl", warned: []string{certs.ItemHTTP2}},
		{name: "with TLS 1.0 and 1.1 as well", nginx: "ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_ciphers ALL" + weak + ";", apache: "SSLProtocol -all +TLSv1 +TLSv1.1 +TLSv1.2 +TLSv1.3\nSSLCipherSuite ALL" + weak,
			warned: []string{certs.ItemOldTLS}},
		{name: "without forward secrecy", files: "RSA", nginx: "ssl_protocols TLSv1.2; ssl_ciphers AES128-GCM-SHA256:AES256-SHA;", apache: "SSLProtocol -all +TLSv1.2\nSSLCipherSuite AES128-GCM-SHA256:AES256-SHA",
			listen: " ssl", h1: true, failed: []string{certs.ItemSuites}, warned: []string{certs.ItemHTTP2}},
		{name: "with CBC only", files: "RSA", nginx: "ssl_protocols TLSv1.2; ssl_ciphers ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA;", apache: "SSLProtocol -all +TLSv1.2\nSSLCipherSuite ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA",
			listen: " ssl", h1: true, warned: []string{certs.ItemSuites, certs.ItemHTTP2}},
		{name: "without HTTP/2", listen: " ssl", h1: true, warned: []string{certs.ItemHTTP2}},
		{name: "with plain HTTP on the port", listen: " ", plain: true, failed: []string{certs.ItemTLS}},
		{name: "with a redirect of every path", nginx: "location /api { return 301 https://www.example.com$request_uri; }", apache: "Redirect 301 /api https://www.example.com/api",
			flags: []string{"--path", "/api"}, failed: []string{"post"}},
		{name: "with a redirect to the same path with a slash", nginx: "location = /api { return 301 /api/; }", apache: "RedirectMatch 301 ^/api$ /api/",
			flags: []string{"--path", "/api"}, failed: []string{"post"}},
		{name: "with a redirect that keeps the POST", nginx: "location = /api { return 308 /api/; }", apache: "RedirectMatch 308 ^/api$ /api/",
			flags: []string{"--path", "/api"}, warned: []string{"post"}},
		{name: "with errors in HTML", nginx: "location /gateway-wechat-check { return 404; }", apache: "RedirectMatch 404 ^/gateway-wechat-check", warned: []string{"errors"}},
		{name: "with a backend that is away", nginx: "location = /api { proxy_pass http://127.0.0.1:1; }", apache: "ProxyPass /api http://127.0.0.1:1/", flags: []string{"--path", "/api"}, warned: []string{"post"}},
		{name: "without WebSockets", noWS: true, failed: []string{"wss"}},
		{name: "with an AAAA record that leads nowhere", flags: []string{"--address", "::1"}, failed: []string{"reachable"}},
	}
}

func TestWeChatCheck_NamesEveryFaultOfNginxAndNoOther(t *testing.T) {
	t.Parallel()
	needPrograms(t, "nginx", "openssl")
	world := newPhoneWorld(t)
	for _, setup := range phoneSetups() {
		t.Run(setup.name, func(t *testing.T) {
			t.Parallel()
			setup.compare(t, world, world.startNginx(t, setup))
		})
	}
}

func TestWeChatCheck_NamesEveryFaultOfApacheAndNoOther(t *testing.T) {
	t.Parallel()
	needPrograms(t, "apache2", "openssl")
	world := newPhoneWorld(t)
	for _, setup := range phoneSetups() {
		t.Run(setup.name, func(t *testing.T) {
			t.Parallel()
			setup.compare(t, world, world.startApache(t, setup))
		})
	}
}

// compare runs the command against the server on a port.
func (s phoneSetup) compare(t *testing.T, world *phoneWorld, port int) {
	t.Helper()
	report, code := world.check(t, port, append([]string{"--ws", "/chat"}, s.flags...)...)
	failed, warned := phoneFaults(report)
	if !slices.Equal(failed, s.failed) || !slices.Equal(warned, s.warned) {
		t.Errorf("failed %q, want %q; warned %q, want %q", failed, s.failed, warned, s.warned)
	}
	if report.Ready != (len(s.failed) == 0) || (code == exitDone) != report.Ready {
		t.Errorf("ready %v, exit code %d", report.Ready, code)
	}
	for _, one := range report.Results {
		if (one.Verdict == certs.Failed || one.Verdict == certs.Warned) && (one.Seen == "" || len(one.Remedies) == 0 || slices.Contains(one.Remedies, "")) {
			t.Errorf("%s has no remedy: %+v", one.Item, one)
		}
	}
	if t.Failed() {
		t.Logf("%+v", report.Results)
	}
}

func phoneFaults(report wechat.Report) (failed, warned []string) {
	for _, one := range report.Results {
		switch one.Verdict {
		case certs.Failed:
			failed = append(failed, one.Item)
		case certs.Warned:
			warned = append(warned, one.Item)
		}
	}
	return failed, warned
}

// check runs the command as an admin does, before DNS is switched.
func (w *phoneWorld) check(t *testing.T, port int, flags ...string) (report wechat.Report, code int) {
	t.Helper()
	args := []string{"wechat", "check", fmt.Sprintf("%s:%d", phoneName, port), "--json", "--ca-file", w.root, "--address", "127.0.0.1"}
	code, stdout, stderr := gatewayCommand(append(args, flags...)...)
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	return report, code
}

func TestWeChatCheck_PassesEverythingOfGateway(t *testing.T) {
	t.Parallel()
	world, port := newPhoneWorld(t), freePort(t)
	more := fmt.Sprintf("[admin]\nsocket = %q\n", filepath.Join(shortDir(t), "s"))
	startGateway(t, builtGateway(t), oneSite(t, filepath.Dir(world.files(t, "good").certificate), port, "http://"+phoneBackend(t), more))
	proof := writeFile(t, t.TempDir(), "AbC.txt", `{"path":"/AbC.txt"}`)
	report, code := world.check(t, port, "--ws", "/chat")
	failed, warned := phoneFaults(report)
	if code != exitDone || len(failed)+len(warned) > 0 {
		t.Errorf("exit code %d, failed %q, warned %q: %+v", code, failed, warned, report.Results)
	}
	skipped := 0
	for _, one := range report.Results {
		if one.Verdict == certs.Skipped {
			skipped++
		}
	}
	if skipped != 2 || len(report.Results) != 22 { // DNS is not asked, and the roots are the test's own
		t.Errorf("%d of %d items were skipped: %+v", skipped, len(report.Results), report.Results)
	}
	if want := fmt.Sprintf("https://%s:%d", phoneName, port); report.Console.Request != want || report.Console.Socket != "wss://"+phoneName {
		t.Errorf("for the console: %+v", report.Console)
	}
	report, _ = world.check(t, port, "--verify-file", proof)
	if failed, _ := phoneFaults(report); !slices.Equal(failed, []string{"verify file"}) { // its status is 404
		t.Errorf("failed %q", failed)
	}
}

func TestWeChatCheck_PrintsListRemediesAndConsole(t *testing.T) {
	t.Parallel()
	needPrograms(t, "nginx")
	world := newPhoneWorld(t)
	port := world.startNginx(t, phoneSetup{files: "leaf only"})
	code, out, told := gatewayCommand("wechat", "check", fmt.Sprintf("https://%s:%d/", phoneName, port), "--ca-file", world.root, "--address", "127.0.0.1", "--address", "::1")
	if code != exitFailed || told != "" {
		t.Errorf("exit code %d, stderr %q", code, told)
	}
	rest := out
	for _, part := range []string{
		"  skipped  address      DNS is not asked: 127.0.0.1 (A), ::1 (AAAA)\n",
		fmt.Sprintf("127.0.0.1:%d\n  ok       reachable    connected in ", port),
		"  fail     chain        the intermediate certificate is missing: its issuer ", "           -> nginx: ssl_certificate names one file",
		"  skipped  wss          none opens at /: if there is one, name its path: --ws /PATH\n",
		fmt.Sprintf("[::1]:%d\n  fail     reachable    nothing listens there", port), "-> or take the AAAA record out of DNS",
		"\nA phone would fail: chain, reachable\n",
		fmt.Sprintf("  request       https://%s:%d\n  socket        wss://%s\n", phoneName, port, phoneName),
	} {
		_, after, found := strings.Cut(rest, part)
		if !found {
			t.Fatalf("%q is missing, or not in its place, in:\n%s", part, out)
		}
		rest = after
	}
}

func TestReadme_ShowsWhatWeChatCheckPrints(t *testing.T) {
	t.Parallel()
	needPrograms(t, "nginx")
	world := newPhoneWorld(t)
	port := fmt.Sprint(world.startNginx(t, phoneSetup{files: "leaf only", nginx: "ssl_protocols TLSv1.2 TLSv1.3; "}))
	here := strings.NewReplacer("7879", port, "203.0.113.5", "127.0.0.1")
	line := strings.Fields(here.Replace(readmeBlock(t, "wechat: check")))
	_, out, _ := gatewayCommand(append(line[1:], "--ca-file", world.root)...)
	rest, lines := out, 0
	for shown := range strings.Lines(here.Replace(readmeBlock(t, "wechat: checked"))) {
		_, after, found := strings.Cut(rest, shown)
		if !found {
			t.Fatalf("%q is missing, or not in its place, in:\n%s", shown, out)
		}
		rest, lines = after, lines+1
	}
	if lines < 15 {
		t.Errorf("only %d lines were compared", lines)
	}
}

func TestWeChatCheck_RefusesWrongCommandLines(t *testing.T) {
	empty := writeFile(t, t.TempDir(), "empty", "")
	for _, row := range []struct {
		args string
		want string
	}{
		{"", "needs a domain"},
		{"a.example.com b.example.com", "takes one name"},
		{"http://a.example.com/x", "https and wss only, not http: write a.example.com"},
		{"https://a.example.com:7879/api/x", "has a path: write a.example.com:7879 --path '/api/x'"},
		{"a.example.com:99999", "is no port"},
		{"a_b.example.com", "is no domain name"},
		{"a..example.com", "is no domain name"},
		{"a.example.com --path api", "--path: "},
		{"a.example.com --ws chat", "--ws: "},
		{"a.example.com --address b.example.com", "is no IP address"},
		{"a.example.com --ca-file " + empty, "holds no certificate in PEM form"},
		{"a.example.com --ca-file " + empty + "x", "no such file"},
		{"a.example.com --verify-file " + empty, "has 0 bytes"},
		{"a.example.com --port 7879", "unknown flag"},
	} {
		code, out, told := gatewayCommand(append([]string{"wechat", "check"}, strings.Fields(row.args)...)...)
		if code != exitUsage || out != "" || !strings.Contains(told, row.want) {
			t.Errorf("%q: exit code %d, printed %s%s", row.args, code, out, told)
		}
	}
}

// What is installed is judged by the same code that looks at what is served.
func TestCheck_TellsWhetherPhonesWouldAcceptEachCertificate(t *testing.T) {
	t.Parallel()
	world := newPhoneWorld(t)
	gateway := builtGateway(t)
	intermediate := writeFile(t, t.TempDir(), "trusted.pem", pemOf("CERTIFICATE", world.ca.cert.Raw)+pemOf("CERTIFICATE", world.lower.cert.Raw))
	for _, row := range []struct {
		files string
		roots string // that this machine trusts
		want  string
	}{
		{"good", world.root, "a phone would accept the certificate: complete as sent: 3 certificates up to the root Test Root, ECDSA P-256, ECDSA-SHA256, until "},
		{"unknown root", world.root, "a phone would refuse the certificate: trust\n"},
		{"other name", world.root, "a phone would refuse the certificate: name\n"},
		{"leaf only", world.root, "a phone would refuse the certificate: chain\n"},
		{"leaf only", intermediate, "a phone would refuse the certificate: chain\n"}, // phones do not trust what this machine was given
	} {
		configuration := oneSite(t, filepath.Dir(world.files(t, row.files).certificate), freePort(t), "http://127.0.0.1:1", "")
		path := writeFile(t, t.TempDir(), "config.toml", configuration)
		out, _ := readmeShell(t, gateway+" check -c "+path, "SSL_CERT_FILE="+row.roots)
		if !strings.Contains(out, path+": site api.example.com: "+row.want) {
			t.Errorf("%s: %s", row.files, out)
		}
	}
	local := strings.NewReplacer(`certificate = "files"`, `certificate = "local"`, "files = ", "# ").Replace(oneSite(t, "", freePort(t), "http://127.0.0.1:1", ""))
	out, err := readmeShell(t, gateway+" check -c "+writeFile(t, t.TempDir(), "config.toml", local))
	if err != nil || !strings.Contains(out, "trust: the certificate is made by the local CA, which phones do not know") {
		t.Errorf("local: %v, %s", err, out)
	}
}

// phoneListening waits until a server takes connections.
func phoneListening(t *testing.T, p *process, port int, log string) {
	t.Helper()
	eventually(t, fmt.Sprintf("a server on port %d", port), func() bool {
		select {
		case <-p.done:
			text, _ := os.ReadFile(log)
			t.Fatalf("ended: %s%s", p.text(), text)
		default:
		}
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}
