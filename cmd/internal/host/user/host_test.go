package user

import (
	"os/exec"
	"strings"
	"testing"

	"gateway/cmd/internal/host/hosttest"
)

// userDatabases are the files that useradd and userdel keep, with their backups
// of one change before. What is in the former is compared as text: the times of
// their changes are not taken back.
var userDatabases = []string{"/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid",
	"/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-", "/var/lib/gateway"}

// userTree is everything that an undo must bring back.
func userTree(t *testing.T, h *hosttest.Host) (hosttest.Tree, string) {
	t.Helper()
	return h.Tree(t, userDatabases...), h.Run(t, "cat", "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid")
}

// userDo runs gateway setup and ends the test unless it succeeds.
func userDo(t *testing.T, h *hosttest.Host, args ...string) hosttest.Result {
	t.Helper()
	r := h.Gateway(t, append([]string{"setup"}, args...)...)
	if r.Code != 0 {
		t.Fatalf("gateway setup %s ended with %d\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r
}

// userRefused runs gateway setup, which must refuse with some words.
func userRefused(t *testing.T, h *hosttest.Host, words string, args ...string) {
	t.Helper()
	r := h.Gateway(t, append([]string{"setup"}, args...)...)
	if r.Code != 1 || !strings.Contains(r.Stdout+r.Stderr, words) {
		t.Errorf("gateway setup %s: %d, want a refusal with %q\n%s%s", strings.Join(args, " "), r.Code, words, r.Stdout, r.Stderr)
	}
}

// userLogin tells what a login with a key and a command gave, or "refused".
func userLogin(t *testing.T, h *hosttest.Host, name string, key hosttest.Key, line string) string {
	t.Helper()
	r := h.SSH(t, name, key, line)
	if r.Code == hosttest.RefusedLogin {
		return "refused"
	}
	return strings.TrimSpace(r.Stdout + r.Stderr)
}

func TestHost_AnAccountIsMadeWorksAndIsTakenBackWhole(t *testing.T) {
	t.Parallel()
	h := hosttest.Boot(t, hosttest.Options{})
	key := hosttest.NewKey(t)
	h.Write(t, "/root/alice.pub", key.Public+"\r\n", 0o644)
	h.Write(t, "/etc/sudoers.d/other", "# visudo finds fault with its mode, and sudo does not\n", 0o644)
	tree, databases := userTree(t, h)

	userDo(t, h, "user", "add", "alice", "--key", "/root/alice.pub", "--sudo=nopasswd", "--shell", "/bin/zsh", "--yes")
	if got := userLogin(t, h, "alice", key, "sudo -n id -un; echo $SHELL; stat -c %a . .ssh .ssh/authorized_keys"); got != "root\n/bin/zsh\n750\n700\n600" {
		t.Errorf("alice sees %q", got)
	}
	h.Run(t, "rm", "-rf", "/home/alice/.cache") // of her login
	made, _ := userTree(t, h)
	if r := userDo(t, h, "user", "add", "alice", "--key", "/root/alice.pub", "--sudo=nopasswd", "--yes"); !strings.Contains(r.Stdout, "nothing to do") {
		t.Errorf("the second time:\n%s", r.Stdout)
	}
	if again, _ := userTree(t, h); made.Diff(again) != "" {
		t.Errorf("the second time changed\n%s", made.Diff(again))
	}
	userEndLogins(t, h, "alice")
	userDo(t, h, "undo", "--yes")
	after, left := userTree(t, h)
	if tree.Diff(after) != "" || databases != left {
		t.Errorf("undo leaves\n%s\n%s", tree.Diff(after), left)
	}
	if got := userLogin(t, h, "alice", key, "true"); got != "refused" {
		t.Errorf("alice is let in after undo: %q", got)
	}
}

// userEndLogins waits until what the logins of a user started has ended: the
// user's own systemd outlives the last login by ten seconds.
func userEndLogins(t *testing.T, h *hosttest.Host, name string) {
	t.Helper()
	h.Script(t, `loginctl terminate-user `+name+` 2>/dev/null || true; for i in $(seq 200); do pgrep -u `+name+` >/dev/null || exit 0; sleep 0.05; done; exit 1`)
}

func TestHost_KeysAreAddedWhateverTheirFileIsLike(t *testing.T) {
	t.Parallel()
	h := hosttest.Boot(t, hosttest.Options{Seed: "mkdir -p /data/bob; ln -s /data/bob /home/bob"})
	first, second := hosttest.NewKey(t), hosttest.NewKey(t)
	h.Write(t, "/root/second.pub", second.Public+"\n", 0o644)
	h.AddUser(t, "bob", first)
	h.Script(t, "chown bob: /data/bob; chmod 777 /data/bob/.ssh; chown root: /data/bob/.ssh/authorized_keys; printf %s \"$(cat /data/bob/.ssh/authorized_keys)\" >/data/bob/.ssh/authorized_keys")
	if got := userLogin(t, h, "bob", first, "id -un"); got != "refused" {
		t.Fatalf("sshd takes a key from a .ssh that everybody can write to: %q", got)
	}
	userDo(t, h, "user", "key", "bob", "--add", "/root/second.pub", "--yes")
	for _, key := range []hosttest.Key{first, second} {
		if got := userLogin(t, h, "bob", key, "id -un"); got != "bob" {
			t.Errorf("bob logs in: %q", got)
		}
	}
	if got := h.Run(t, "stat", "-L", "-c", "%a %U:%G", "/home/bob/.ssh", "/home/bob/.ssh/authorized_keys"); got != "700 bob:bob\n600 bob:bob\n" {
		t.Errorf("modes are\n%s", got)
	}
	userDo(t, h, "user", "key", "bob", "--remove", userFingerprint(t, second), "--yes")
	if got := userLogin(t, h, "bob", second, "id -un"); got != "refused" {
		t.Errorf("the key that was taken away: %q", got)
	}

	// Where sshd looks elsewhere, they go there.
	h.Write(t, "/etc/ssh/sshd_config.d/keys.conf", "AuthorizedKeysFile /etc/ssh/keys/of/%u .ssh/authorized_keys\n", 0o644)
	h.Run(t, "systemctl", "reload", "ssh")
	before, _ := userTree(t, h)
	userDo(t, h, "user", "key", "bob", "--add", "/root/second.pub", "--yes")
	if got := userLogin(t, h, "bob", second, "stat -c '%a %U' /etc/ssh/keys/of /etc/ssh/keys/of/bob"); got != "755 root\n644 root" {
		t.Errorf("bob with a key below /etc/ssh: %q", got)
	}
	userDo(t, h, "undo", "--yes")
	if after, _ := userTree(t, h); before.Diff(after) != "" {
		t.Errorf("undo leaves\n%s", before.Diff(after))
	}
	h.Script(t, "rm /etc/ssh/sshd_config.d/keys.conf; systemctl reload ssh")

	// What bob puts there himself leads root nowhere.
	h.Script(t, "rm -rf /data/bob/.ssh; ln -s /etc /data/bob/.ssh; chown -h bob: /data/bob/.ssh")
	userRefused(t, h, "symbolic link", "user", "key", "bob", "--add", "/root/second.pub", "--yes")
	h.Script(t, "rm /data/bob/.ssh; mkdir /data/bob/.ssh; mkfifo /data/bob/.ssh/authorized_keys; chown -R bob: /data/bob/.ssh")
	userRefused(t, h, "no regular file", "user", "key", "bob", "--add", "/root/second.pub", "--yes")
	if h.Try(t, "test", "-e", "/etc/authorized_keys").Code == 0 {
		t.Error("root wrote through the link of bob")
	}
}

func userFingerprint(t *testing.T, key hosttest.Key) string {
	t.Helper()
	out, err := exec.Command("ssh-keygen", "-lf", key.Path+".pub").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))[1]
}

