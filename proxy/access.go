package proxy

import (
	"log/slog"
	"net/http"
	"net/netip"
)

// everybody is how allow and deny name all addresses.
const everybody = "all"

// access tells by their address whom a site or a route serves.
type access struct {
	allowed networks // empty: all that are not denied
	denied  networks
}

// access is nil if the rules are silent about it.
func (r Rules) access() (*access, error) {
	if len(r.Allow) == 0 && len(r.Deny) == 0 {
		return nil, nil
	}
	allowed, err := parseAudience(r.Allow)
	if err != nil {
		return nil, err
	}
	denied, err := parseAudience(r.Deny)
	return &access{allowed, denied}, err
}

func parseAudience(written []string) (networks, error) {
	var all networks
	for _, one := range written {
		if one == everybody {
			all = append(all, netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0))
			continue
		}
		prefix, err := parsePrefix(one)
		if err != nil {
			return nil, err
		}
		all = append(all, prefix)
	}
	return all, nil
}

// admits takes the address of a client as origin has it, behind trusted proxies.
// Who can't be told is not served: the list may be there to keep them out.
func (a *access) admits(client string) bool {
	addr, err := netip.ParseAddr(client)
	if err != nil || a.denied.contain(addr) {
		return false
	}
	return len(a.allowed) == 0 || a.allowed.contain(addr)
}

func denied() *failure {
	return &failure{status: http.StatusForbidden, level: slog.LevelInfo, reason: "client's address is not allowed here", page: pageForbidden}
}
