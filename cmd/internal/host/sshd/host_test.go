package sshd

import (
	"strings"
	"testing"

	"gateway/cmd/internal/host/hosttest"
)

const (
	hostPassword = "correct-horse-9"
	// hostCloud is what the image of a cloud provider brings, and somebody's
	// exception for one user.
	hostCloud = "PasswordAuthentication yes\nKbdInteractiveAuthentication yes\nPermitRootLogin yes\nMatch User boss\n\tPasswordAuthentication yes\n"
	hostApply = "gateway setup apply sshd --yes"
)

// hostWithBoss is a host with an admin: a key, a password, and everything by sudo.
func hostWithBoss(t *testing.T) (*hosttest.Host, hosttest.Key) {
	t.Helper()
	h := hosttest.Boot(t, hosttest.Options{})
	key := hosttest.NewKey(t)
	h.PutGateway(t)
	h.AddUser(t, "boss", key, "sudo")
	h.SetPassword(t, "boss", hostPassword)
	h.Write(t, "/etc/sudoers.d/boss", "boss ALL=(ALL) NOPASSWD: ALL\n", 0o440)
	hostRun(t, h, key, "sudo true", 0, "") // Debian's sudo leaves a mark in the home the first time
	return h, key
}

// hostLets tells how the admin gets in.
func hostLets(t *testing.T, h *hosttest.Host, key hosttest.Key, options ...string) string {
	t.Helper()
	var ways []string
	if h.SSH(t, "boss", key, "true", options...).Code == 0 {
		ways = append(ways, "key")
	}
	for _, method := range []string{"password", "keyboard-interactive"} {
		switch r := h.SSHPassword(t, "boss", hostPassword, method, "true", options...); r.Code {
		case 0:
			ways = append(ways, method)
		case hosttest.RefusedLogin:
		default:
			t.Errorf("the login by %s ended with %+v", method, r)
		}
	}
	return strings.Join(ways, " ")
}

