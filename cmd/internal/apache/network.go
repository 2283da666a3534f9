package apache

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// thisMachine is what "Require local" and "Allow from localhost" let in.
func thisMachine() []string { return []string{"127.0.0.0/8", "::1"} }

// parseNetworks writes addresses of httpd, such as "10.1" and
// "10.1.0.0/255.255.0.0", as gateway does.
func parseNetworks(written []string) ([]string, error) {
	var networks []string
	for _, one := range written {
		network, ok := parseNetwork(one)
		if !ok {
			return nil, fmt.Errorf("%s is no address; gateway looks no names up", one)
		}
		if !slices.Contains(networks, network) {
			networks = append(networks, network)
		}
	}
	return networks, nil
}

func parseNetwork(written string) (string, bool) {
	host, mask, masked := strings.Cut(written, "/")
	if addr, err := netip.ParseAddr(host); err == nil {
		if !masked {
			return addr.String(), true
		}
		if wide, err := netip.ParseAddr(mask); err == nil && wide.Is4() {
			mask = strconv.Itoa(ones(wide))
		}
		prefix, err := netip.ParsePrefix(host + "/" + mask)
		return prefix.String(), err == nil
	}
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	if masked || len(parts) > 3 {
		return "", false
	}
	whole := strings.Join(append(slices.Clone(parts), []string{"0", "0", "0"}[:4-len(parts)]...), ".")
	addr, err := netip.ParseAddr(whole)
	return netip.PrefixFrom(addr, 8*len(parts)).String(), err == nil
}

func ones(mask netip.Addr) int {
	n := 0
	for _, b := range mask.As4() {
		for ; b != 0; b <<= 1 {
			n++
		}
	}
	return n
}
