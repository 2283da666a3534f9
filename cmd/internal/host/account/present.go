package account

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"gateway/cmd/internal/host"
)

// Present is the login that gateway was started from.
type Present struct {
	Users  []string       // who sits there: also behind sudo and su
	Client netip.AddrPort // of the ssh connection; zero without one
	Server netip.AddrPort // this host's end of it
}

// Is tells whether an account is one of those who sit there.
func (p Present) Is(name string) bool { return slices.Contains(p.Users, name) }

// FindPresent looks at a process and at all that it descends from. sudo takes
// SSH_CONNECTION away and changes the user, but the shell before it still has
// both; in tmux and screen that shell is gone, and what is left is what they were
// started with. Root is not told: it says nothing about a person.
func FindPresent(m host.Machine, d Database, pid int) Present {
	var p Present
	for range 64 { // deeper than anybody nests shells; a cycle would need a broken /proc
		status, err := m.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			break
		}
		parent, uid := parseStatus(string(status))
		p.add(d, uid)
		p.addLogin(m, d, pid)
		p.addEnvironment(m, pid)
		if parent <= 1 {
			break
		}
		pid = parent
	}
	return p
}

func (p *Present) add(d Database, uid int) {
	if a, found := d.ByUID(uid); found && uid != 0 && a.HasShell() {
		p.addName(a.Name)
	}
}

func (p *Present) addName(name string) {
	if name != "" && name != "root" && !p.Is(name) {
		p.Users = append(p.Users, name)
	}
}

// addLogin adds the user of pam_loginuid(8), whom neither sudo nor su changes.
func (p *Present) addLogin(m host.Machine, d Database, pid int) {
	text, err := m.ReadFile(fmt.Sprintf("/proc/%d/loginuid", pid))
	if err != nil {
		return
	}
	if uid, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32); err == nil {
		p.add(d, int(uid)) // 4294967295 is "none", and nobody
	}
}

func (p *Present) addEnvironment(m host.Machine, pid int) {
	text, err := m.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return
	}
	for variable := range strings.SplitSeq(string(text), "\x00") {
		switch name, value, _ := strings.Cut(variable, "="); name {
		case "SUDO_USER":
			p.addName(value)
		case "SSH_CONNECTION":
			if client, server, ok := parseConnection(value); ok && !p.Client.IsValid() {
				p.Client, p.Server = client, server
			}
		}
	}
}

// parseConnection reads "client port server port" (ssh(1)).
func parseConnection(text string) (client, server netip.AddrPort, ok bool) {
	f := strings.Fields(text)
	if len(f) != 4 {
		return client, server, false
	}
	client, clientOK := addrPort(f[0], f[1])
	server, serverOK := addrPort(f[2], f[3])
	return client, server, clientOK && serverOK
}

func addrPort(address, port string) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(address)
	n, portErr := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), err == nil && portErr == nil
}

// parseStatus reads the parent and the real user of /proc/PID/status.
func parseStatus(text string) (parent, uid int) {
	uid = -1
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		f := strings.Fields(value)
		if len(f) == 0 {
			continue
		}
		switch n, err := number(f[0]); {
		case err != nil:
		case name == "PPid":
			parent = n
		case name == "Uid":
			uid = n
		}
	}
	return parent, uid
}
