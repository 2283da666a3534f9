package firewall

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Door is a TCP port that must be open.
type Door struct {
	Port int    `json:"port"`
	For  string `json:"for"` // "ssh", or the name of a site
}

// sshDoors are the ports on which an admin may come in: those that sshd's
// configuration names, those that it listens on, those that systemd listens on
// for it, and the one of the login that we sit in. notes say what could not be
// found out.
func (s *Step) sshDoors(ctx context.Context, m host.Machine) (doors []Door, notes []string, err error) {
	ports := map[int]bool{}
	if account.Installed(m, "sshd") {
		settings, err := account.SSHD(ctx, m, "", netip.Addr{})
		if err != nil {
			notes = append(notes, fmt.Sprintf("sshd does not tell its ports, so only those count that it listens on now: %v", err))
		}
		for _, port := range settings.Ports() {
			ports[port] = true
		}
	}
	listeners, err := s.around.Listeners(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, l := range listeners {
		if port, ok := sshListens(l); ok {
			ports[port] = true
		}
	}
	for _, port := range socketPorts(ctx, m) {
		ports[port] = true
	}
	if server := s.around.Present.Server; server.IsValid() {
		ports[int(server.Port())] = true
	}
	for port := range ports {
		doors = append(doors, Door{Port: port, For: "ssh"})
	}
	slices.SortFunc(doors, func(a, b Door) int { return a.Port - b.Port })
	return doors, notes, nil
}

// sshListens tells the port of a socket of an ssh server that the network reaches.
func sshListens(l host.Listener) (port int, ok bool) {
	at, err := netip.ParseAddrPort(l.Address)
	if err != nil || at.Addr().IsLoopback() || !account.TakesLogins(l) {
		return 0, false
	}
	return int(at.Port()), true
}

// socketPorts are those on which systemd waits for sshd. Where it does, the
// ports of sshd's configuration may not count (Debian), or may (Ubuntu 24.04).
func socketPorts(ctx context.Context, m host.Machine) []int {
	if !account.Installed(m, "systemctl") {
		return nil
	}
	result, err := m.Run(ctx, host.Command{Argv: []string{"systemctl", "show", "--property=ActiveState,Listen", "ssh.socket", "sshd.socket"}})
	if err != nil {
		return nil // without systemd as process 1 there are no sockets
	}
	return parseSockets(string(result.Stdout))
}

var listenStream = regexp.MustCompile(`(?m)^Listen=(.*):([0-9]+) \(Stream\)`)

// parseSockets reads paragraphs, one a unit, of "ActiveState=active" and
// "Listen=[::]:22 (Stream)" lines.
func parseSockets(text string) []int {
	var ports []int
	for unit := range strings.SplitSeq(text, "\n\n") {
		if !strings.Contains(unit, "ActiveState=active") {
			continue
		}
		for _, m := range listenStream.FindAllStringSubmatch(unit, -1) {
			host, err := netip.ParseAddr(strings.Trim(m[1], "[]"))
			if err == nil && host.IsLoopback() {
				continue
			}
			if port, err := strconv.ParseUint(m[2], 10, 16); err == nil && port > 0 {
				ports = append(ports, int(port))
			}
		}
	}
	return ports
}