func TestHost_APasswordIsKnownToNobodyElse(t *testing.T) {
	t.Parallel()
	h := hosttest.Boot(t, hosttest.Options{})
	h.PutGateway(t)
	const password = "corr3ct:horse battery"
	given := func(args ...string) {
		t.Helper()
		cmd := h.Command(append([]string{hosttest.GatewayPath, "setup", "user"}, args...)...)
		cmd.Stdin = strings.NewReader(password + "\n")
		if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "corr3ct") {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	userRefused(t, h, "sudo would ask alice for a password", "user", "add", "alice", "--sudo", "--yes")
	given("add", "alice", "--sudo", "--password", "--yes")
	if r := h.SSHPassword(t, "alice", password, "password", "echo '"+password+"' | sudo -S -p '' id -un"); r.Stdout != "root\n" {
		t.Errorf("alice with her password: %+v", r)
	}
	if r := h.Try(t, "grep", "-rl", "corr3ct", "/var/lib/gateway", "/var/log", "/etc"); r.Stdout != "" {
		t.Errorf("the password is in\n%s", r.Stdout)
	}
	userRefused(t, h, "sudo asks alice for the password", "user", "password", "alice", "--lock", "--yes")
	if screen := userTypes(t, h, password, "setup", "user", "password", "alice", "--yes"); strings.Contains(screen, "corr3ct") || !strings.Contains(screen, "Done.") {
		t.Errorf("on a terminal:\n%s", screen)
	}
	given("add", "bob", "--password-file", "-", "--yes")
	userDo(t, h, "user", "password", "bob", "--lock", "--yes")
	if r := h.SSHPassword(t, "bob", password, "password", "true"); r.Code == 0 {
		t.Error("a locked password is taken")
	}
	userDo(t, h, "undo", "--yes")
	if r := h.SSHPassword(t, "bob", password, "password", "true"); r.Code != 0 {
		t.Errorf("undo does not unlock it: %+v", r)
	}
}

// userTypes runs gateway on a terminal, types a line whenever it is asked for one,
// and returns what was on the screen.
func userTypes(t *testing.T, h *hosttest.Host, line string, args ...string) string {
	t.Helper()
	const script = `
import os, pty, sys
typed, screen, pid, terminal = sys.argv[1], b"", *pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
asked = 0
while True:
    try:
        read = os.read(terminal, 4096)
    except OSError:
        break
    screen += read
    if screen.count(b": ") > asked and screen.endswith(b": "):
        asked = screen.count(b": ")
        os.write(terminal, typed.encode() + b"\n")
os.waitpid(pid, 0)
os.write(1, screen)`
	return h.Run(t, append([]string{"timeout", "60", "python3", "-c", script, line, hosttest.GatewayPath}, args...)...)
}

func TestHost_AnAccountIsRemovedWithCareAndGivenBack(t *testing.T) {
	t.Parallel()
	h := hosttest.Boot(t, hosttest.Options{})
	boss, bob := hosttest.NewKey(t), hosttest.NewKey(t)
	h.Write(t, "/root/boss.pub", boss.Public+"\n", 0o644)
	h.Write(t, "/root/bob.pub", bob.Public+"\n", 0o644)
	userDo(t, h, "user", "add", "boss", "--key", "/root/boss.pub", "--sudo=nopasswd", "--yes")
	userRefused(t, h, "boss is the last admin", "user", "remove", "boss", "--yes")
	userRefused(t, h, "boss is the last admin", "user", "key", "boss", "--remove", "laptop", "--yes")
	userDo(t, h, "user", "add", "bob", "--key", "/root/bob.pub", "--group", "audio", "--yes")
	h.Script(t, "echo precious >/home/bob/work; chown bob: /home/bob/work; mkdir /srv/bob; chown bob: /srv/bob; echo '@daily true' | crontab -u bob -")

	if got := userLogin(t, h, "boss", boss, "sudo gateway setup user remove boss --yes"); !strings.Contains(got, "boss is you") {
		t.Errorf("boss removes himself: %s", got)
	}
	sitting := h.SSHCommand("bob", bob, "echo in; exec sleep 300")
	userStart(t, sitting)
	userRefused(t, h, `"sleep" (pid`, "user", "remove", "bob", "--yes")
	number := h.Run(t, "id", "-u", "bob")

	r := userDo(t, h, "user", "remove", "bob", "--end-all", "--archive", "/root/bob.tar.gz", "--yes")
	if !strings.Contains(r.Stdout, `"/srv/bob"`) {
		t.Errorf("what bob leaves is not told:\n%s", r.Stdout)
	}
	if h.Try(t, "id", "bob").Code == 0 || h.Try(t, "test", "-e", "/var/spool/cron/crontabs/bob").Code == 0 {
		t.Error("bob or his crontab is still there")
	}
	if got := h.Run(t, "tar", "-xzOf", "/root/bob.tar.gz", "bob/work"); got != "precious\n" {
		t.Errorf("the archive holds %q", got)
	}
	userDo(t, h, "undo", "--yes")
	if got := userLogin(t, h, "bob", bob, "id -u; id -Gn; cat work"); got != strings.TrimSpace(number)+"\nbob audio\nprecious" {
		t.Errorf("bob is back as %q", got)
	}
	userEndLogins(t, h, "bob")
	userDo(t, h, "user", "remove", "bob", "--yes")
	userDo(t, h, "user", "add", "eve", "--yes")
	userDo(t, h, "user", "add", "bob", "--yes")
	if got := h.Run(t, "id", "-u", "bob"); got != number {
		t.Errorf("bob had number %s, and comes back with %s", number, got)
	}
	userDo(t, h, "user", "remove", "bob", "--remove-home", "--yes")
	if h.Try(t, "test", "-e", "/home/bob").Code == 0 {
		t.Error("--remove-home leaves the home")
	}
}

// userStart starts a login and returns once it is in.
func userStart(t *testing.T, login *exec.Cmd) {
	t.Helper()
	out, err := login.StdoutPipe()
	if err == nil {
		err = login.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = login.Process.Kill()
		_ = login.Wait()
	})
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
}
