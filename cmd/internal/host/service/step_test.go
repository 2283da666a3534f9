package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gateway/cmd/internal/host"
)

// serviceWorld is a machine in a folder, on which no program does anything.
type serviceWorld struct {
	host.Machine
	holders map[string]host.Listener
	active  bool
}

func newServiceWorld(t *testing.T) *serviceWorld {
	t.Helper()
	w := &serviceWorld{holders: map[string]host.Listener{}}
	w.Machine = host.Machine{Root: t.TempDir(), OS: "linux", Run: func(_ context.Context, c host.Command) (host.Result, error) {
		answer := map[bool]map[string]string{true: {"is-active": "active", "is-enabled": "enabled"}}[w.active][c.Argv[1]]
		return host.Result{Stdout: []byte(answer + "\n")}, nil
	}}
	w.write(t, "/etc/passwd", "root:x:0:0::/root:/bin/sh\napi:x:1000:1000::/home/api:/bin/sh\nold:x:999:999::/:/bin/false\n", 0o644)
	w.write(t, "/etc/group", "root:x:0:\napi:x:1000:\nold:x:999:\n", 0o644)
	w.write(t, "/etc/gateway/config.toml", "", 0o600)
	w.write(t, "/usr/local/bin/gateway", "program", 0o755)
	w.write(t, "/run/systemd/system/x", "", 0o644)
	w.write(t, "/var/log/syslog", "", 0o644)
	return w
}

func (w *serviceWorld) write(t *testing.T, path, text string, perm os.FileMode) {
	t.Helper()
	serviceMust(t, os.MkdirAll(filepath.Dir(w.Path(path)), 0o755))
	serviceMust(t, os.WriteFile(w.Path(path), []byte(text), perm))
	serviceMust(t, os.Chmod(w.Path(path), perm))
}

func (w *serviceWorld) around() Around {
	return Around{
		Program: "/usr/local/bin/gateway", File: "/etc/gateway/config.toml", State: "/var/lib/gateway", Socket: "/run/gateway/gateway.sock",
		Listen: []Address{{"tcp", ":443"}}, Backends: []Backend{{User: "api", Dir: "/srv/api"}}, StopsWithin: time.Minute,
		Holder: func(_ context.Context, _, address string) (host.Listener, error) {
			if l, found := w.holders[address]; found {
				return l, nil
			}
			return host.Listener{}, fmt.Errorf("%s: %w", address, host.ErrNoHolder)
		},
	}
}

func (w *serviceWorld) plan(t *testing.T, c Config, change func(*Around)) host.Plan {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of root's")
	}
	around := w.around()
	if change != nil {
		change(&around)
	}
	p, err := New(c, around).Plan(t.Context(), w.Machine)
	serviceMust(t, err)
	return p
}

// serviceWhats are what a plan would do, and why it would not.
func serviceWhats(p host.Plan) string {
	var lines []string
	for _, c := range p.Changes {
		lines = append(lines, c.What)
	}
	for _, r := range p.Refusals {
		lines = append(lines, "refused: "+r.What+": "+r.Instead)
	}
	return strings.Join(append(lines, p.Notes...), "\n")
}

func TestPlan_TakesTheNextFreeNumberOfTheSystem(t *testing.T) {
	got := serviceWhats(newServiceWorld(t).plan(t, Default(), nil))
	if !strings.Contains(got, "add the account gateway (number 998) for the service\n") {
		t.Errorf("planned\n%s", got)
	}
}