func hostIs(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// hostRun runs a command over ssh and wants a status and a word of what is printed.
func hostRun(t *testing.T, h *hosttest.Host, key hosttest.Key, line string, code int, says string) {
	t.Helper()
	r := h.SSH(t, "boss", key, line)
	if r.Code != code || !strings.Contains(r.Stdout+r.Stderr, says) {
		t.Fatalf("%s ended with %d and said\n%s%s\nwant %d and %q", line, r.Code, r.Stdout, r.Stderr, code, says)
	}
}

func TestHost_ClosesACloudImageToPasswordsUntilUndo(t *testing.T) {
	t.Parallel()
	h, key := hostWithBoss(t)
	h.Write(t, "/etc/ssh/sshd_config.d/50-cloud-init.conf", hostCloud, 0o600)
	h.Run(t, "systemctl", "reload", "ssh")
	h.Put(t, key.Path, "/home/boss/key", 0o600)
	h.Run(t, "chown", "-R", "boss:", "/home/boss")
	before := h.Tree(t, "/var/lib/gateway", "/var/lib/sudo")
	hostIs(t, "before", hostLets(t, h, key), "key password keyboard-interactive")

	hostRun(t, h, key, "sudo "+hostApply+" && sudo gateway setup confirm", 1, "log in anew by ssh")
	hostIs(t, "applied", hostLets(t, h, key), "key")
	hostRun(t, h, key, "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -i key boss@127.0.0.1 sudo gateway setup confirm", 1, "another one on this same host")
	hostRun(t, h, key, "sudo gateway setup confirm", 0, "")
	applied := h.Tree(t, "/var/lib/sudo")
	hostRun(t, h, key, "sudo "+hostApply, 0, "othing to do")
	if diff := applied.Diff(h.Tree(t, "/var/lib/sudo")); diff != "" {
		t.Errorf("a second apply has changed:\n%s", diff)
	}

	h.Reboot(t)
	hostIs(t, "after a reboot", hostLets(t, h, key), "key")
	hostRun(t, h, key, "sudo gateway setup undo --yes", 0, "")
	hostIs(t, "after undo", hostLets(t, h, key), "key password keyboard-interactive")
	if diff := before.Diff(h.Tree(t, "/var/lib/gateway", "/var/lib/sudo")); diff != "" {
		t.Errorf("undo left behind:\n%s", diff)
	}
}

// hostRefused wants an apply that refuses, for a reason, and changes nothing.
func hostRefused(t *testing.T, h *hosttest.Host, why string) {
	t.Helper()
	before := h.Tree(t, "/var/lib/gateway")
	r := h.Gateway(t, "setup", "apply", "sshd", "--yes")
	if r.Code != 1 || !strings.Contains(r.Stdout+r.Stderr, why) {
		t.Errorf("want a refusal for %q, got %d\n%s%s", why, r.Code, r.Stdout, r.Stderr)
	}
	if diff := before.Diff(h.Tree(t, "/var/lib/gateway")); diff != "" {
		t.Errorf("%s: the refusal has changed:\n%s", why, diff)
	}
}

func TestHost_RefusesWhileNoAdminWouldGetIn(t *testing.T) {
	t.Parallel()
	h := hosttest.Boot(t, hosttest.Options{})
	key := hosttest.NewKey(t)
	hostRefused(t, h, "nobody but root may do everything by sudo")

	h.Authorize(t, "root", key.Public)
	hostRefused(t, h, "root is not let in")

	h.AddUser(t, "boss", hosttest.Key{}, "sudo")
	h.SetPassword(t, "boss", hostPassword)
	hostRefused(t, h, "boss: no ssh key is there")

	h.Authorize(t, "boss", `expiry-time="20200101" `+key.Public)
	hostRefused(t, h, "expired at 20200101")

	h.Script(t, "rm -r /home/boss/.ssh; passwd -q -d boss; usermod -p '!' boss")
	h.Authorize(t, "boss", key.Public)
	hostRefused(t, h, "sudo asks for a password")

	h.SetPassword(t, "boss", hostPassword)
	h.Script(t, "echo 'AuthenticationMethods publickey,password' >>/etc/ssh/sshd_config")
	hostRefused(t, h, `Disabled method "password" in AuthenticationMethods`)

	h.Script(t, "sed -i '$d' /etc/ssh/sshd_config; echo 'AllowUsers nobody' >>/etc/ssh/sshd_config")
	hostRefused(t, h, "not in sshd's AllowUsers")
	h.Write(t, "/etc/gateway/config.toml", "[setup.sshd]\nallow_users = [\"boss\"]\n", 0o644)
	hostRefused(t, h, `sshd would hold to "AllowUsers boss nobody", and not to "boss" alone`)
	h.Script(t, "rm /etc/gateway/config.toml")

	h.Script(t, "sed -i '$d' /etc/ssh/sshd_config; echo 'Nonsense yes' >>/etc/ssh/sshd_config")
	hostRefused(t, h, "Bad configuration option: Nonsense")
	if h.Run(t, "systemctl", "is-active", "ssh"); h.SSH(t, "boss", key, "true").Code != 0 {
		t.Error("the running sshd does not let the admin in any more")
	}

	// Somebody else works, but not who asks.
	h.Script(t, "sed -i '$d' /etc/ssh/sshd_config")
	h.AddUser(t, "guest", hosttest.Key{}, "sudo")
	h.SetPassword(t, "guest", hostPassword)
	h.Write(t, "/etc/sudoers.d/guest", "guest ALL=(ALL) NOPASSWD: ALL\n", 0o440)
	r := h.SSHPassword(t, "guest", hostPassword, "password", "sudo "+hostApply)
	if r.Code != 1 || !strings.Contains(r.Stdout+r.Stderr, "you are logged in as guest") {
		t.Errorf("got %+v", r)
	}
}

func TestHost_MakesAnAdminAndClosesSSHInOneRun(t *testing.T) {
	t.Parallel()
	h := hosttest.Boot(t, hosttest.Options{})
	key := hosttest.NewKey(t)
	h.SetPassword(t, "root", hostPassword)
	h.Authorize(t, "root", key.Public)
	h.Write(t, "/etc/ssh/sshd_config.d/50-cloud-init.conf", "PermitRootLogin yes\n", 0o600)
	h.Write(t, "/etc/gateway/config.toml", "[[setup.user]]\nname = \"boss\"\nsudo = \"nopasswd\"\nauthorized_keys = [\""+key.Public+"\"]\n\n[setup.sshd]\nallow_users = [\"boss\"]\nmax_auth_tries = 4\nkeepalive = \"1m\"\nforwarding = false\n", 0o644)
	h.Run(t, "systemctl", "reload", "ssh")
	before := h.Tree(t, "/var/lib/gateway")
	hostRefused(t, h, "no admin could log in") // only sshd, without the user
	if r := h.Gateway(t, "setup", "apply", "--yes"); r.Code != 0 {
		t.Fatalf("apply: %+v", r)
	}
	hostRun(t, h, key, "sudo sshd -T | grep -E 'maxauthtries|clientalive|disableforw|allowusers' | sort | tr '\\n' ' '", 0,
		"allowusers boss clientalivecountmax 3 clientaliveinterval 60 disableforwarding yes maxauthtries 4")
	hostRun(t, h, key, "sudo gateway setup plan", 0, "nothing to do")
	if r := h.SSH(t, "root", key, "true"); r.Code != hosttest.RefusedLogin {
		t.Errorf("root is let in: %+v", r)
	}
	// An account that still has processes is not removed, and systemd keeps one for a while.
	h.Run(t, "timeout", "30", "sh", "-c", "loginctl terminate-user boss; while pgrep -u boss >/dev/null; do sleep 0.1; done")
	h.Run(t, "gateway", "setup", "undo", "--yes")
	if r := h.SSH(t, "root", key, "true"); r.Code != 0 {
		t.Errorf("after undo root is not let in: %+v", r)
	}
	if diff := before.Diff(h.Tree(t, "/var/lib/gateway")); diff != "" {
		t.Errorf("undo left behind:\n%s", diff)
	}
}

// hostScene is a host before the step, and how its admin gets in then and later.
type hostScene struct {
	name, seed    string
	before, after string
	options       []string // of ssh
	also          func(t *testing.T, h *hosttest.Host, key hosttest.Key)
}

// hostOldSSHD plays a version that does not know Include, before the real one.
const hostOldSSHD = `for word; do
	[ "$last" != -f ] || file=$word
	last=$word
done
if grep -qi "^include" "${file:-/etc/ssh/sshd_config}"; then
	echo "/etc/ssh/sshd_config: line 1: Bad configuration option: Include" >&2
	exit 255
fi
exec /usr/sbin/sshd "$@"
`

func hostScenes() []hostScene {
	return []hostScene{
		{
			name:   "modes of .ssh behind a linked home",
			seed:   "mv /home /srv/homes; ln -s /srv/homes /home; chmod 777 /home/boss/.ssh; chmod 666 /home/boss/.ssh/authorized_keys",
			before: "password", after: "key",
			also: func(t *testing.T, h *hosttest.Host, _ hosttest.Key) {
				modes := h.Run(t, "stat", "-c", "%a %U", "/home/boss/.ssh", "/home/boss/.ssh/authorized_keys")
				hostIs(t, "modes", modes, "700 boss\n600 boss\n")
			},
		}, {
			name:   "another port and no Include",
			seed:   "sed -i 's/^Include.*/Port 2222/' /etc/ssh/sshd_config; echo 'PasswordAuthentication yes' >/etc/ssh/sshd_config.d/50-cloud-init.conf; systemctl restart ssh",
			before: "key password", after: "key", options: []string{"-p", "2222"},
			also: func(t *testing.T, h *hosttest.Host, _ hosttest.Key) {
				if text := h.Run(t, "cat", mainFile); !strings.HasPrefix(text, "Include "+dropInFile+"\n") {
					t.Errorf("the main file is %q", text)
				}
			},
		}, {
			name:   "another port by an option, and a setting by its old name in front",
			seed:   "sed -i '1i ChallengeResponseAuthentication yes' /etc/ssh/sshd_config; echo 'SSHD_OPTS=\"-p 2222\"' >/etc/default/ssh; systemctl restart ssh",
			before: "key password keyboard-interactive", after: "key", options: []string{"-p", "2222"},
		}, {
			name: "blocks of a port and an address of the host, and an Include that sorts in another way",
			seed: "printf 'Match LocalPort 22\\n\\tPasswordAuthentication yes\\nMatch LocalAddress 198.51.100.0/24\\n\\tPermitRootLogin yes\\n' >/etc/ssh/sshd_config.d/50-cloud.conf\n" +
				`sed -i 's#^Include.*#Include "/etc/ssh/sshd_config.d/[5-9]*.conf" sshd_config.d/0*.conf#' /etc/ssh/sshd_config; systemctl reload ssh`,
			before: "key password", after: "key",
		}, {
			name: "an sshd that knows no Include",
			seed: "sed -i 's/^Include.*/PasswordAuthentication yes/' /etc/ssh/sshd_config; rm -r /etc/ssh/sshd_config.d; systemctl restart ssh\n" +
				"printf '%s' '#!/bin/sh\n" + hostOldSSHD + "' >/usr/local/sbin/sshd; chmod 755 /usr/local/sbin/sshd",
			before: "key password", after: "key",
		}, {
			name:   "started by a socket",
			seed:   "systemctl -q disable --now ssh.service; systemctl -q enable --now ssh.socket; test ! -e /run/sshd",
			before: "key password", after: "key",
			also: func(t *testing.T, h *hosttest.Host, key hosttest.Key) {
				hostRun(t, h, key, "sudo gateway setup undo --yes && sudo "+hostApply+" --confirm-within 0 && echo still here", 0, "still here")
				hostIs(t, "the socket", h.Run(t, "systemctl", "is-active", "ssh.socket"), "active\n")
			},
		},
	}
}

func TestHost_WorksHoweverSSHDIsSetUp(t *testing.T) {
	t.Parallel()
	h, key := hostWithBoss(t)
	h.Script(t, "cp -a /etc/ssh /etc/ssh.kept; cp -a /etc/default/ssh /srv/default.kept; cp -a /home /srv/home.kept")
	for _, scene := range hostScenes() {
		t.Run(scene.name, func(t *testing.T) {
			t.Cleanup(func() {
				h.Script(t, "rm -rf /etc/ssh /home /srv/homes /usr/local/sbin/sshd; cp -a /etc/ssh.kept /etc/ssh; cp -a /srv/default.kept /etc/default/ssh; cp -a /srv/home.kept /home; systemctl restart ssh")
			})
			h.Script(t, scene.seed)
			before := h.Tree(t, "/var/lib/gateway")
			if scene.name != "started by a socket" { // a login would start the service
				hostIs(t, "before", hostLets(t, h, key, scene.options...), scene.before)
			}
			h.Run(t, "gateway", "setup", "apply", "sshd", "--yes")
			hostIs(t, "applied", hostLets(t, h, key, scene.options...), scene.after)
			if scene.also != nil {
				scene.also(t, h, key)
			}
			h.Run(t, "gateway", "setup", "undo", "--yes")
			hostIs(t, "after undo", hostLets(t, h, key, scene.options...), scene.before)
			if diff := before.Diff(h.Tree(t, "/var/lib/gateway")); diff != "" {
				t.Errorf("undo left behind:\n%s", diff)
			}
		})
	}
}

func TestHost_TakesBackWhatNobodyConfirms(t *testing.T) {
	t.Parallel()
	h, key := hostWithBoss(t)
	before := h.Tree(t, "/var/lib/gateway", "/var/lib/sudo")
	hostRun(t, h, key, "sudo "+hostApply+" --confirm-within 15s && ls "+dropInFile, 0, "")
	h.Run(t, "timeout", "90", "sh", "-c", "while [ -e "+dropInFile+" ] || [ -e /usr/local/lib/gateway-revert ]; do sleep 0.1; done")
	hostIs(t, "after the time", hostLets(t, h, key), "key password")
	if diff := before.Diff(h.Tree(t, "/var/lib/gateway", "/var/lib/sudo")); diff != "" {
		t.Errorf("the switch left behind:\n%s", diff)
	}

	// Neither a reboot nor the loss of the program and of its file saves a run.
	hostRun(t, h, key, "sudo "+hostApply+" --confirm-within 1h", 0, "")
	hostIs(t, "applied again", hostLets(t, h, key), "key")
	h.Script(t, "mkdir -p /etc/gateway; echo '[nonsense' >/etc/gateway/config.toml; rm /usr/local/bin/gateway")
	h.Reboot(t)
	hostIs(t, "after a reboot", hostLets(t, h, key), "key password")
	h.Script(t, "rm -r /etc/gateway")
	if diff := before.Diff(h.Tree(t, "/var/lib/gateway", "/var/lib/sudo")); diff != "" {
		t.Errorf("the switch left behind:\n%s", diff)
	}
}
