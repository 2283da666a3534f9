package service

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"gateway/cmd/internal/host/hosttest"
)

// packageSource is the folder of the sources.
const packageSource = "../../../.."

// packageBuild makes the package of a version as `make deb` does, for this
// machine, and returns its path.
func packageBuild(t *testing.T, version string) string {
	t.Helper()
	folder := t.TempDir()
	cmd := exec.Command(packageSource+"/.ci/package", "deb", folder)
	cmd.Env = append(os.Environ(), "VERSION="+version, "ARCHITECTURES="+runtime.GOARCH, "SOURCE_DATE_EPOCH=1700000000", "PGO=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the package: %v\n%s", err, out)
	}
	return filepath.Join(folder, "gateway_"+strings.TrimPrefix(version, "v")+"_"+runtime.GOARCH+".deb")
}

// packageInstall has dpkg install a package that lies in the host, and returns
// what it said.
func packageInstall(t *testing.T, h *hosttest.Host, version string) string {
	t.Helper()
	return h.Script(t, "dpkg --install /root/"+version+".deb 2>&1")
}

// packageUnit is how systemd has the service: active or not, enabled or not, and
// the file of the unit in effect.
func packageUnit(t *testing.T, h *hosttest.Host) string {
	t.Helper()
	return strings.Join(strings.Fields(h.Run(t, "systemctl", "show", "--property=ActiveState,UnitFileState,FragmentPath", "--value", UnitName)), " ")
}

func packageSays(t *testing.T, said string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing in\n%s", want, said)
		}
	}
}

// packageLoad asks for something every few milliseconds while do runs, over a new
// connection each time, and returns how often, and what did not succeed.
func packageLoad(t *testing.T, h *hosttest.Host, do func()) (asked int, failed string) {
	t.Helper()
	const clients = `for client in 1 2; do
	while [ ! -e /run/load.end ]; do
		curl -sSk --max-time 20 -o /dev/null -w '%{http_code}\n' https://` + hosttest.Address + `/ 2>&1
		echo >>/run/load.$client
	done &
done
wait`
	h.Script(t, "rm -f /run/load.*")
	cmd := h.Command("/bin/sh", "-c", clients)
	var said strings.Builder
	cmd.Stdout = &said
	serviceMust(t, cmd.Start())
	h.Await(t, "/run/load.1")
	do()
	h.Script(t, "touch /run/load.end")
	serviceMust(t, cmd.Wait())
	for line := range strings.Lines(said.String()) {
		asked++
		if strings.TrimSpace(line) != "200" {
			failed += line
		}
	}
	return asked, failed
}

func TestHost_ThePackageComesStaysAndGoesWithoutDroppingAnything(t *testing.T) {
	t.Parallel()
	h := hosttest.Boot(t, hosttest.Options{})
	for _, version := range []string{"v1.0.0", "v1.1.0"} {
		h.Put(t, packageBuild(t, version), "/root/"+version+".deb", 0o600)
	}
	packageStartsNothingAtFirst(t, h)
	packageGivesWayToSetup(t, h)
	packageUpgrades(t, h)
	packageStaysWithWhatServes(t, h)
	packageIsRemovedAndComesBack(t, h)
	packageIsPurged(t, h)
	packageServesAFileThatWasThere(t, h)
}

// packageStartsNothingAtFirst installs it where there is nothing of gateway.
func packageStartsNothingAtFirst(t *testing.T, h *hosttest.Host) {
	t.Helper()
	packageSays(t, packageInstall(t, h, "v1.0.0"), "Write /etc/gateway/config.toml, and see what `gateway check` says", "`gateway setup apply service`")
	if got := packageUnit(t, h); got != "inactive /lib/systemd/system/gateway.service disabled" && got != "inactive disabled /usr/lib/systemd/system/gateway.service" {
		t.Errorf("the service is %s", got)
	}
	h.Run(t, "cmp", "/etc/gateway/config.toml", "/usr/share/gateway/config.example.toml")
	if out := h.Run(t, "gateway", "version"); !strings.HasPrefix(out, "gateway v1.0.0 ") {
		t.Errorf("the program is %s", out)
	}
	modes := h.Run(t, "stat", "-c", "%a %U:%G %n", "/etc/gateway", "/etc/gateway/config.toml", "/var/lib/gateway", "/var/log/gateway", "/usr/bin/gateway", "/usr/lib/systemd/system/gateway.service")
	if want := `2750 root:gateway /etc/gateway
640 root:gateway /etc/gateway/config.toml
1770 root:gateway /var/lib/gateway
750 gateway:gateway /var/log/gateway
755 root:root /usr/bin/gateway
644 root:root /usr/lib/systemd/system/gateway.service
`; modes != want {
		t.Errorf("modes and owners are\n%s", modes)
	}
	if out := h.Script(t, "systemd-analyze verify --man=no "+UnitName+" 2>&1; dpkg --audit; dpkg --verify gateway | grep -Ev '/usr/share/(doc|man)/' || true"); out != "" {
		t.Errorf("something is said of the unit or of the package:\n%s", out)
	}
}

// packageGivesWayToSetup applies the step and takes it back.
func packageGivesWayToSetup(t *testing.T, h *hosttest.Host) {
	t.Helper()
	serviceFiles(t, h, serviceFile)
	h.Run(t, "gateway", "setup", "apply", "service", "--yes")
	serviceAnswers(t, h)
	if got := packageUnit(t, h); got != "active "+unitFile+" enabled" && got != "active enabled "+unitFile {
		t.Errorf("after apply the service is %s", got)
	}
	h.Run(t, "gateway", "setup", "undo", "--yes")
	if got := packageUnit(t, h); !strings.HasPrefix(got, "inactive ") || !strings.Contains(got, "/lib/systemd/system/") || !strings.Contains(got, "disabled") {
		t.Errorf("after undo the service is %s", got)
	}
}

