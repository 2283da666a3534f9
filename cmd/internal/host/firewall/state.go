package firewall

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Files of ufw. Those of its rules can be read by root only.
const (
	confFile     = "/etc/ufw/ufw.conf"    // whether it is on after a boot
	defaultsFile = "/etc/default/ufw"     // IPv6, and what happens where no rule fits
	rulesFile    = "/etc/ufw/user.rules"  // of IPv4
	rules6File   = "/etc/ufw/user6.rules" // of IPv6
)

// ufw is the firewall of a machine as it stands.
type ufw struct {
	active  bool   // in the kernel, by its own word
	enabled bool   // after a boot
	unit    string // of systemd, as systemctl is-enabled says; "" without systemd
	ipv6    bool
	input   string // what happens to what no rule is about: ACCEPT, DROP or REJECT
	rules   []Rule
	files   map[string]file // that a command of ufw may write
}

// file is one of ufw's as it is.
type file struct {
	text []byte
	perm fs.FileMode
}

// readUFW reads ufw's files, and asks it whether it is on.
func readUFW(ctx context.Context, m host.Machine) (ufw, error) {
	u := ufw{files: map[string]file{}}
	for _, name := range []string{confFile, defaultsFile, rulesFile, rules6File} {
		text, err := m.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return u, fmt.Errorf("reading the firewall: %w", err)
		}
		info, err := m.Stat(name)
		if err != nil {
			return u, fmt.Errorf("reading the firewall: %w", err)
		}
		u.files[name] = file{text, info.Mode().Perm()}
	}
	u.parse()
	status, err := m.Run(ctx, host.Command{Argv: []string{"ufw", "status"}})
	if err != nil {
		return u, fmt.Errorf("asking ufw for its state: %w", err)
	}
	u.active = strings.HasPrefix(string(status.Stdout), "Status: active")
	if account.Installed(m, "systemctl") {
		// The exit status is not 0 for "disabled"; what it prints tells.
		answer, err := m.Run(ctx, host.Command{Argv: []string{"systemctl", "is-enabled", "ufw.service"}})
		if exit := (*host.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			return u, fmt.Errorf("asking systemd for ufw.service: %w", err)
		}
		u.unit = strings.TrimSpace(string(answer.Stdout))
	}
	return u, nil
}

// parse reads what the files say.
func (u *ufw) parse() {
	u.enabled = setting(u.files[confFile].text, "ENABLED") == "yes"
	u.ipv6 = setting(u.files[defaultsFile].text, "IPV6") == "yes"
	u.input = setting(u.files[defaultsFile].text, "DEFAULT_INPUT_POLICY")
	u.rules = append(parseRules(string(u.files[rulesFile].text), 4), parseRules(string(u.files[rules6File].text), 6)...)
}

// setting reads NAME=value, or NAME="value", of a file of shell variables.
func setting(text []byte, name string) string {
	value := ""
	for line := range strings.Lines(string(text)) {
		if v, found := strings.CutPrefix(strings.TrimSpace(line), name+"="); found {
			value = strings.Trim(v, `"'`) // the last one counts, as in a shell
		}
	}
	return value
}

// withSetting is a file of shell variables with one set to another value.
func withSetting(text []byte, name, value string) []byte {
	var lines []string
	found := false
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(strings.TrimSpace(line), name+"=") {
			line, found = name+"="+value+"\n", true
		}
		lines = append(lines, line)
	}
	if !found {
		lines = append(lines, name+"="+value+"\n")
	}
	return []byte(strings.Join(lines, ""))
}

// families are those whose packets the rules of ufw are about.
func (u ufw) families() []int {
	if u.ipv6 {
		return []int{4, 6}
	}
	return []int{4}
}

// kernelHasIPv6 tells whether anything can come in by IPv6, loopback aside.
func kernelHasIPv6(m host.Machine) bool {
	text, err := m.ReadFile("/proc/net/if_inet6")
	if err != nil {
		return false // switched off at boot
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 6 && f[5] != "lo" {
			return true
		}
	}
	return false
}
