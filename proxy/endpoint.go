package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Endpoint is one address to listen on, as a site's listen names it.
type Endpoint struct {
	Network   string // "tcp" (both families), "tcp4" or "tcp6", for net.Listen
	Address   string // canonical: ":443", "127.0.0.1:7879", "[::1]:443"
	PlainOnly bool   // written with "http://": TLS is not spoken here
}

// ParseEndpoint reads an address of listen. ":443" is every address of both
// families; "0.0.0.0:443" is IPv4 only and "[::]:443" is IPv6 only, so that the
// two can stand side by side. "http://" in front means plain HTTP only. Port 0
// lets the system choose. Host names are refused: what they resolve to may
// change, and only one of their addresses would be bound.
func ParseEndpoint(written string) (Endpoint, error) {
	rest, plain := strings.CutPrefix(written, "http://")
	if scheme, _, found := strings.Cut(rest, "://"); found {
		return Endpoint{}, fmt.Errorf("%q starts with %q: write the address alone for TLS, or http:// in front of it for plain HTTP only", written, scheme+"://")
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		return Endpoint{}, fmt.Errorf("%q is not an address: write it with a port, such as \":443\", \"127.0.0.1:7879\" or \"[::1]:443\"", written)
	}
	if !isPort(port) {
		return Endpoint{}, fmt.Errorf("%q has the port %q: write a number up to 65535 without leading zeros", written, port)
	}
	if host == "" {
		return Endpoint{"tcp", ":" + port, plain}, nil
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return Endpoint{}, fmt.Errorf("%q has the host %q, which is not an IP address: write \":%s\" for all addresses, \"127.0.0.1:%s\" for this machine only", written, host, port, port)
	}
	network := "tcp6"
	if addr = addr.Unmap(); addr.Is4() {
		network = "tcp4"
	}
	return Endpoint{network, net.JoinHostPort(addr.String(), port), plain}, nil
}

// String writes the endpoint as ParseEndpoint reads it, in one canonical spelling.
func (e Endpoint) String() string {
	if e.PlainOnly {
		return "http://" + e.Address
	}
	return e.Address
}

// Port is the TCP port, 0 for "the system chooses".
func (e Endpoint) Port() int {
	port, _ := strconv.Atoi(e.Address[strings.LastIndexByte(e.Address, ':')+1:])
	return port
}

// Overlaps reports whether both cannot be listened on at the same time: the
// ports are equal and one host covers the other.
func (e Endpoint) Overlaps(other Endpoint) bool {
	if e.Port() == 0 || e.Port() != other.Port() {
		return false
	}
	return e.covers(other.addr()) || other.covers(e.addr())
}

// covers reports whether a connection to addr arrives at e.
func (e Endpoint) covers(addr netip.Addr) bool {
	own := e.addr()
	switch {
	case !own.IsValid() || !addr.IsValid():
		return !own.IsValid()
	case own.IsUnspecified():
		return own.Is4() == addr.Is4()
	default:
		return own == addr
	}
}

// addr is the IP address of the endpoint, invalid for "every address".
func (e Endpoint) addr() netip.Addr {
	host, _, _ := net.SplitHostPort(e.Address)
	addr, _ := netip.ParseAddr(host)
	return addr
}

// isPort takes decimal digits without sign, space or leading zero, 0 to 65535.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == s
}