func TestPlan_StopsNobodyButAnApacheThatItWasToldToStop(t *testing.T) {
	apache := host.Listener{Address: "[::]:443", PID: 812, User: "root", Command: "/usr/sbin/apache2 -k start", Unit: "apache2.service"}
	for _, c := range []struct {
		holder host.Listener
		apache string
		want   string
	}{
		{apache, KeepApache, `refused: :443 is in use by pid 812 (user root): /usr/sbin/apache2 -k start: write apache = "stop"`},
		{apache, StopApache, "stop and disable apache2.service\nstart gateway, now and at boot"},
		{host.Listener{PID: 7, Command: "/usr/sbin/httpd -DFOREGROUND", Unit: "httpd.service"}, StopApache, "stop and disable httpd.service\n"},
		{host.Listener{PID: 7, Command: "/opt/httpd/bin/httpd"}, StopApache, "refused: :443 is in use by pid 7: /opt/httpd/bin/httpd: stop it: kill 7"},
		{host.Listener{PID: 7, Command: "nginx: master", Unit: "nginx.service"}, StopApache, "refused: :443 is in use by pid 7: nginx: master: stop it: systemctl stop nginx.service"},
		{host.Listener{PID: 7, Command: "gateway run", Unit: UnitName}, KeepApache, "start gateway, now and at boot"},
	} {
		w := newServiceWorld(t)
		w.holders[":443"] = c.holder
		got := serviceWhats(w.plan(t, Config{User: "gateway", Apache: c.apache}, nil))
		if !strings.Contains(got, c.want) {
			t.Errorf("%v, %s: planned\n%s", c.holder, c.apache, got)
		}
	}
}

func TestPlan_ChecksTheFileBeforeAnythingIsStopped(t *testing.T) {
	w := newServiceWorld(t)
	w.holders[":443"] = host.Listener{PID: 1, Unit: "apache2.service"}
	p := w.plan(t, Config{User: "gateway", Apache: StopApache}, nil)
	at := func(start string) int {
		return slices.IndexFunc(p.Changes, func(c host.Change) bool { return strings.HasPrefix(c.What, start) })
	}
	if at("let gateway check") < 0 || at("let gateway check") > at("stop and disable") || at("stop and disable") > at("start gateway") {
		t.Errorf("the order is\n%s", serviceWhats(p))
	}
}

func TestPlan_OpensToGatewayWhatIsItsOwnAndRefusesTheRest(t *testing.T) {
	w := newServiceWorld(t)
	w.write(t, "/etc/gateway/ssl/a.key", "", 0o600)
	w.write(t, "/etc/letsencrypt/live/a.key", "", 0o600)
	w.write(t, "/srv/open.pem", "", 0o644)
	serviceMust(t, os.Chmod(w.Path("/etc/letsencrypt/live"), 0o700))
	got := serviceWhats(w.plan(t, Default(), func(a *Around) {
		a.Reads = []string{"/etc/gateway/ssl", "/etc/letsencrypt/live/a.key", "/srv/open.pem", "/not/there"}
	}))
	for _, want := range []string{
		"let gateway read /etc/gateway/config.toml, /etc/gateway/ssl/a.key\n",
		"refused: /etc/letsencrypt/live (mode 0700) is closed to the account gateway: move what the file names to /etc/gateway, or open it: chgrp gateway /etc/letsencrypt/live && chmod g+x /etc/letsencrypt/live",
		"refused: /etc/letsencrypt/live/a.key (mode 0600) is closed",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, "open.pem") || strings.Contains(got, "/not/there") {
		t.Errorf("planned\n%s", got)
	}
}

func TestPlan_RefusesToWriteLogsIntoFoldersOfOthers(t *testing.T) {
	got := serviceWhats(newServiceWorld(t).plan(t, Default(), func(a *Around) { a.Logs = []string{"/var/log/gateway.log"} }))
	if !strings.Contains(got, "refused: the account gateway can't write to /var/log, which shall hold logs: write a folder of gateway's own, such as /var/log/gateway") {
		t.Errorf("planned\n%s", got)
	}
}