// packageUpgrades installs the next version while clients ask.
func packageUpgrades(t *testing.T, h *hosttest.Host) {
	t.Helper()
	h.Script(t, `chgrp -R gateway /etc/gateway; chmod -R g+rX /etc/gateway; chmod 755 /srv/api
systemctl enable --quiet --now gateway
sha256sum /etc/gateway/config.toml >/root/before`)
	serviceAnswers(t, h)
	gateway, backend := serviceMain(t, h), serviceBackend(t, h)
	asked, failed := packageLoad(t, h, func() {
		packageSays(t, packageInstall(t, h, "v1.1.0"), "version v1.1.0 serves now")
	})
	if asked < 20 || failed != "" {
		t.Errorf("of %d requests these have failed:\n%s", asked, failed)
	}
	t.Logf("requests during the upgrade: %d, failed: %d", asked, strings.Count(failed, "\n"))
	if now := serviceMain(t, h); now == gateway || serviceBackend(t, h) != backend {
		t.Errorf("gateway is process %s, and was %s; the backend is %s, and was %s", now, gateway, serviceBackend(t, h), backend)
	}
	h.Run(t, "sha256sum", "--check", "--quiet", "/root/before")
}

// packageStaysWithWhatServes installs a version that can't serve the file.
func packageStaysWithWhatServes(t *testing.T, h *hosttest.Host) {
	t.Helper()
	gateway := serviceMain(t, h)
	h.Script(t, "cp -p /etc/gateway/config.toml /root/good; echo nonsense = 1 >>/etc/gateway/config.toml")
	packageSays(t, packageInstall(t, h, "v1.0.0"), "nonsense", "the version that ran before goes on serving. When that is put right: gateway upgrade")
	serviceAnswers(t, h)
	if now := serviceMain(t, h); now != gateway {
		t.Errorf("gateway was process %s and is %s", gateway, now)
	}
	h.Script(t, "cp -p /root/good /etc/gateway/config.toml; gateway upgrade")
}

// packageIsRemovedAndComesBack removes it while the unit of setup is in effect.
func packageIsRemovedAndComesBack(t *testing.T, h *hosttest.Host) {
	t.Helper()
	h.Run(t, "gateway", "setup", "apply", "service", "--yes")
	serviceAnswers(t, h)
	packageSays(t, h.Script(t, "dpkg --remove gateway 2>&1"), "what `gateway setup` has done to this host stays")
	if left := h.Try(t, "pgrep", "-u", "api,gateway"); left.Stdout != "" || h.Port(t, hosttest.Address, 443) != "closed" {
		t.Errorf("after the removal there are still processes: %s", left.Stdout)
	}
	h.Run(t, "cmp", "/root/good", "/etc/gateway/config.toml")
	if r := h.Try(t, "systemctl", "start", UnitName); r.Code == 0 || strings.TrimSpace(h.Run(t, "systemctl", "show", "--property=NRestarts", "--value", UnitName)) != "0" {
		t.Errorf("systemd goes on to start what is not there: %+v", r)
	}
	packageInstall(t, h, "v1.1.0")
	serviceAnswers(t, h)
	h.Run(t, "cmp", "/root/good", "/etc/gateway/config.toml")
	h.Run(t, "gateway", "setup", "undo", "--all", "--yes")
}

// packageIsPurged looks what stays.
func packageIsPurged(t *testing.T, h *hosttest.Host) {
	t.Helper()
	h.Script(t, "systemctl start gateway; install -d -o gateway /var/lib/gateway/acme; touch /var/lib/gateway/acme/account.key")
	serviceAnswers(t, h)
	packageSays(t, h.Script(t, "dpkg --purge gateway 2>&1"), "/var/lib/gateway stays: ", "/etc/gateway stays: ssl")
	for path, there := range map[string]bool{
		"/var/lib/gateway/acme/account.key": true, "/etc/gateway/ssl/server.key": true,
		"/var/lib/gateway/incidents.json": false, "/var/lib/gateway/backends": false, "/var/log/gateway": false, "/var/lib/gateway-package": false,
		"/etc/gateway/config.toml": false, "/usr/share/gateway": false, "/etc/systemd/system/multi-user.target.wants/gateway.service": false,
	} {
		if found := h.Try(t, "test", "-e", path).Code == 0; found != there {
			t.Errorf("after the purge %s is there: %s", path, strconv.FormatBool(found))
		}
	}
	if left := h.Try(t, "pgrep", "-u", "api,gateway"); left.Stdout != "" {
		t.Errorf("after the purge there are still processes: %s", left.Stdout)
	}
}

// packageServesAFileThatWasThere installs it where an admin has written the file.
func packageServesAFileThatWasThere(t *testing.T, h *hosttest.Host) {
	t.Helper()
	h.Script(t, "cp /root/good /etc/gateway/config.toml; chgrp gateway /etc/gateway/config.toml; chmod 640 /etc/gateway/config.toml")
	packageSays(t, packageInstall(t, h, "v1.1.0"), "it serves what /etc/gateway/config.toml says")
	serviceAnswers(t, h)
	packageSays(t, h.Script(t, "dpkg --purge gateway 2>&1"), "/etc/gateway stays: ")
	h.Run(t, "cmp", "/root/good", "/etc/gateway/config.toml")
}
