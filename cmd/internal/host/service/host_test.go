package service

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"gateway/cmd/internal/host/hosttest"
)

// serviceFile is gateway's file in the host.
const serviceFile = `[log]
access = "/var/log/gateway/access.log"

[[site]]
name = "api.example.com"
listen = [":443", ":7879"]
certificate = "files"
files = "/etc/gateway/ssl"
backend = "api"

[[backend]]
name = "api"
url = "http://127.0.0.1:7878"
command = ["./run.sh"]
dir = "/srv/api"
user = "api"
log = "/var/log/gateway/api.log"

[setup.service]
`

// serviceCertificate is a certificate and its key for the host, as a CA's zip has them.
func serviceCertificate(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	serviceMust(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "api.example.com"}, DNSNames: []string{"api.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	serviceMust(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	serviceMust(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func serviceMust(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// serviceHost boots a host with gateway's file, a certificate and a backend, and
// nothing else. The folders are closed, as an admin's umask of 077 leaves them.
func serviceHost(t *testing.T, file string, o hosttest.Options) *hosttest.Host {
	t.Helper()
	h := hosttest.Boot(t, o)
	h.PutGateway(t)
	serviceFiles(t, h, file)
	return h
}

// serviceFiles are what an admin has before there is a service.
func serviceFiles(t *testing.T, h *hosttest.Host, file string) {
	t.Helper()
	certificate, key := serviceCertificate(t)
	h.Write(t, "/etc/gateway/config.toml", file, 0o600)
	h.Write(t, "/etc/gateway/ssl/server.crt", certificate, 0o600)
	h.Write(t, "/etc/gateway/ssl/server.key", key, 0o600)
	h.Write(t, "/srv/api/run.sh", "#!/bin/sh\nexec python3 -m http.server 7878 --bind 127.0.0.1\n", 0o755)
	h.Script(t, `chmod 700 /etc/gateway /etc/gateway/ssl
useradd --create-home api
echo "hello from the backend" >/srv/api/index.html
chown -R api: /srv/api
chmod 750 /srv/api`)
}

func serviceApply(t *testing.T, h *hosttest.Host) string {
	t.Helper()
	r := h.Gateway(t, "setup", "apply", "service", "--yes")
	if r.Code != 0 {
		t.Fatalf("apply ended with %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// serviceAnswers asks from the client's machine, over HTTPS.
func serviceAnswers(t *testing.T, h *hosttest.Host) {
	t.Helper()
	for _, port := range []string{"443", "7879"} {
		r := h.Client(t, "curl", "-sSk", "--max-time", "15", "--retry", "5", "--retry-connrefused", "--retry-max-time", "20", "--retry-delay", "1", "https://"+hosttest.Address+":"+port+"/")
		if r.Stdout != "hello from the backend\n" {
			t.Errorf("port %s answers %+v\n%s", port, r, h.Try(t, "journalctl", "-u", "gateway", "--no-pager").Stdout)
		}
	}
}

// serviceLines are the commands of README.md that make the service.
func serviceLines(t *testing.T) []string {
	t.Helper()
	readme, err := os.ReadFile("../../../../README.md")
	serviceMust(t, err)
	found := regexp.MustCompile("(?s)<!-- host: service -->\n```sh\n(.*?)```").FindSubmatch(readme)
	if found == nil {
		t.Fatal("README.md has no commands for the service")
	}
	return strings.Split(strings.TrimSpace(string(found[1])), "\n")
}

// serviceIsTold asks `gateway host`, as root and as somebody else.
func serviceIsTold(t *testing.T, h *hosttest.Host) {
	t.Helper()
	out := h.Run(t, "gateway", "host")
	for _, want := range []string{"system:    Debian", hosttest.Address, "passwordauthentication ", "ufw is off", UnitName, "setup: nothing that the file declares is left to do\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if out := h.Run(t, "runuser", "-u", "api", "--", "gateway", "host"); !strings.Contains(out, "not known: sshd: only root sees it") || !strings.Contains(out, "not known: setup: only root sees it") {
		t.Errorf("somebody else is told\n%s", out)
	}
}

// serviceMain is the process that systemd knows as gateway.
func serviceMain(t *testing.T, h *hosttest.Host) string {
	t.Helper()
	return strings.TrimSpace(h.Run(t, "systemctl", "show", "--property=MainPID", "--value", UnitName))
}

// serviceReturns waits for a process of gateway that is another one than before,
// and has said that it is ready.
func serviceReturns(t *testing.T, h *hosttest.Host, before string) {
	t.Helper()
	h.Script(t, `for try in $(seq 200); do
		now=$(systemctl show --property=MainPID --value `+UnitName+`)
		[ "$now" != `+before+` ] && systemctl is-active --quiet `+UnitName+` && exit 0
		sleep 0.1
	done
	echo "systemd has not brought gateway back"; exit 1`)
}

// serviceBackend is the backend's process.
func serviceBackend(t *testing.T, h *hosttest.Host) string {
	t.Helper()
	return strings.TrimSpace(h.Run(t, "pgrep", "-u", "api", "-f", "http.server"))
}

func serviceStatus(t *testing.T, h *hosttest.Host, pid, field string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + field + `:\s*(.*)$`).FindStringSubmatch(h.Run(t, "cat", "/proc/"+pid+"/status"))
	if found == nil {
		t.Fatalf("process %s has no %s", pid, field)
	}
	return strings.Join(strings.Fields(found[1]), " ")
}

func TestHost_AFreshHostServesByOneCommandAndIsAsBeforeAfterUndo(t *testing.T) {
	t.Parallel()
	h := serviceHost(t, serviceFile, hosttest.Options{})
	before := h.Tree(t, serviceLively()...)
	for _, line := range serviceLines(t) {
		if r := h.Try(t, "/bin/sh", "-c", strings.Replace(line, " apply service", " apply service --yes", 1)); r.Code != 0 {
			t.Fatalf("%s ended with %d\n%s%s", line, r.Code, r.Stdout, r.Stderr)
		}
	}
	serviceAnswers(t, h)
	serviceHasItsRights(t, h)
	serviceIsTold(t, h)
	after := h.Tree(t, serviceLively()...)
	if out := serviceApply(t, h); !strings.Contains(out, "There is nothing to do.") || after.Diff(h.Tree(t, serviceLively()...)) != "" {
		t.Errorf("a second time:\n%s%s", out, after.Diff(h.Tree(t, serviceLively()...)))
	}
	serviceSurvives(t, h)
	h.Reboot(t)
	serviceAnswers(t, h)
	r := h.Gateway(t, "setup", "undo", "--yes")
	if r.Code != 0 {
		t.Fatalf("undo ended with %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if diff := before.Diff(h.Tree(t, serviceLively()...)); diff != "" {
		t.Errorf("undo has left this:\n%s", diff)
	}
	if h.Port(t, hosttest.Address, 443) != "closed" || h.Try(t, "pgrep", "-u", "api").Code == 0 {
		t.Error("gateway or its backend still runs")
	}
	if strange := h.Run(t, "find", "/var/lib/gateway", "/var/log/gateway", "!", "-uid", "0"); strange != "" {
		t.Errorf("this belongs to an account that is gone: %s", strange)
	}
}

// serviceLively is what changes without gateway: the tools of shadow write their
// files anew, with what was in them.
func serviceLively() []string {
	return []string{"/etc/passwd", "/etc/passwd-", "/etc/shadow", "/etc/shadow-", "/etc/group", "/etc/group-", "/etc/gshadow", "/etc/gshadow-", "/etc/subuid", "/etc/subuid-", "/etc/subgid", "/etc/subgid-", "/var/lib/gateway", "/var/lib/private", "/var/lib/systemd"}
}

// serviceHasItsRights looks whom gateway and its backend run as, and what they may.
func serviceHasItsRights(t *testing.T, h *hosttest.Host) {
	t.Helper()
	number := strings.TrimSpace(h.Run(t, "id", "-u", "gateway"))
	if got := serviceStatus(t, h, serviceMain(t, h), "Uid"); !strings.HasPrefix(got, number+" ") {
		t.Errorf("gateway runs as %s, and its account is %s", got, number)
	}
	backend, api := serviceBackend(t, h), strings.TrimSpace(h.Run(t, "id", "-u", "api"))
	if got := serviceStatus(t, h, backend, "Uid"); !strings.HasPrefix(got, api+" ") {
		t.Errorf("the backend runs as %s, and its account is %s", got, api)
	}
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		if got := serviceStatus(t, h, backend, set); strings.Trim(got, "0") != "" {
			t.Errorf("the backend has the capabilities %s = %s", set, got)
		}
	}
	if got := h.Run(t, "stat", "-c", "%a %U:%G", "/var/lib/gateway", "/var/lib/gateway/setup", "/etc/gateway/ssl/server.key", "/etc/gateway/config.toml"); got != "1770 root:gateway\n700 root:root\n640 root:gateway\n640 root:gateway\n" {
		t.Errorf("modes and owners are\n%s", got)
	}
	if r := h.Try(t, "runuser", "-u", "gateway", "--", "mv", "/var/lib/gateway/setup", "/var/lib/gateway/moved"); r.Code == 0 {
		t.Error("gateway's account can put its own journals in the place of root's")
	}
	out := h.Run(t, "systemd-analyze", "security", "--no-pager", UnitName)
	found := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(out)
	if found == nil || found[1] >= "3.0" || len(found[1]) > 3 {
		t.Errorf("systemd-analyze rates the unit %v", found)
	}
	t.Log(found)
}

// serviceSurvives kills, reloads, stops and starts.
func serviceSurvives(t *testing.T, h *hosttest.Host) {
	t.Helper()
	gateway, backend := serviceMain(t, h), serviceBackend(t, h)
	h.Run(t, "kill", "-9", gateway)
	serviceReturns(t, h, gateway) // what connects to a process that is being killed is reset
	serviceAnswers(t, h)
	if now := serviceMain(t, h); now == gateway || now == "0" {
		t.Errorf("gateway was process %s and is %s", gateway, now)
	}
	if now := serviceBackend(t, h); now != backend {
		t.Errorf("the backend was process %s and is %s", backend, now)
	}
	if out := h.Run(t, "gateway", "backend", "status", "api"); !strings.Contains(out, "up") {
		t.Errorf("the backend was not taken over: %s", out)
	}
	h.Run(t, "systemctl", "reload", UnitName)
	gateway = serviceMain(t, h)
	if r := h.Gateway(t, "upgrade"); r.Code != 0 {
		t.Errorf("upgrade ended with %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	serviceAnswers(t, h)
	if now := serviceMain(t, h); now == gateway || serviceBackend(t, h) != backend {
		t.Errorf("after an upgrade gateway is still %s, or the backend is not %s any more", now, backend)
	}
	h.Run(t, "gateway", "backend", "restart", "api") // which takes the capabilities that the heir was lent
	serviceAnswers(t, h)
	h.Run(t, "systemctl", "stop", UnitName)
	if r := h.Try(t, "pgrep", "-u", "api"); r.Code == 0 {
		t.Errorf("stop has left the backend alive: %s\n%s", r.Stdout, h.Try(t, "journalctl", "-u", "gateway", "--no-pager", "--lines", "40").Stdout)
	}
	h.Run(t, "systemctl", "start", UnitName)
	serviceAnswers(t, h)
}

func TestHost_TakesOverFromApacheOnlyIfTheCheckPassesAndGivesItBack(t *testing.T) {
	t.Parallel()
	h := serviceHost(t, strings.Replace(serviceFile, "[setup.service]", "[setup.service]\napache = \"keep\"", 1), hosttest.Options{Packages: []string{"apache2"}})
	h.Script(t, "sed -i 's/^Listen 80$/Listen 443/' /etc/apache2/ports.conf; systemctl enable --quiet apache2; systemctl restart apache2")
	before := h.Tree(t, serviceLively()...)
	apache := func() string {
		return h.Try(t, "systemctl", "is-active", "apache2").Stdout + h.Try(t, "systemctl", "is-enabled", "apache2").Stdout
	}
	refused := func(says, file string) {
		t.Helper()
		h.Write(t, "/etc/gateway/config.toml", file, 0o600)
		r := h.Gateway(t, "setup", "apply", "service", "--yes")
		if r.Code != 1 || !strings.Contains(r.Stdout+r.Stderr, says) || apache() != "active\nenabled\n" {
			t.Errorf("it ended with %d, Apache is %q\n%s%s", r.Code, apache(), r.Stdout, r.Stderr)
		}
		h.Write(t, "/etc/gateway/config.toml", serviceFile, 0o600)
		h.Script(t, "touch -r /etc/hostname /etc/gateway/config.toml")
	}
	refused(`write apache = "stop" in [setup.service]`, serviceFile)
	stops := serviceFile + "apache = \"stop\"\n"
	refused("/srv/other does not exist", strings.Replace(stops, "/srv/api", "/srv/other", 1))
	refused("/etc/gateway/nothing", strings.Replace(stops, "/etc/gateway/ssl", "/etc/gateway/nothing", 1))

	h.Write(t, "/etc/gateway/config.toml", stops, 0o600)
	serviceApply(t, h)
	serviceAnswers(t, h)
	if got := apache(); got != "inactive\ndisabled\n" {
		t.Errorf("Apache is %q", got)
	}
	if r := h.Gateway(t, "setup", "undo", "--yes"); r.Code != 0 {
		t.Fatalf("undo ended with %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if got := apache(); got != "active\nenabled\n" {
		t.Errorf("after undo Apache is %q", got)
	}
	ignored := append(serviceLively(), "/etc/gateway/config.toml")
	if diff := before.Diff(h.Tree(t, ignored...)); strings.Count(diff, "\n") != 1 {
		t.Errorf("undo has left this:\n%s", diff)
	}
}

func TestHost_ShowsWhyGatewayDidNotStartAndTakesAllBack(t *testing.T) {
	t.Parallel()
	h := serviceHost(t, serviceFile, hosttest.Options{})
	before := h.Tree(t, serviceLively()...)
	// What the check can't foresee: something has the socket's folder when it starts.
	h.Script(t, `mkdir -p /etc/systemd/system/gateway.service.d
printf '[Service]\nExecStartPre=/bin/sh -c "echo the start was spoilt; exit 3"\n' >/etc/systemd/system/gateway.service.d/spoil.conf`)
	r := h.Gateway(t, "setup", "apply", "service", "--yes")
	if r.Code != 1 || !strings.Contains(r.Stderr, "the start was spoilt") || !strings.Contains(r.Stderr, "everything that was done was taken back") {
		t.Errorf("it ended with %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	h.Script(t, "rm -r /etc/systemd/system/gateway.service.d; systemctl daemon-reload")
	if diff := before.Diff(h.Tree(t, serviceLively()...)); diff != "" {
		t.Errorf("it has left this:\n%s", diff)
	}
	if r := h.Try(t, "id", "gateway"); r.Code == 0 {
		t.Error("the account is still there")
	}
}

func TestHost_CopiesAProgramOfAHomeAndGivesABackendOfRootAllItsRights(t *testing.T) {
	t.Parallel()
	h := serviceHost(t, strings.Replace(serviceFile, `user = "api"`, `user = "root"`, 1), hosttest.Options{})
	h.Script(t, "mv "+hosttest.GatewayPath+" /root/gateway; chmod 755 /srv/api")
	if r := h.Try(t, "/root/gateway", "setup", "apply", "service", "--yes"); r.Code != 0 || !strings.Contains(r.Stdout, "copy /root/gateway to /usr/local/bin/gateway") || !strings.Contains(r.Stdout, "a backend runs as root") {
		t.Fatalf("apply ended with %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	serviceAnswers(t, h)
	backend := strings.TrimSpace(h.Run(t, "pgrep", "-f", "http.server"))
	if got, all := serviceStatus(t, h, backend, "CapEff"), serviceStatus(t, h, "1", "CapBnd"); got != all {
		t.Errorf("the backend of root has the capabilities %s, and root has %s", got, all)
	}
	if got := serviceStatus(t, h, backend, "NoNewPrivs"); got != "0" {
		t.Errorf("what the backend starts can have no new rights: %s", got)
	}
	if r := h.Try(t, "/root/gateway", "setup", "undo", "--yes"); r.Code != 0 {
		t.Errorf("undo ended with %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if h.Try(t, "ls", hosttest.GatewayPath).Code == 0 || h.Try(t, "pgrep", "-f", "http.server").Code == 0 {
		t.Error("the copy, or the backend, is still there")
	}
}
