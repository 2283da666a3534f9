package hosttest

import (
	"os"
	"strings"
	"testing"
)

func TestBoot_GivesARealSystemWithLogins(t *testing.T) {
	t.Parallel()
	h := Boot(t, Options{Seed: "echo seeded >/etc/seed"})
	key, other := NewKey(t), NewKey(t)
	h.AddUser(t, "boss", key, "sudo")
	h.SetPassword(t, "boss", "pw-of-boss")
	if got := h.Run(t, "cat", "/proc/1/comm"); got != "systemd\n" {
		t.Errorf("process 1 is %q", got)
	}
	if got := h.Run(t, "systemctl", "is-system-running"); got != "running\n" {
		t.Errorf("the system is %q", got)
	}
	if got := h.Run(t, "cat", "/etc/seed"); got != "seeded\n" {
		t.Errorf("the seed wrote %q", got)
	}
	if r := h.SSH(t, "boss", key, "id -un; echo $SSH_CONNECTION"); r.Stdout != "boss\n"+r.Stdout[5:] || !strings.Contains(r.Stdout, ClientIs) {
		t.Errorf("the login with the key gave %+v", r)
	}
	if r := h.SSH(t, "boss", other, "true"); r.Code != RefusedLogin {
		t.Errorf("the login with another key gave %+v", r)
	}
	if r := h.SSHPassword(t, "boss", "pw-of-boss", "password", "true"); r.Code != 0 {
		t.Errorf("the login with the password gave %+v", r)
	}
	if r := h.SSHPassword(t, "boss", "wrong", "password", "true"); r.Code == 0 {
		t.Error("a wrong password was accepted")
	}
}

func TestBoot_HasANetworkOfItsOwnThatAFirewallCloses(t *testing.T) {
	t.Parallel()
	h := Boot(t, Options{})
	for _, address := range []string{Address, Address6} {
		if got := h.Port(t, address, 22); got != "open" {
			t.Errorf("%s: port 22 is %s", address, got)
		}
		if got := h.Port(t, address, 443); got != "closed" {
			t.Errorf("%s: port 443 is %s", address, got)
		}
	}
	h.Script(t, "ufw allow 443/tcp; ufw --force enable")
	for _, address := range []string{Address, Address6} {
		if got := h.Port(t, address, 22) + " " + h.Port(t, address, 443); got != "filtered closed" {
			t.Errorf("%s: ports 22 and 443 are %s", address, got)
		}
	}
	if routes := h.Run(t, "ip", "route"); strings.Contains(routes, "default") {
		t.Errorf("the host has a way out: %s", routes)
	}
}

func TestReboot_KeepsFilesAndForgetsTheRest(t *testing.T) {
	t.Parallel()
	h := Boot(t, Options{})
	h.Script(t, "echo kept >/etc/kept; echo lost >/run/lost; nft add table inet lost")
	for name, boot := range map[string]func(testing.TB){"reboot": h.Reboot, "power cycle": h.PowerCycle} {
		boot(t)
		if got := h.Run(t, "cat", "/etc/kept"); got != "kept\n" {
			t.Errorf("%s: the file is %q", name, got)
		}
		if h.Try(t, "test", "-e", "/run/lost").Code == 0 || strings.Contains(h.Run(t, "nft", "list", "tables"), "lost") {
			t.Errorf("%s: what belongs to one boot has outlived it", name)
		}
	}
}

func TestTree_TellsEveryChangeAndItsUndoing(t *testing.T) {
	t.Parallel()
	h := Boot(t, Options{})
	before := h.Tree(t)
	h.Script(t, "cp -a /etc/issue /run/; chmod 600 /etc/ssh/ssh_config; rm /etc/issue; echo new >/opt/new; cp -a /etc/issue.net /etc/copy; mkdir /srv/folder")
	diff := before.Diff(h.Tree(t))
	for _, path := range []string{"- /etc/ssh/ssh_config", "+ /etc/ssh/ssh_config", "- /etc/issue", "+ /opt/new", "+ /etc/copy", "+ /srv/folder"} {
		if !strings.Contains(diff, path+" ") {
			t.Errorf("%q is missing in:\n%s", path, diff)
		}
	}
	if n := strings.Count(diff, "\n"); n != 6 {
		t.Errorf("%d lines:\n%s", n, diff)
	}
	h.Script(t, "chmod 644 /etc/ssh/ssh_config; rm -r /opt/new /etc/copy /srv/folder; cp -a /run/issue /etc/issue")
	if diff := before.Diff(h.Tree(t)); diff != "" {
		t.Errorf("after all was taken back:\n%s", diff)
	}
}

func TestSelf_RunsATestInTheHost(t *testing.T) {
	t.Parallel()
	if Inside() {
		if text, err := os.ReadFile("/etc/hostname"); string(text) != "gatewaytest\n" {
			t.Errorf("the host is %q, %v", text, err)
		}
		return
	}
	Boot(t, Options{}).Self(t, "TestSelf_RunsATestInTheHost")
}

func TestGateway_IsTheOneOfThisSource(t *testing.T) {
	t.Parallel()
	h := Boot(t, Options{})
	if r := h.Gateway(t, "version"); r.Code != 0 || !strings.Contains(r.Stdout, "gateway") {
		t.Errorf("got %+v", r)
	}
}

func TestClaim_RemovesWhatAKilledTestLeftBehind(t *testing.T) {
	h := Boot(t, Options{})
	left := h.name
	// A killed process holds no lock any more, and its host runs on.
	if err := os.Rename(runFolder+"/"+left+".lock", runFolder+"/"+left+".moved"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(runFolder + "/" + left + ".moved") })
	if err := os.WriteFile(runFolder+"/"+left+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	Boot(t, Options{})
	<-h.boot.ended
	for _, path := range []string{runFolder + "/" + left, runFolder + "/" + left + ".lock", "/run/netns/" + hostNetwork(left), "/run/netns/" + clientNetwork(left)} {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
}
