package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
)

// arrival is what the requests of one connection have in common. It is worked out
// for the first of them.
type arrival struct {
	peer    netip.Addr // the other end of the connection
	client  string     // the same as text
	scheme  string     // "https" or "http"
	port    string     // where the connection arrived, "" if unknown
	element atomic.Pointer[forwardedElement]
}

// forwardedElement is the element of Forwarded for one host and scheme. A
// connection hardly ever has requests for more than one.
type forwardedElement struct{ host, scheme, text string }

// origin is where a request comes from, once it is known whom to believe.
type origin struct {
	*arrival
	trusted bool   // peer is one of trusted_proxies
	client  string // address of the client, as logs and backends see it
	scheme  string // "https" or "http", as the client used it
	host    string // Host, as the client used it
	port    string // port, as the client used it
}

// networks is a set of addresses.
type networks []netip.Prefix

func parseNetworks(written []string) (networks, error) {
	var all networks
	for _, one := range written {
		prefix, err := parsePrefix(one)
		if err != nil {
			return nil, err
		}
		all = append(all, prefix)
	}
	return all, nil
}

// trustedProxies are the networks whose forwarding headers are believed.
type trustedProxies struct{ networks }

// parsePrefix reads an address or a network such as 10.0.0.0/8.
func parsePrefix(written string) (netip.Prefix, error) {
	if strings.Contains(written, "/") {
		return netip.ParsePrefix(written)
	}
	addr, err := netip.ParseAddr(written)
	if err != nil {
		return netip.Prefix{}, err
	}
	addr = addr.Unmap().WithZone("")
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

func (n networks) contain(addr netip.Addr) bool {
	for _, prefix := range n {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// originOf tells where a request comes from. Only a trusted peer is asked for
// more than the connection itself shows.
func (t trustedProxies) originOf(r *http.Request, c *conn) origin {
	a := arrivalOf(r, c)
	o := origin{arrival: a, client: a.client, scheme: a.scheme, host: r.Host, port: a.port}
	if o.trusted = o.peer.IsValid() && t.contain(o.peer); o.trusted {
		t.believe(&o, r.Header)
	}
	return o
}

func arrivalOf(r *http.Request, c *conn) *arrival {
	if c != nil {
		if known := c.arrival.Load(); known != nil {
			return known
		}
	}
	a := &arrival{peer: peerOf(r), scheme: "http", port: localPort(r, c)}
	if r.TLS != nil || c != nil && c.tls != nil {
		a.scheme = "https"
	}
	a.client = a.peer.String()
	if !a.peer.IsValid() {
		a.client = r.RemoteAddr
	}
	if c != nil {
		c.arrival.Store(a)
	}
	return a
}

// believe takes from the headers of a trusted peer what is well-formed.
func (t trustedProxies) believe(o *origin, h http.Header) {
	chain := splitList(h["X-Forwarded-For"])
	if len(chain) == 0 {
		chain = forwardedFor(h["Forwarded"])
	}
	o.client = t.clientOf(chain, o.peer).String()
	if scheme := firstOf(h["X-Forwarded-Proto"]); scheme == "https" || scheme == "http" {
		o.scheme = scheme
	}
	if host := firstOf(h["X-Forwarded-Host"]); host != "" {
		if _, ok := parseAuthority(host); ok {
			o.host = host
		}
	}
	if port := firstOf(h["X-Forwarded-Port"]); isPort(port) {
		o.port = port
	}
}

// clientOf walks a chain of addresses from the proxy next to us towards the
// client and stops at the first one that is not trusted: what stands left of
// it was written by somebody we don't know.
func (t trustedProxies) clientOf(chain []string, peer netip.Addr) netip.Addr {
	client := peer
	for i := len(chain) - 1; i >= 0; i-- {
		addr, ok := parseNode(chain[i])
		if !ok {
			break
		}
		if client = addr; !t.contain(addr) {
			break
		}
	}
	return client
}

// parseNode reads an address with or without port, brackets and quotes (RFC
// 7239, section 6).
func parseNode(s string) (netip.Addr, bool) {
	s = strings.Trim(s, `"`)
	if withPort, err := netip.ParseAddrPort(s); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	if inner, found := strings.CutPrefix(s, "["); found {
		s, _ = strings.CutSuffix(inner, "]")
	}
	addr, err := netip.ParseAddr(s)
	return addr.Unmap().WithZone(""), err == nil
}

// forwardedFor lists the for= nodes of Forwarded (RFC 7239). A node written with
// a comma or semicolon inside quotes is no address and ends the chain.
func forwardedFor(values []string) []string {
	var nodes []string
	for _, element := range splitList(values) {
		for pair := range strings.SplitSeq(element, ";") {
			if key, value, _ := strings.Cut(strings.TrimSpace(pair), "="); strings.EqualFold(key, "for") {
				nodes = append(nodes, value)
			}
		}
	}
	return nodes
}

func splitList(values []string) []string {
	var list []string
	for _, value := range values {
		for one := range strings.SplitSeq(value, ",") {
			if one = strings.TrimSpace(one); one != "" {
				list = append(list, one)
			}
		}
	}
	return list
}

func firstOf(values []string) string {
	if len(values) == 0 {
		return ""
	}
	first, _, _ := strings.Cut(values[0], ",")
	return strings.TrimSpace(first)
}

func peerOf(r *http.Request) netip.Addr {
	addrPort, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return addrPort.Addr().Unmap().WithZone("")
}

// localPort is the port that the client's connection arrived at, "" if unknown.
func localPort(r *http.Request, c *conn) string {
	addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if c != nil && c.local != nil {
		addr = c.local
	}
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return strconv.Itoa(tcp.Port)
	}
	return ""
}
