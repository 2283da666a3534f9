// Package host tells an admin about the machine that gateway runs on: which
// process holds a port, and what to do about it.
package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"

	psnet "github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"
)

// ErrNoHolder is returned by Holder when no socket is bound to the address.
var ErrNoHolder = errors.New("no process holds it")

// Listener is a socket that waits for connections, and the process it belongs to.
type Listener struct {
	Address string `json:"address"`           // as the kernel has it: "127.0.0.1:7879", "[::]:443", or a path for a unix socket
	PID     int    `json:"pid,omitempty"`     // 0 when the process can't be seen: it belongs to another user, or to the kernel
	User    string `json:"user,omitempty"`    // name of the socket's user, or its number if it has no name; "" when unknown
	Command string `json:"command,omitempty"` // the command line, fit for a terminal: see printable; "" when unknown
	Unit    string `json:"unit,omitempty"`    // the systemd service that runs it, "apache2.service"; "" when none does
}

// Holder finds the process whose socket keeps others from listening on address.
// The network is "tcp", "tcp4", "tcp6" or "unix"; the address is written as for
// [net.Listen]. A listening socket is preferred, and the one that fits closest;
// failing that, a connection that happens to use the port, because that too
// keeps a listener out. The error wraps ErrNoHolder when nothing does.
//
// The processes of other users are seen by root only: without that right, the
// Listener has no PID, and on macOS the error may be ErrNoHolder.
//
// It looks through the open files of every process that it may read, which
// takes tens of milliseconds on a busy host: it is for messages, not for loops.
// On macOS it runs the system's lsof.
func Holder(ctx context.Context, network, address string) (Listener, error) {
	closeness, err := matcher(ctx, network, address)
	if err != nil {
		return Listener{}, fmt.Errorf("looking for the holder of %s: %w", address, err)
	}
	sockets, err := psnet.ConnectionsWithoutUidsWithContext(ctx, kind(network))
	if err != nil {
		return Listener{}, fmt.Errorf("looking for the holder of %s: %w", address, err)
	}
	best, rank := psnet.ConnectionStat{}, 0
	for _, s := range sockets {
		if r := closeness(s); r > rank {
			best, rank = s, r
		}
	}
	if rank == 0 {
		return Listener{}, fmt.Errorf("%s: %w", address, ErrNoHolder)
	}
	return describe(ctx, best), nil
}

// Listeners lists the TCP sockets that wait for connections on this host, in
// the order of their ports. Processes of other users are listed without their
// pid unless gateway runs as root.
func Listeners(ctx context.Context) ([]Listener, error) {
	sockets, err := psnet.ConnectionsWithoutUidsWithContext(ctx, "tcp")
	if err != nil {
		return nil, fmt.Errorf("listing the listening sockets: %w", err)
	}
	sockets = slices.DeleteFunc(sockets, func(s psnet.ConnectionStat) bool { return s.Status != "LISTEN" })
	slices.SortStableFunc(sockets, func(a, b psnet.ConnectionStat) int {
		return cmp.Or(cmp.Compare(a.Laddr.Port, b.Laddr.Port), cmp.Compare(a.Laddr.IP, b.Laddr.IP))
	})
	listeners := make([]Listener, 0, len(sockets))
	for _, s := range sockets {
		listeners = append(listeners, describe(ctx, s))
	}
	return listeners, ctx.Err()
}

// kind is gopsutil's word for the sockets that can be in the way on a network.
// All families are asked for "tcp4" too: "[::]:80" usually serves IPv4 as well.
func kind(network string) string {
	if network == "unix" {
		return "unix"
	}
	return "tcp"
}

