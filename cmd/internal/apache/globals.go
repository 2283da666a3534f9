package apache

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// globals are the tables of the file that hold for all sites.
func (t *translation) globals(hosts []*host) {
	served := slices.DeleteFunc(slices.Clone(hosts), func(h *host) bool {
		return !slices.ContainsFunc(t.sites, func(s *site) bool { return s.host == h || slices.Contains(s.also, h) })
	})
	t.accessLog(served)
	t.errorLog(served)
	t.clocks()
	t.headerLimits()
	t.trusted()
	t.acmeSettings(served)
}

// clocks are Timeout and KeepAliveTimeout.
func (t *translation) clocks() {
	if d := lastOf(t.main, "Timeout"); d != nil {
		if value, ok := parseDuration(d.arg(0)); ok && value != "0s" {
			t.timeouts.set("first_byte", value, d)
			t.ledger.differently(d, "it is the longest wait for a backend; slow clients have clocks of their own, [timeouts] body and write")
		}
	}
	if d := lastOf(t.main, "KeepAliveTimeout"); d != nil {
		if value, ok := parseDuration(d.arg(0)); ok && value != "0s" {
			t.timeouts.set("idle", value, d)
		}
	}
	if d := lastOf(t.main, "KeepAlive"); d != nil && strings.EqualFold(d.arg(0), "off") {
		t.timeouts.set("idle", "1s", d)
		t.ledger.differently(d, "connections stay open for a second, since each new one costs a handshake")
	}
}

// headerLimits are those of a request's head.
func (t *translation) headerLimits() {
	if d := lastOf(t.main, "LimitRequestFields"); d != nil {
		n, err := strconv.Atoi(d.arg(0))
		switch {
		case err != nil || n < 0:
			t.ledger.lost(d, "this is no number", "write one")
		case n == 0:
			t.limits.set("header_lines", 10000, d)
			t.ledger.differently(d, "gateway always has a limit")
		default:
			t.limits.set("header_lines", max(10, n), d)
		}
	}
	sum := 0
	var from []*Directive
	for _, name := range []string{"LimitRequestLine", "LimitRequestFieldSize"} {
		d := lastOf(t.main, name)
		if d == nil {
			continue
		}
		if n, err := strconv.Atoi(d.arg(0)); err == nil && n > 0 {
			sum = max(sum, n)
			from = append(from, d)
			t.ledger.differently(d, "gateway limits the request line and all fields together")
		}
	}
	if sum > 0 {
		t.limits.set("header", sizeText(int64(min(16<<20, max(64<<10, sum)))), from...)
	}
}

// trusted are the proxies in front of httpd that mod_remoteip knows.
func (t *translation) trusted() {
	header := lastOf(t.main, "RemoteIPHeader")
	ds := named(t.main, "RemoteIPTrustedProxy", "RemoteIPInternalProxy")
	if header == nil {
		return
	}
	if !slices.Contains([]string{"x-forwarded-for", "forwarded"}, strings.ToLower(header.arg(0))) {
		t.ledger.lost(header, "gateway takes the client's address from X-Forwarded-For only, so it sees the proxy's", "let the proxy in front send X-Forwarded-For")
		return
	}
	if len(ds) == 0 {
		t.ledger.lost(header, "it names no proxy to believe, so everybody could forge the address", "write the proxy's address into trusted_proxies")
		return
	}
	for _, d := range ds {
		networks, err := parseNetworks(d.Args)
		if err != nil {
			t.ledger.lost(d, err.Error(), "write the addresses into trusted_proxies")
			continue
		}
		t.top.add("trusted_proxies", networks, d, header)
	}
}

// plural writes a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
