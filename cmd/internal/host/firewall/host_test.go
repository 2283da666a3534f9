package firewall

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"gateway/cmd/internal/host/hosttest"
)

const fwConfig = `
[[site]]
name = "api.example.com"
listen = [":443", ":7879", "127.0.0.1:9000"]
certificate = "local"
backend = "api"
[[backend]]
name = "api"
url = "http://localhost:7878"
[setup.firewall]
allow = ["8080"]
`

// fwBoot starts a host with an admin, the file of gateway, and somebody who
// listens on ports 443 and 8000.
func fwBoot(t *testing.T) (*hosttest.Host, hosttest.Key) {
	t.Helper()
	h := hosttest.Boot(t, hosttest.Options{Seed: `echo 'boss ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/boss
for port in 443 8000; do systemd-run --quiet --collect python3 -m http.server --bind :: $port; done`})
	key := hosttest.NewKey(t)
	h.AddUser(t, "boss", key, "sudo")
	h.Run(t, "sudo", "-u", "boss", "sudo", "true") // leaves a file in his home, the first time
	h.Write(t, "/etc/gateway/config.toml", fwConfig, 0o644)
	h.PutGateway(t)
	for _, port := range []string{"443", "8000"} {
		h.Run(t, "timeout", "30", "sh", "-c", `until ss -Hltn "sport = :$1" | grep -q .; do sleep 0.05; done`, "listen", port)
	}
	return h, key
}

