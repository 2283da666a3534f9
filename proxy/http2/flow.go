package http2

// What a client may send ahead of what the handlers read, in bytes. No more than
// connWindow is ever kept for a connection, and the unused rest of a chunk for
// each of its streams.
const (
	connWindow   = 1 << 20
	streamWindow = 512 << 10
)

// inflow is a window of flow control for what the client sends.
type inflow struct {
	left int64 // that it may send now
	used int64 // that was used up and is not given back yet
	size int64 // that it may have on its way
}

// take counts what the client has sent, and reports whether it was allowed to.
func (f *inflow) take(n int) bool {
	f.left -= int64(n)
	return f.left >= 0
}

// back gives back what was used up. It returns what the client must be told of,
// which is 0 until it is worth a frame.
func (f *inflow) back(n int) (increment uint32) {
	f.used += int64(n)
	if f.used < f.size/2 {
		return 0
	}
	increment = uint32(f.used)
	f.left += f.used
	f.used = 0
	return increment
}

// giveBack gives the client back what it has sent and nobody keeps any more, on
// its stream if that goes on. It reports whether the client must be told. c.mu is
// held.
func (c *Conn) giveBack(s *stream, n int) (told bool) {
	if n == 0 || c.failed != nil {
		return false
	}
	if increment := c.received.back(n); increment > 0 {
		c.out.grow(c.server)
		c.out.frames = appendWindowUpdate(c.out.frames, 0, increment)
		told = true
	}
	if s == nil || s.closed || s.remoteEnded {
		return told
	}
	if increment := s.received.back(n); increment > 0 {
		c.out.grow(c.server)
		c.out.frames = appendWindowUpdate(c.out.frames, s.id, increment)
		told = true
	}
	return told
}

// turns is the queue of the streams that wait to send a body: for the window of
// the connection, or for room in its output. One of them at a time is woken, and
// wakes the next.
type turns struct {
	queue []*stream
	woken *stream // whose turn it is
}

// mayGo reports whether there is something to be had. c.mu is held.
func (c *Conn) mayGo() bool { return c.window > 0 && c.out.room() > 0 }

// pass wakes the next stream. c.mu is held.
func (c *Conn) pass() {
	if c.turn.woken != nil || len(c.turn.queue) == 0 || !c.mayGo() && c.failed == nil {
		return
	}
	next := c.turn.queue[0]
	c.turn.queue[0] = nil
	if c.turn.queue = c.turn.queue[1:]; len(c.turn.queue) == 0 {
		c.turn.queue = nil
	}
	c.turn.woken = next
	next.signal()
}

// awaitTurn has s wait for its turn. c.mu is held, and is let go of meanwhile.
func (c *Conn) awaitTurn(s *stream) {
	c.turn.queue = append(c.turn.queue, s)
	c.flush()
	c.pass()
	for c.turn.woken != s && s.ended() == nil {
		c.sleep(s)
	}
	if c.turn.woken == s {
		c.turn.woken = nil
	} else {
		c.turn.drop(s)
	}
}

// drop takes a stream out of the queue that does not wait any more.
func (t *turns) drop(s *stream) {
	for i, waiting := range t.queue {
		if waiting == s {
			t.queue = append(t.queue[:i], t.queue[i+1:]...)
			return
		}
	}
}
