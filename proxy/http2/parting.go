package http2

import "time"

// partingTime is how long a client that is still sending its request has for the
// response, which is complete, before it is told to stop. nginx tells at once, but
// has made most clients wait for more window by then; with ours they go on sending,
// and curl 7.88 forgets a response that it has not looked at when its stream is
// reset.
const partingTime = 100 * time.Millisecond

// part has the client of a stream that is over told soon that nobody waits for the
// rest of its request (RFC 9113, 8.1). c.mu is held.
func (c *Conn) part(stream uint32) {
	c.given.add(stream)
	if len(c.parting) >= c.server.options.MaxStreams { // a client that does nothing else
		c.tellParting(stream)
		return
	}
	if c.parting == nil {
		c.parting = map[uint32]struct{}{}
	}
	c.parting[stream] = struct{}{}
	time.AfterFunc(partingTime, func() { c.partNow(stream) })
}

// partNow tells it, unless its request has ended meanwhile.
func (c *Conn) partNow(stream uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, waits := c.parting[stream]; !waits || c.failed != nil {
		return
	}
	delete(c.parting, stream)
	c.tellParting(stream)
	c.flushElsewhere()
}

// takeLate takes what a client sends on a stream that is over. Once it has sent all,
// there is nothing to tell it. c.mu is held.
func (c *Conn) takeLate(f frame) {
	if f.has(flagEndStream) {
		delete(c.parting, f.stream)
	}
}

func (c *Conn) tellParting(stream uint32) {
	c.out.grow(c.server)
	c.out.frames = appendReset(c.out.frames, stream, codeNone)
}
