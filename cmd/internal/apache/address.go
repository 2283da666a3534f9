package apache

import (
	"net/netip"
	"strconv"
	"strings"
)

// address is where a Listen or a <VirtualHost> stands.
type address struct {
	host  string // an IP address without brackets; "" for all
	port  int    // 0: any
	named bool   // written with a host name, which is not looked up
}

// String is the address as gateway's listen has it.
func (a address) String() string {
	port := strconv.Itoa(a.port)
	if strings.Contains(a.host, ":") {
		return "[" + a.host + "]:" + port
	}
	return a.host + ":" + port
}

// parseAddress reads "443", "*:443", "_default_:443", "192.0.2.7:443",
// "[::1]:443", "192.0.2.7" and, for a virtual host, "*" and "name:443".
func parseAddress(written string) (a address, ok bool) {
	host, port := written, ""
	switch end := strings.LastIndexByte(written, ':'); {
	case isNumber(written):
		host, port = "", written
	case strings.HasSuffix(written, "]") || end < 0:
	default:
		host, port = written[:end], written[end+1:]
	}
	if port != "" && port != "*" {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return address{}, false
		}
		a.port = n
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if host == "" || host == "*" || strings.EqualFold(host, "_default_") {
		return a, true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		a.named = true
		return a, true
	}
	a.host = ip.Unmap().String()
	return a, true
}

func isNumber(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// meets is the address on which a virtual host gets connections of a Listen.
func (a address) meets(listen address) (address, bool) {
	switch {
	case a.port != 0 && a.port != listen.port:
		return address{}, false
	case a.host == "" || a.host == listen.host:
		return listen, true
	case listen.host == "" || listen.isAny() && sameFamily(listen.host, a.host):
		return address{host: a.host, port: listen.port}, true
	}
	return address{}, false
}

// isAny reports 0.0.0.0 and ::, all addresses of one family.
func (a address) isAny() bool { return a.host == "0.0.0.0" || a.host == "::" }

func sameFamily(a, b string) bool { return strings.Contains(a, ":") == strings.Contains(b, ":") }

// covers reports whether b can't be listened on beside a, because a takes its
// connections too.
func (a address) covers(b address) bool {
	return a.port == b.port && a != b && (a.host == "" || a.isAny() && b.host != "" && sameFamily(a.host, b.host))
}
