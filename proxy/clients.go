package proxy

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// clients counts the open connections, in all and by address, and knows which of
// them wait: connections without a request in flight, that is idle ones and those
// still in their handshake or sending a request head. When there are too many,
// the one that has waited longest makes room. So a flood of idle or slow
// connections drives out itself, and a client that sends requests is served.
// Every operation but drain takes constant time.
type clients struct {
	mu        sync.Mutex
	limits    Limits
	changed   *sync.Cond // the counts changed
	open      map[*client]struct{}
	upgraded  int // of the open ones, those that left HTTP
	addresses map[netip.Prefix]*neighbours
	waiting   queue
	farewell  atomic.Int64 // nanoseconds that idle ones have once the server stops
}

// neighbours are the connections of one address.
type neighbours struct {
	open    int
	waiting queue
}

type clientState uint8

const (
	clientGone clientState = iota
	clientWaiting
	clientBusy
	clientUpgraded
)

// client is one accepted connection. Its fields below raw belong to clients.
type client struct {
	raw     net.Conn
	among   *clients
	address netip.Prefix // the zero Prefix is not limited

	state         clientState
	neighbours    *neighbours
	inAll, inAddr place
	hasten        func() // ends the connection soon if it is idle; may be nil
}

func newClients() *clients {
	t := &clients{open: map[*client]struct{}{}, addresses: map[netip.Prefix]*neighbours{}}
	t.changed = sync.NewCond(&t.mu)
	return t
}

// limit sets how many connections are let in from now on. None that is open is
// closed for it.
func (t *clients) limit(limits Limits) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limits = limits
}

// admit takes a new connection in, as a waiting one. If that is one too many, a
// connection that waits longer is closed for it, and if none waits, ok is false.
func (t *clients) admit(raw net.Conn) (c *client, ok bool) {
	c = &client{raw: raw, among: t, address: limitedBy(raw.RemoteAddr())}
	c.inAll.client, c.inAddr.client = c, c
	victim, ok := t.enter(c)
	if victim != nil {
		_ = victim.raw.Close() // its goroutine sees the error and tells
	}
	return c, ok
}

func (t *clients) enter(c *client) (victim *client, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.addresses[c.address]
	switch {
	case c.address.IsValid() && at != nil && at.open >= t.limits.ConnectionsPerAddress:
		victim = at.waiting.first()
	case len(t.open) >= t.limits.Connections:
		victim = t.waiting.first()
	default:
		t.add(c)
		return nil, true
	}
	if victim == nil {
		return nil, false
	}
	t.drop(victim)
	t.add(c)
	return victim, true
}

func (t *clients) add(c *client) {
	at := t.addresses[c.address]
	if at == nil {
		at = &neighbours{}
		t.addresses[c.address] = at
	}
	at.open++
	c.neighbours = at
	t.open[c] = struct{}{}
	t.become(c, clientWaiting)
}

func (t *clients) drop(c *client) {
	if c.state == clientGone {
		return
	}
	t.become(c, clientGone)
	delete(t.open, c)
	if c.neighbours.open--; c.neighbours.open == 0 {
		delete(t.addresses, c.address)
	}
}

// become moves c from its state to another one and between the queues.
func (t *clients) become(c *client, state clientState) {
	switch {
	case state == clientWaiting:
		t.waiting.push(&c.inAll)
		c.neighbours.waiting.push(&c.inAddr)
	case c.state == clientWaiting:
		t.waiting.remove(&c.inAll)
		c.neighbours.waiting.remove(&c.inAddr)
	}
	if c.state == clientUpgraded {
		t.upgraded--
	}
	if state == clientUpgraded {
		t.upgraded++
	}
	c.state = state
	t.changed.Broadcast()
}

// is tells that c now waits, has a request in flight, left HTTP or is gone.
// Calls after it is gone do nothing.
func (c *client) is(state clientState) {
	t := c.among
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case c.state == clientGone || c.state == state:
	case state == clientGone:
		t.drop(c)
	default:
		t.become(c, state)
	}
}

// onDrain sets what ends c soon if it is idle when the server stops.
func (c *client) onDrain(hasten func()) {
	c.among.mu.Lock()
	defer c.among.mu.Unlock()
	c.hasten = hasten
}

// drain asks every idle connection to end.
func (t *clients) drain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.open {
		if c.hasten != nil {
			c.hasten()
		}
	}
}

// closeAll closes at once those connections that which picks.
func (t *clients) closeAll(which func(*client) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.open {
		if which(c) {
			_ = c.raw.Close()
		}
	}
}

// recount has wait look again.
func (t *clients) recount() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changed.Broadcast()
}

// wait returns when enough says so of the number of open connections and of the
// upgraded ones among them, or with the cause for which ctx ended.
func (t *clients) wait(ctx context.Context, enough func(open, upgraded int) bool) error {
	defer context.AfterFunc(ctx, t.recount)()
	t.mu.Lock()
	defer t.mu.Unlock()
	for !enough(len(t.open), t.upgraded) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t.changed.Wait()
	}
	return nil
}

// limitedBy tells under which prefix the connections of an address are counted.
func limitedBy(address net.Addr) netip.Prefix {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	return neighbourhood(tcp.AddrPort().Addr())
}

// neighbourhood is what belongs to one customer of a provider: an IPv4 address
// alone, and of IPv6 the /64, which is the least that is given out (RFC 6177).
func neighbourhood(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	prefix, _ := ip.Prefix(bits) // fails for no valid address
	return prefix
}