// matcher returns a function that tells how closely a socket fits the address;
// 0 is not at all.
func matcher(ctx context.Context, network, address string) (func(psnet.ConnectionStat) int, error) {
	switch network {
	case "unix":
		return func(s psnet.ConnectionStat) int {
			if s.Laddr.IP != address {
				return 0
			}
			return withPID(1, s)
		}, nil
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, net.UnknownNetworkError(network)
	}
	wanted, err := resolve(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return func(s psnet.ConnectionStat) int {
		return withPID(closest(wanted, socketAddress(s), s.Status), s)
	}, nil
}

// withPID lets a socket whose process is known win over an equal one without.
func withPID(rank int, s psnet.ConnectionStat) int {
	if rank == 0 || s.Pid == 0 {
		return 2 * rank
	}
	return 2*rank + 1
}

// resolve lists the addresses that listening on address would take.
func resolve(ctx context.Context, network, address string) ([]netip.AddrPort, error) {
	name, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, network, service)
	if err != nil {
		return nil, err
	}
	addresses := []netip.Addr{netip.IPv6Unspecified()}
	switch {
	case name == "" && network == "tcp4":
		addresses[0] = netip.IPv4Unspecified()
	case name != "":
		if addresses, err = net.DefaultResolver.LookupNetIP(ctx, "ip"+network[len("tcp"):], name); err != nil {
			return nil, err
		}
	}
	wanted := make([]netip.AddrPort, 0, len(addresses))
	for _, a := range addresses {
		wanted = append(wanted, netip.AddrPortFrom(a.Unmap().WithZone(""), uint16(port)))
	}
	return wanted, nil
}

// closest ranks a bound socket against the addresses that somebody wants:
// listening sockets before connections, the same address before an overlapping
// wildcard, and that before a wildcard of the other family, which overlaps only
// if it is not limited to IPv6.
func closest(wanted []netip.AddrPort, bound netip.AddrPort, status string) int {
	if status == "TIME_WAIT" { // never in the way: Go listens with SO_REUSEADDR
		return 0
	}
	best := 0
	for _, w := range wanted {
		best = max(best, overlap(w, bound))
	}
	if best > 0 && status == "LISTEN" {
		best += 3
	}
	return best
}

func overlap(wanted, bound netip.AddrPort) int {
	a, b := wanted.Addr(), bound.Addr()
	switch {
	case wanted.Port() != bound.Port() || !b.IsValid():
		return 0
	case a == b:
		return 3
	case !a.IsUnspecified() && !b.IsUnspecified():
		return 0
	case a.Is4() == b.Is4():
		return 2
	case a.IsUnspecified() && a.Is6(), b.IsUnspecified() && b.Is6():
		return 1
	}
	return 0
}

func socketAddress(s psnet.ConnectionStat) netip.AddrPort {
	ip := s.Laddr.IP
	if ip == "*" { // lsof's wildcard, for both families
		ip = "::"
	}
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Unmap().WithZone(""), uint16(s.Laddr.Port))
}

func describe(ctx context.Context, s psnet.ConnectionStat) Listener {
	l := Listener{Address: s.Laddr.IP, PID: int(s.Pid)}
	if s.Laddr.Port != 0 {
		l.Address = net.JoinHostPort(s.Laddr.IP, strconv.FormatUint(uint64(s.Laddr.Port), 10))
	}
	if l.PID == 0 {
		l.User = socketOwner(socketAddress(s))
		return l
	}
	// The process may end while we look: what can't be read stays empty.
	p := &process.Process{Pid: s.Pid}
	if argv, err := p.CmdlineSliceWithContext(ctx); err == nil {
		l.Command = printable(argv)
	}
	l.User = owner(ctx, p)
	if cgroup, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", l.PID)); err == nil { // Linux only
		l.Unit = serviceUnit(string(cgroup))
	}
	return l
}

func owner(ctx context.Context, p *process.Process) string {
	if name, err := p.UsernameWithContext(ctx); err == nil {
		return name
	}
	uids, err := p.UidsWithContext(ctx)
	if err != nil || len(uids) == 0 {
		return ""
	}
	return userName(uids[0])
}
