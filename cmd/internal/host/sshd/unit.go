package sshd

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// unit is what `systemctl show` tells about one unit.
type unit struct {
	id, load, active string
	listen           []string // addresses of a socket
}

// daemon is how sshd runs on a machine.
type daemon struct {
	service string   // "ssh.service" on Debian, "sshd.service" elsewhere; "" without systemd
	running bool     // the service is
	socket  string   // the unit that may listen in its place, or ""
	sockets []string // where it does
}

// findDaemon asks systemd for sshd, under both of its names.
func findDaemon(ctx context.Context, m host.Machine) daemon {
	result, err := m.Run(ctx, host.Command{Argv: []string{"systemctl", "show", "--property=Id,LoadState,ActiveState,Listen", "ssh.service", "sshd.service", "ssh.socket", "sshd.socket"}})
	if err != nil {
		return daemon{} // systemd is not in charge here
	}
	return daemonOf(parseUnits(string(result.Stdout)))
}

func daemonOf(units []unit) daemon {
	var d daemon
	for _, u := range units {
		switch {
		case u.load != "loaded" && u.load != "masked":
		case strings.HasSuffix(u.id, ".socket"):
			if u.active == "active" || d.socket == "" {
				d.socket = u.id
			}
			if u.active == "active" {
				d.sockets = append(d.sockets, u.listen...)
			}
		case u.active == "active" || d.service == "":
			d.service, d.running = u.id, u.active == "active"
		}
	}
	return d
}

// parseUnits reads blocks of KEY=VALUE with an empty line between two.
func parseUnits(text string) []unit {
	var units []unit
	for block := range strings.SplitSeq(text, "\n\n") {
		var u unit
		for line := range strings.Lines(block) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			switch key {
			case "Id":
				u.id = value
			case "LoadState":
				u.load = value
			case "ActiveState":
				u.active = value
			case "Listen":
				if address, kind, _ := strings.Cut(value, " "); kind == "(Stream)" {
					u.listen = append(u.listen, address)
				}
			}
		}
		if u.id != "" {
			units = append(units, u)
		}
	}
	return units
}

// The ways in which a running sshd comes to read its configuration again.
const (
	reloadProcess = `if pid=$(cat "$1" 2>/dev/null) && [ "$(cat "/proc/$pid/comm")" = sshd ]; then kill -HUP "$pid"; fi`
	reloadService = `if systemctl is-active --quiet "$1"; then systemctl reload "$1"; fi`
	// An sshd that a socket has started can't take the port a second time, and would
	// end with an error. It is stopped: its sessions go on, and the socket, which
	// never closes, starts another one at the next login.
	reloadBehindSocket = `if ! systemctl is-active --quiet "$2"; then
	` + reloadService + `
elif systemctl is-active --quiet "$1"; then
	systemctl stop "$1"
fi`
)

// reload makes a running sshd read its configuration again, and does nothing
// where none runs. The port is never closed, as it would be after a restart with
// a configuration that sshd does not take.
func (d daemon) reload(pidFile string) host.Command {
	switch {
	case d.service == "":
		return host.Command{Argv: []string{"sh", "-c", reloadProcess, "sh", pidFile}}
	case d.socket == "":
		return host.Command{Argv: []string{"sh", "-c", reloadService, "sh", d.service}}
	}
	return host.Command{Argv: []string{"sh", "-c", reloadBehindSocket, "sh", d.service, d.socket}}
}

// reloading says what reload does.
func (d daemon) reloading() string {
	switch {
	case d.service == "":
		return "reload sshd"
	case len(d.sockets) > 0:
		return "end the listening " + d.service + ", which " + d.socket + " starts anew at the next login"
	}
	return "reload " + d.service
}

// addresses are where a client on this host reaches sshd: where systemd or sshd
// itself listens, which may be elsewhere than the configuration says, by an option
// on its command line.
func (d daemon) addresses(s account.Settings, listeners []host.Listener) []string {
	listening := slices.Clone(d.sockets)
	for _, l := range listeners {
		if account.TakesLogins(l) {
			listening = append(listening, l.Address)
		}
	}
	if len(listening) == 0 {
		listening = s["listenaddress"]
	}
	var all []string
	for _, address := range listening {
		if at := local(address); !slices.Contains(all, at) {
			all = append(all, at)
		}
	}
	return all
}

// local is the address by which this host itself reaches what listens on a
// wildcard.
func local(address string) string {
	ip, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Sprintf("127.0.0.1:%s", address) // a socket that names a port only
	}
	switch ip {
	case "", "0.0.0.0", "*":
		ip = "127.0.0.1"
	case "::":
		ip = "::1"
	}
	return net.JoinHostPort(ip, port)
}
