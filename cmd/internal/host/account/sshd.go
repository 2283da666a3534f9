package account

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"gateway/cmd/internal/host"
)

// Settings are the effective settings of sshd for one user, as `sshd -T` prints
// them: names in lower case, a value for each line.
type Settings map[string][]string

// Get is the first value of a setting, "" when sshd does not have it.
func (s Settings) Get(name string) string {
	if values := s[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// words are all values of a setting that is a list, on one line or on several.
func (s Settings) words(name string) []string {
	return strings.Fields(strings.Join(s[name], " "))
}

// Ports are those on which sshd's configuration has it listen for others than this
// host. A socket of systemd, or an option on its command line, may name others.
func (s Settings) Ports() []int {
	var ports []int
	for _, text := range s["listenaddress"] {
		text, _, _ = strings.Cut(text, " ") // "rdomain ..." may follow
		at, err := netip.ParseAddrPort(text)
		if port := int(at.Port()); err == nil && !at.Addr().IsLoopback() && !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	if len(ports) > 0 {
		return ports
	}
	for _, text := range s.words("port") {
		if n, err := strconv.Atoi(text); err == nil && n > 0 && n < 1<<16 {
			ports = append(ports, n)
		}
	}
	return ports
}

// SSHD asks sshd for its effective settings for a user who comes from an
// address; "" and the zero address ask for what holds without `Match` blocks.
func SSHD(ctx context.Context, m host.Machine, user string, from netip.Addr) (Settings, error) {
	result, err := m.Run(ctx, host.Command{Argv: SSHDCommand(m, "-T", "-C", Connection(user, from))})
	if err != nil {
		return nil, fmt.Errorf("asking sshd for its settings: %w", err)
	}
	return ParseSettings(string(result.Stdout)), nil
}

// SSHDCommand is sshd in one of its test modes, -t and -T. Old versions want to
// be called by their whole path.
func SSHDCommand(m host.Machine, args ...string) []string {
	argv := append([]string{Find(m, "sshd")}, args...)
	if _, err := m.Lstat("/run/sshd"); errors.Is(err, fs.ErrNotExist) {
		// sshd needs this folder even to print; systemd makes it when ssh.service
		// starts, which with a socket is at the first login. Ours is in a mount
		// namespace that ends with the program.
		argv = append([]string{"unshare", "--mount", "sh", "-c", `mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec "$@"`, "sh"}, argv...)
	}
	return argv
}

// Connection describes a login for sshd's option -C, by which sshd finds the
// `Match` blocks that fit. It is whole: sshd gives up where a block asks for
// something that is not told, also for the address and the port of the host itself.
//
// For "" no block of a user or a client fits. One of a port would stop sshd, so a
// port is told that no sshd has.
func Connection(user string, from netip.Addr) string {
	if user == "" {
		return "laddr=0.0.0.0,lport=65535"
	}
	client := "0.0.0.0"
	if from.IsValid() {
		client = from.String()
	}
	return fmt.Sprintf("user=%s,host=%s,addr=%s,laddr=0.0.0.0,lport=22", user, client, client)
}

// ParseSettings reads what `sshd -T` prints.
func ParseSettings(text string) Settings {
	s := Settings{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name != "" {
			s[name] = append(s[name], value)
		}
	}
	return s
}

// admits tells why sshd would not let a user in whatever the key, or "".
func (s Settings) admits(user string, groups []string, from netip.Addr) string {
	isUser := func(pattern string) bool { return matchUser(pattern, user, from) }
	isGroup := func(pattern string) bool {
		return slices.ContainsFunc(groups, func(g string) bool { return glob(pattern, g) })
	}
	allowed := func(name string, fits func(string) bool) bool {
		list := s.words(name)
		return len(list) == 0 || slices.ContainsFunc(list, fits)
	}
	switch {
	case s.Get("pubkeyauthentication") == "no":
		return "sshd takes no keys at all (PubkeyAuthentication no)"
	case slices.ContainsFunc(s.words("denyusers"), isUser):
		return "sshd refuses the user by DenyUsers"
	case !allowed("allowusers", isUser):
		return "the user is not in sshd's AllowUsers"
	case slices.ContainsFunc(s.words("denygroups"), isGroup):
		return "sshd refuses a group of the user by DenyGroups"
	case !allowed("allowgroups", isGroup):
		return "no group of the user is in sshd's AllowGroups"
	case forced(s.Get("forcecommand")):
		return "sshd runs only " + strconv.Quote(s.Get("forcecommand")) + " for the user (ForceCommand)"
	}
	return ""
}

func forced(command string) bool { return command != "" && command != "none" }

// KeyFiles are the files that sshd looks for the keys of an account in.
func (s Settings) KeyFiles(a Account) []string {
	patterns := s.words("authorizedkeysfile")
	if len(patterns) == 0 {
		patterns = []string{".ssh/authorized_keys", ".ssh/authorized_keys2"}
	}
	var files []string
	for _, p := range patterns {
		if p == "none" {
			continue
		}
		p = strings.NewReplacer("%%", "%", "%h", a.Home, "%u", a.Name, "%U", strconv.Itoa(a.UID)).Replace(p)
		if !path.IsAbs(p) {
			p = path.Join(a.Home, p)
		}
		files = append(files, p)
	}
	return files
}

// matchUser matches "USER" or "USER@HOST" of AllowUsers and DenyUsers.
func matchUser(pattern, user string, from netip.Addr) bool {
	name, client, limited := strings.Cut(pattern, "@")
	return glob(name, user) && (!limited || matchAddress(client, from))
}

// matchAddress matches one pattern of an address list: a network, an address, or
// either with "*" and "?". Names of hosts never match: to trust them would need DNS.
func matchAddress(pattern string, from netip.Addr) bool {
	if !from.IsValid() {
		return false
	}
	if network, err := netip.ParsePrefix(pattern); err == nil {
		return network.Contains(from)
	}
	return glob(pattern, from.String())
}

// glob matches with "*" and "?" as the only special characters (ssh_config(5)).
func glob(pattern, s string) bool {
	literal := strings.NewReplacer(`\`, `\\`, `[`, `\[`)
	matched, err := path.Match(literal.Replace(pattern), strings.ReplaceAll(s, "/", "_"))
	return err == nil && matched
}

// Refused tells what keeps an account from logging in however it proves who it
// is, or "".
func (d Database) Refused(m host.Machine, a Account, s Settings, from netip.Addr) string {
	anyMethod := maps.Clone(s)
	anyMethod["pubkeyauthentication"] = nil
	return d.noLogin(m, a, anyMethod, from)
}