// fwDo runs gateway setup as root and ends the test unless it succeeds.
func fwDo(t *testing.T, h *hosttest.Host, args ...string) string {
	t.Helper()
	r := h.Gateway(t, append([]string{"setup"}, args...)...)
	if r.Code != 0 {
		t.Fatalf("gateway setup %s ended with %d\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// fwPorts looks at ports from outside, over both families, at all of them at
// once: a closed one answers after seconds only.
func fwPorts(t *testing.T, h *hosttest.Host, want map[int]string) {
	t.Helper()
	var looks sync.WaitGroup
	for port, state := range want {
		for _, address := range []string{hosttest.Address, hosttest.Address6} {
			looks.Go(func() {
				if got := h.Port(t, address, port); got != state {
					t.Errorf("%s: port %d is %s, want %s", address, port, got, state)
				}
			})
		}
	}
	looks.Wait()
}

// fwTree is everything that undo must bring back.
func fwTree(t *testing.T, h *hosttest.Host) hosttest.Tree {
	t.Helper()
	return h.Tree(t, "/var/lib/gateway")
}

func TestHost_TheFirewallIsOnOverARebootAndTakenBackWhole(t *testing.T) {
	t.Parallel() // most of the time is spent waiting for closed ports
	h, key := fwBoot(t)
	// systemd does not start ufw at boot, which is for a firewall that is off.
	h.Script(t, "systemctl disable -q ufw; ufw allow 8443/tcp comment 'mine, please'; ufw deny 25/tcp; iptables -A INPUT -p tcp --sport 443 -j ACCEPT")
	before := fwTree(t, h)
	session := fwSession(t, h, key)
	session("before")

	r := h.SSH(t, "boss", key, "sudo gateway setup apply firewall --yes --confirm-within 0")
	if r.Code != 0 || !strings.Contains(r.Stdout, "--sport 443 -j ACCEPT") {
		t.Fatalf("apply over ssh: %+v", r)
	}
	session("after")
	fwPorts(t, h, map[int]string{22: "open", 443: "open", 7879: "closed", 8080: "closed", 8443: "closed", 8000: "filtered", 9000: "filtered", 25: "filtered"})
	if rules := h.Run(t, "ufw", "status"); !strings.Contains(rules, "# mine, please") || !strings.Contains(rules, "# gateway: ssh") {
		t.Errorf("the comments are gone:\n%s", rules)
	}
	made := fwTree(t, h)
	if out := fwDo(t, h, "apply", "firewall", "--yes"); !strings.Contains(out, "nothing to do") {
		t.Errorf("the second time:\n%s", out)
	}
	if again := fwTree(t, h); made.Diff(again) != "" {
		t.Errorf("the second time changed\n%s", made.Diff(again))
	}
	h.Reboot(t)
	fwPorts(t, h, map[int]string{22: "open", 7879: "closed", 8000: "filtered"})
	if r := h.SSH(t, "boss", key, "true"); r.Code != 0 {
		t.Errorf("no login after a reboot: %+v", r)
	}
	fwDo(t, h, "undo", "--yes")
	if after := fwTree(t, h); before.Diff(after) != "" {
		t.Errorf("undo leaves\n%s", before.Diff(after))
	}
	fwPorts(t, h, map[int]string{8000: "closed", 25: "closed"}) // python ended with the reboot
}

// fwSession is a login that answers what is sent to it, and goes on doing so.
func fwSession(t *testing.T, h *hosttest.Host, key hosttest.Key) func(word string) {
	t.Helper()
	login := h.SSHCommand("boss", key, "exec cat")
	in, inErr := login.StdinPipe()
	out, outErr := login.StdoutPipe()
	if inErr != nil || outErr != nil || login.Start() != nil {
		t.Fatal("the login did not start")
	}
	t.Cleanup(func() {
		_ = login.Process.Kill()
		_ = login.Wait()
	})
	answers := bufio.NewReader(out)
	return func(word string) {
		t.Helper()
		if _, err := io.WriteString(in, word+"\n"); err != nil {
			t.Fatal(err)
		}
		if got, err := answers.ReadString('\n'); got != word+"\n" {
			t.Fatalf("the open login answers %q, %v", got, err)
		}
	}
}

func TestHost_SSHIsReachedWhereverItListens(t *testing.T) {
	t.Parallel() // most of the time is spent waiting for closed ports
	h, _ := fwBoot(t)
	for _, c := range []struct {
		name, prepare, restore string
		port                   int
	}{
		{"on port 2222", "echo Port 2222 >/etc/ssh/sshd_config.d/port.conf; systemctl restart ssh", "", 2222},
		{"with a broken file", "echo Nonsense >>/etc/ssh/sshd_config.d/port.conf", "rm /etc/ssh/sshd_config.d/port.conf", 2222},
		{"by a socket of systemd", "mkdir -p /etc/systemd/system/ssh.socket.d; printf '[Socket]\\nListenStream=\\nListenStream=2200\\n' >/etc/systemd/system/ssh.socket.d/port.conf; systemctl daemon-reload; systemctl disable -q --now ssh; systemctl enable -q --now ssh.socket",
			"systemctl disable -q --now ssh.socket; systemctl enable -q ssh; systemctl restart ssh", 2200},
		{"with IPv6 off in ufw", "sed -i s/IPV6=yes/IPV6=no/ /etc/default/ufw", "sed -i s/IPV6=no/IPV6=yes/ /etc/default/ufw", 22},
		{"by the old iptables", "update-alternatives --set iptables /usr/sbin/iptables-legacy; update-alternatives --set ip6tables /usr/sbin/ip6tables-legacy", "", 22},
	} {
		h.Script(t, c.prepare)
		before := fwTree(t, h)
		fwDo(t, h, "firewall", "enable", "--yes")
		t.Run(c.name, func(t *testing.T) { fwPorts(t, h, map[int]string{c.port: "open", 443: "open", 8000: "filtered"}) })
		fwDo(t, h, "undo", "--yes")
		if after := fwTree(t, h); before.Diff(after) != "" {
			t.Errorf("%s: undo leaves\n%s", c.name, before.Diff(after))
		}
		if got := h.Port(t, hosttest.Address, 8000); got != "open" {
			t.Errorf("%s: after undo port 8000 is %s", c.name, got)
		}
		h.Script(t, c.restore)
	}
}

func TestHost_TheVerbsOfTheFirewallDoAsTheySay(t *testing.T) {
	t.Parallel() // most of the time is spent waiting for closed ports
	h, key := fwBoot(t)
	fwDo(t, h, "firewall", "enable", "--yes")
	fwDo(t, h, "firewall", "allow", "8000", "5432/tcp from 10.0.0.0/8", "9443,8081/tcp", "WWW Full", "--yes")
	fwPorts(t, h, map[int]string{8000: "open", 80: "closed", 8081: "closed", 5432: "filtered"})
	if out := fwDo(t, h, "firewall", "allow", "8000/tcp", "--yes"); !strings.Contains(out, "nothing to do") {
		t.Errorf("allowed twice:\n%s", out)
	}
	fwDo(t, h, "firewall", "deny", "8000", "--yes", "--confirm-within", "0")
	fwPorts(t, h, map[int]string{8000: "filtered"})
	fwDo(t, h, "firewall", "allow", "8800:8900", "8850", "--yes")
	fwDo(t, h, "firewall", "deny", "8850", "--yes")
	fwDo(t, h, "firewall", "allow", "8850 from "+hosttest.ClientIs, "--yes")
	if got := h.Port(t, hosttest.Address, 8850) + " " + h.Port(t, hosttest.Address6, 8850); got != "closed filtered" {
		t.Errorf("a port of a range that is denied but for one address: %s", got)
	}
	for _, words := range [][]string{{"ssh needs port 22", "deny", "22"}, {"ssh needs port 22", "deny", "OpenSSH"}, {"api.example.com needs port 443", "deny", "80,443/tcp"}} {
		if r := h.Gateway(t, append([]string{"setup", "firewall"}, append(words[1:], "--yes")...)...); r.Code != 1 || !strings.Contains(r.Stdout, words[0]) {
			t.Errorf("%q: %+v", words[1:], r)
		}
	}
	if out := fwDo(t, h, "firewall", "status"); !strings.Contains(out, "The firewall is on.") || !strings.Contains(out, "deny in 8000/tcp") || strings.Contains(out, "NO") {
		t.Errorf("status is\n%s", out)
	}
	if out := fwDo(t, h, "firewall", "apps", "wWw full"); !strings.Contains(out, "80,443/tcp") {
		t.Errorf("apps tells\n%s", out)
	}
	fwDo(t, h, "firewall", "disable", "--yes")
	fwPorts(t, h, map[int]string{8000: "open"})
	fwDo(t, h, "undo", "--yes")
	fwPorts(t, h, map[int]string{8000: "filtered", 443: "open"})
	fwRefusesTheLoginElsewhere(t, h, key)
}

// fwRefusesTheLoginElsewhere lets ssh in from another network only.
func fwRefusesTheLoginElsewhere(t *testing.T, h *hosttest.Host, key hosttest.Key) {
	t.Helper()
	h.Script(t, "ufw --force disable; ufw delete allow 22/tcp; ufw allow proto tcp from 10.0.0.0/8 to any port 22")
	r := h.SSH(t, "boss", key, "sudo gateway setup firewall enable --yes")
	if r.Code != 1 || !strings.Contains(r.Stdout, fmt.Sprintf("this login comes from %s", hosttest.ClientIs)) {
		t.Errorf("enable from elsewhere: %+v", r)
	}
}

func TestHost_AFirewallThatNobodyConfirmsIsTakenBack(t *testing.T) {
	t.Parallel() // most of the time is spent waiting for closed ports
	h, key := fwBoot(t)
	before := fwTree(t, h)
	r := h.SSH(t, "boss", key, "sudo gateway setup firewall enable --yes --confirm-within 12s")
	if r.Code != 0 {
		t.Fatalf("enable: %+v", r)
	}
	fwPorts(t, h, map[int]string{8000: "filtered"})
	h.Run(t, "timeout", "60", "sh", "-c", "until ufw status | grep -q inactive && ! pgrep -f '[s]etup undo' >/dev/null; do sleep 0.1; done")
	fwPorts(t, h, map[int]string{8000: "open"})
	if after := fwTree(t, h); before.Diff(after) != "" {
		t.Errorf("the switch leaves\n%s", before.Diff(after))
	}
}

func TestHost_UFWThatCannotBeInstalledChangesNothing(t *testing.T) {
	t.Parallel() // most of the time is spent waiting for closed ports
	h, _ := fwBoot(t)
	h.Script(t, "DEBIAN_FRONTEND=noninteractive dpkg --purge ufw >/dev/null 2>&1")
	r := h.Gateway(t, "setup", "apply", "firewall", "--yes")
	if r.Code != 1 || !strings.Contains(r.Stderr, "apt-get") {
		t.Errorf("without network: %+v", r)
	}
	fwPorts(t, h, map[int]string{8000: "open"})
}
