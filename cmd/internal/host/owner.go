package host

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// socketOwner names the user of a listening TCP socket by the kernel's own list,
// which shows the sockets of all users to everybody, though not their processes.
// It is "" where there is no such list, as on macOS.
func socketOwner(address netip.AddrPort) string {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		if uid, found := ownerIn(string(text), address); found {
			return userName(uid)
		}
	}
	return ""
}

// userName is the name of a user, or its number if it has none.
func userName(uid uint32) string {
	number := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(number); err == nil {
		return u.Username
	}
	return number
}

// ownerIn looks for a listening socket in the text of /proc/net/tcp or tcp6,
// whose fields proc_pid_net(5) describes: "sl local remote state queues timer
// retransmits uid ...", with state 0A for a listening socket.
func ownerIn(table string, address netip.AddrPort) (uid uint32, found bool) {
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 8 || fields[3] != "0A" || kernelAddress(fields[1]) != address {
			continue
		}
		if n, err := strconv.ParseUint(fields[7], 10, 32); err == nil {
			return uint32(n), true
		}
	}
	return 0, false
}

// kernelAddress reads "0100007F:1F90". The address is written as numbers of 32
// bits, in the byte order of the machine.
func kernelAddress(s string) netip.AddrPort {
	ip, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(ip)
	if err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}
	}
	a, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(a.Unmap(), uint16(n))
}