func TestPlan_CopiesAProgramThatOthersCouldReplace(t *testing.T) {
	for path, copied := range map[string]bool{"/usr/local/bin/gateway": false, "/opt/gateway/bin/gateway": false, "/root/gateway": true, "/usr/others/gateway": true} {
		w := newServiceWorld(t)
		w.write(t, path, "another version", 0o755)
		if path == "/usr/others/gateway" {
			serviceMust(t, os.Chown(filepath.Dir(w.Path(path)), 1000, 1000))
		}
		got := serviceWhats(w.plan(t, Default(), func(a *Around) { a.Program = path }))
		if strings.Contains(got, "copy "+path+" to /usr/local/bin/gateway") != copied {
			t.Errorf("%s: planned\n%s", path, got)
		}
	}
}

func TestPlan_HasNothingToDoWhereAllIsDone(t *testing.T) {
	w := newServiceWorld(t)
	w.write(t, "/etc/passwd", "gateway:x:998:998::/:/bin/false\napi:x:1000:1000::/home/api:/bin/sh\n", 0o644)
	w.write(t, "/etc/group", "gateway:x:998:\napi:x:1000:\n", 0o644)
	w.write(t, "/var/lib/gateway/setup/0001.journal", "", 0o600)
	serviceMust(t, os.Chown(w.Path("/var/lib/gateway"), 0, 998))
	serviceMust(t, syscall.Chmod(w.Path("/var/lib/gateway"), 0o1770))
	serviceMust(t, os.Chown(w.Path("/etc/gateway/config.toml"), 0, 998))
	serviceMust(t, os.Chmod(w.Path("/etc/gateway/config.toml"), 0o640))
	first := w.plan(t, Default(), nil)
	if got := serviceWhats(first); !strings.HasPrefix(got, "write /etc/systemd/system/gateway.service\n") {
		t.Fatalf("planned\n%s", got)
	}
	for _, act := range first.Changes[0].Acts {
		if file, is := act.(host.File); is {
			w.write(t, file.Path, string(file.Data), 0o644)
		}
	}
	w.active = true
	if got := serviceWhats(w.plan(t, Default(), nil)); got != "" {
		t.Errorf("planned\n%s", got)
	}
	w.write(t, "/var/lib/gateway/incidents.json", "", 0o600)
	got := w.plan(t, Default(), nil)
	if !strings.HasPrefix(serviceWhats(got), "give what gateway keeps in /var/lib/gateway to the account gateway\n") {
		t.Errorf("planned\n%s", serviceWhats(got))
	}
}

func TestPlan_RefusesWhereSystemdIsNot(t *testing.T) {
	w := newServiceWorld(t)
	serviceMust(t, os.RemoveAll(w.Path("/run/systemd")))
	if got := serviceWhats(w.plan(t, Default(), nil)); !strings.HasPrefix(got, "refused: systemd does not run this host") {
		t.Errorf("planned\n%s", got)
	}
}

func TestPlan_OnMacOSIsADaemonOfLaunchd(t *testing.T) {
	w := newServiceWorld(t)
	w.OS = "darwin"
	p := w.plan(t, Default(), func(a *Around) { a.File = "/etc/gateway/a&b.toml" })
	if len(p.Changes) != 1 || !strings.Contains(p.Changes[0].Diff, "<string>/etc/gateway/a&amp;b.toml</string>") || !strings.Contains(p.Changes[0].Diff, "<integer>75</integer>") {
		t.Fatalf("planned %+v", p)
	}
	for _, act := range p.Changes[0].Acts {
		if file, is := act.(host.File); is {
			w.write(t, file.Path, string(file.Data), 0o644)
		}
	}
	if p := w.plan(t, Default(), func(a *Around) { a.File = "/etc/gateway/a&b.toml" }); len(p.Changes) > 0 {
		t.Errorf("a second time: %+v", p)
	}
}

func TestPlan_FailsWhereAPortCannotBeLookedAt(t *testing.T) {
	w := newServiceWorld(t)
	around := w.around()
	around.Holder = func(context.Context, string, string) (host.Listener, error) {
		return host.Listener{}, errors.New("no sight")
	}
	if _, err := New(Default(), around).Plan(t.Context(), w.Machine); err == nil {
		t.Error("a port that can't be looked at was taken for free")
	}
}
