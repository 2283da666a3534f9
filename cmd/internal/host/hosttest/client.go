package hosttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Key is a pair of ssh keys.
type Key struct {
	Path   string // of the private key, on this machine
	Public string // one line of authorized_keys, without its newline
}

// NewKey makes a pair of ed25519 keys.
func NewKey(t testing.TB) Key {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	must(t, command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "laptop", "-f", path))
	public, err := os.ReadFile(path + ".pub")
	must(t, err)
	return Key{Path: path, Public: strings.TrimSpace(string(public))}
}

// AddUser makes a user with a home, with that key when it is not the zero Key,
// and a member of these groups.
func (h *Host) AddUser(t testing.TB, name string, key Key, groups ...string) {
	t.Helper()
	h.Run(t, "useradd", "--create-home", "--shell", "/bin/bash", "--groups", strings.Join(groups, ","), name)
	if key.Public != "" {
		h.Authorize(t, name, key.Public)
	}
}

// Authorize adds lines to a user's authorized_keys, with the modes that sshd
// wants.
func (h *Host) Authorize(t testing.TB, name, lines string) {
	t.Helper()
	h.Run(t, "/bin/sh", "-euc", `home=$(getent passwd "$1" | cut -d: -f6)
		mkdir -p "$home/.ssh"
		printf '%s\n' "$2" >>"$home/.ssh/authorized_keys"
		chmod 700 "$home/.ssh"
		chmod 600 "$home/.ssh/authorized_keys"
		chown -R "$1:" "$home/.ssh"`, "authorize", name, lines)
}

// SetPassword gives a user a password.
func (h *Host) SetPassword(t testing.TB, name, password string) {
	t.Helper()
	cmd := h.Command("chpasswd")
	cmd.Stdin = strings.NewReader(name + ":" + password + "\n")
	if r := finish(t, cmd); r.Code != 0 {
		t.Fatalf("set the password of %s: %s", name, r.Stderr)
	}
}

// sshOptions make a login depend on nothing but what the test gives. A host that
// does not answer must not hang the test, and an sshd that reads its configuration
// again does not listen for a moment.
var sshOptions = []string{"-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
	"-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5", "-o", "ConnectionAttempts=3", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=2"}

// RefusedLogin is how ssh ends when it was not let in.
const RefusedLogin = 255

// SSH logs in from the client with a key and runs a command. Options of ssh, such
// as "-p" and "2222", go before those that it is given here.
func (h *Host) SSH(t testing.TB, user string, key Key, line string, options ...string) Result {
	t.Helper()
	return finish(t, h.SSHCommand(user, key, line, options...))
}

// SSHCommand is the command that SSH runs.
func (h *Host) SSHCommand(user string, key Key, line string, options ...string) *exec.Cmd {
	argv := slices.Concat([]string{"ssh"}, options, sshOptions,
		[]string{"-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", key.Path, user + "@" + Address, line})
	return h.inClient(argv...)
}

// SSHPassword tries to log in from the client with a password, asked for by one
// method: "password" or "keyboard-interactive".
func (h *Host) SSHPassword(t testing.TB, user, password, method, line string, options ...string) Result {
	t.Helper()
	argv := slices.Concat([]string{"sshpass", "-e", "ssh"}, options, sshOptions,
		[]string{"-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1", "-o", "PreferredAuthentications=" + method, user + "@" + Address, line})
	cmd := h.inClient(argv...)
	cmd.Env = append(os.Environ(), "SSHPASS="+password)
	return finish(t, cmd)
}

// Client runs a program of this machine in the client's network.
func (h *Host) Client(t testing.TB, argv ...string) Result {
	t.Helper()
	return finish(t, h.inClient(argv...))
}

// Port tells how a TCP port of the host looks from the client: "open", "closed"
// (refused at once) or "filtered" (nothing answers, or a firewall does). The
// address is Address or Address6.
func (h *Host) Port(t testing.TB, address string, port int) string {
	t.Helper()
	r := h.Client(t, "timeout", "2", "bash", "-c", `exec 3<>"/dev/tcp/$1/$2"`, "port", address, strconv.Itoa(port))
	switch {
	case r.Code == 0:
		return "open"
	case strings.Contains(r.Stderr, "Connection refused"):
		return "closed"
	}
	return "filtered"
}
