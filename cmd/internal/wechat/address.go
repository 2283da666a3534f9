package wechat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"gateway/certs"
)

// addresses are where the server is to be asked.
func (c Check) addresses(ctx context.Context) ([]netip.Addr, certs.Finding) {
	found := certs.Finding{Item: itemAddress, Verdict: certs.Skipped}
	if len(c.Addresses) > 0 {
		found.Seen = "DNS is not asked: " + list(c.Addresses)
		return c.Addresses, found
	}
	if literal, err := netip.ParseAddr(c.Target.Host); err == nil {
		found.Seen = "DNS is not asked for an IP address"
		return []netip.Addr{literal}, found
	}
	ctx, cancel := context.WithTimeout(ctx, c.Waits.Lookup)
	defer cancel()
	name := c.Target.Host
	if strings.Contains(name, ".") {
		name += "." // keeps the search list of resolv.conf out
	}
	all, err := c.Lookup(ctx, "ip", name)
	if err != nil {
		return nil, c.unresolved(err)
	}
	all = distinct(all)
	return all[:min(len(all), mostAddresses)], judgeAddresses(all)
}

// distinct drops repetitions, and IPv4 addresses in the dress of IPv6.
func distinct(all []netip.Addr) []netip.Addr {
	for i, address := range all {
		all[i] = address.Unmap()
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

func (c Check) unresolved(err error) certs.Finding {
	f := certs.Finding{Item: itemAddress, Verdict: certs.Failed}
	var failed *net.DNSError
	if errors.As(err, &failed) && failed.IsNotFound {
		f.Seen = "DNS has neither an A nor an AAAA record for " + c.Target.Host
		f.Remedies = []string{"add an A record with the server's public address at your DNS provider; to look at the server before that, give its address: --address IP"}
		return f
	}
	f.Seen = "DNS gave no answer for " + c.Target.Host + ": " + err.Error()
	f.Remedies = []string{"see the name servers of the domain, and of this machine (resolvectl status)"}
	return f
}

// judgeAddresses tells whether phones can reach what DNS says.
func judgeAddresses(all []netip.Addr) certs.Finding {
	f := certs.Finding{Item: itemAddress, Verdict: certs.Passed, Seen: list(all)}
	hidden := slices.DeleteFunc(slices.Clone(all), public)
	switch {
	case len(hidden) > 0:
		f.Verdict = certs.Failed
		f.Seen = list(hidden) + " can't be reached from the internet"
		f.Remedies = []string{"correct the record at your DNS provider; if only this machine sees that address (/etc/hosts, an own name server, a proxy program), give the public one: --address IP"}
	case len(all) > mostAddresses:
		f.Seen += fmt.Sprintf("; only the first %d are looked at", mostAddresses)
	case !slices.ContainsFunc(all, netip.Addr.Is4):
		f.Verdict = certs.Warned
		f.Seen += ": no A record, so phones in networks without IPv6 have no way"
		f.Remedies = []string{"add an A record with the server's IPv4 address"}
	}
	return f
}

// public tells whether an address can be reached from the internet.
func public(address netip.Addr) bool {
	for _, reserved := range []string{"0.0.0.0/8", "100.64.0.0/10", "198.18.0.0/15"} { // RFC 6890; proxy programs answer with the last
		if netip.MustParsePrefix(reserved).Contains(address) {
			return false
		}
	}
	return address.IsGlobalUnicast() && !address.IsPrivate()
}

func list(all []netip.Addr) string {
	var texts []string
	for _, address := range all {
		record := "AAAA"
		if address.Is4() {
			record = "A"
		}
		texts = append(texts, fmt.Sprintf("%s (%s)", address, record))
	}
	return strings.Join(texts, ", ")
}

// reach makes a TCP connection.
func (c Check) reach(ctx context.Context, dial certs.Dial, address netip.Addr) certs.Finding {
	ctx, cancel := context.WithTimeout(ctx, c.Waits.Connect)
	defer cancel()
	start := time.Now()
	conn, err := dial(ctx)
	if err == nil {
		_ = conn.Close() // nothing was written
		return certs.Finding{Item: itemReachable, Verdict: certs.Passed, Seen: fmt.Sprintf("connected in %v", time.Since(start).Round(time.Millisecond))}
	}
	return c.unreachable(err, address)
}

func (c Check) unreachable(err error, address netip.Addr) certs.Finding {
	f := certs.Finding{Item: itemReachable, Verdict: certs.Failed}
	port := c.Target.Port
	switch {
	case !address.Is4() && noIPv6(err):
		f.Verdict = certs.Skipped
		f.Seen = "this machine has no way to IPv6: " + plain(err)
		f.Remedies = []string{"run this on a machine with IPv6, since phones use the AAAA record"}
		return f
	case errors.Is(err, syscall.ECONNREFUSED):
		f.Seen = fmt.Sprintf("nothing listens there: port %d is refused", port)
		f.Remedies = []string{fmt.Sprintf(`gateway: the site needs ":%d" in its listen, and gateway must run: gateway status`, port), fmt.Sprintf("nginx: listen %d ssl; and listen [::]:%d ssl;", port, port), fmt.Sprintf("Apache: Listen %d and a virtual host for it", port)}
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT):
		f.Seen = fmt.Sprintf("no answer in %v: a firewall drops what comes to port %d, or the machine is off", c.Waits.Connect, port)
		f.Remedies = []string{fmt.Sprintf("let TCP %d in: the security group in the console of the cloud provider, and ufw allow %d/tcp", port, port),
			"on the server itself its public address may lead nowhere: run this on another machine, or with --address 127.0.0.1"}
	default:
		f.Seen = plain(err)
		f.Remedies = []string{"see whether that is the server's address: ip address"}
	}
	if !address.Is4() {
		f.Remedies = append(f.Remedies, "or take the AAAA record out of DNS: phones with IPv6 try it first")
	}
	return f
}

// noIPv6 tells whether the way out is missing on this machine, which says nothing
// of the server.
func noIPv6(err error) bool {
	for _, errno := range []syscall.Errno{syscall.ENETUNREACH, syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// plain is what the operating system said, without the address that stands beside it.
func plain(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}
