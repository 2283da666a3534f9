package account

import (
	"slices"
	"strings"

	"gateway/cmd/internal/host"
)

// TakesLogins tells whether a socket is one at which an ssh server waits for
// logins. A process of sshd that serves one login may listen, too, for what that
// login has forwarded to this host (ssh -R), which is no way in.
func TakesLogins(l host.Listener) bool {
	command := strings.TrimLeft(l.Command, `"`)
	// sshd gives itself a title: "sshd: /usr/sbin/sshd -D [listener] ..." where it
	// waits, "sshd: alice@pts/0" or "sshd-session: alice@pts/0" where it serves.
	name, title, titled := strings.Cut(command, ": ")
	if titled && strings.HasPrefix(name, "sshd") && !strings.HasPrefix(title, "/") {
		return false
	}
	program, _, _ := strings.Cut(command, " ")
	program = strings.TrimSuffix(program[strings.LastIndexByte(program, '/')+1:], ":")
	return slices.Contains([]string{"sshd", "dropbear"}, program) || l.Unit == "ssh.service" || l.Unit == "sshd.service"
}
