package http2

import (
	"errors"
	"os"
	"sync"
	"time"
)

// lead is about who reads the connection. That is Serve, but while nothing comes
// but one large body, the reader of that does it in Serve's place: what it waits
// for then needs no other goroutine to be woken, and no memory on the way. It gives
// the lead back for every frame that is none of its body.
//
// While a piece of the body is on its way to where it goes, nobody reads. If that
// takes longer than leadTime, Serve does.
type lead struct {
	to     *body  // whose reader has the lead; nil: Serve
	stream uint32 // its number
	before *body  // the only one of which something had come before the last wait for more

	reading bool   // it is at it
	into    []byte // what it wants to have filled
	got     int    // bytes of that
	cut     bool   // it must come back at once

	turns    int         // counts its reads
	seen     int         // turns at the last look
	watched  bool        // somebody will look
	timer    *time.Timer // for it
	returned sync.Cond   // Serve has the lead again
	err      error       // with which
}

const (
	// leadAfter is how many bytes of a body come before its reader may have the
	// lead: what goes to a backend in one write.
	leadAfter = 64 << 10

	// leadTime is how long other frames may have to wait for a body that is on its
	// way to somebody slow, and twice that at most.
	leadTime = time.Millisecond
)

// Why reading stops without an error.
var (
	errLent   = errors.New("the reader of a body has the lead")
	errEnough = errors.New("the reader of a body has something")
	errOthers = errors.New("a frame is none of the body whose reader has the lead")
)

// lend gives the lead to the reader of a body, if no other one has come beside it
// and the reader keeps up. It is called before Serve waits for more. c.mu
// is held.
func (c *Conn) lend() bool {
	l, b := &c.lead, c.fed
	if b == nil {
		return false
	}
	alone := l.before == b
	l.before = b
	if !alone || c.in.begun || c.failed != nil || b.err != nil || b.came < c.server.leadAfter || !b.waits && b.chunks.size > 0 {
		return false
	}
	l.to, l.stream = b, b.stream.id
	c.watchLead()
	return true
}

// awaitLead waits until Serve has the lead again.
func (c *Conn) awaitLead() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.lead.to != nil {
		c.lead.returned.Wait()
	}
	return c.lead.err
}

// reclaim gives Serve the lead, unless somebody reads in its place, who does it
// then. c.mu is held.
func (c *Conn) reclaim(err error) {
	if l := &c.lead; l.to != nil && !l.reading {
		l.to, l.err = nil, err
		l.returned.Signal()
	}
}

// readFor reads the connection for b, who has the lead, until there is something to
// give, of which it returns the number of bytes, or something else to look at. c.mu
// is held, and is let go of meanwhile.
func (c *Conn) readFor(b *body, p []byte) (n int) {
	l := &c.lead
	l.reading, l.into, l.got = true, p, 0
	c.mu.Unlock()
	err := c.readDataOnly()
	c.mu.Lock()
	n = l.got
	l.reading, l.into, l.got = false, nil, 0
	l.turns++
	if l.cut {
		l.cut = false
		c.bound()
	}
	c.flushElsewhere()
	switch {
	case n > 0 && b.err == nil && (err == nil || err == errEnough):
		c.watchLead()
	case err == errEnough, err == errOthers, errors.Is(err, os.ErrDeadlineExceeded):
		c.reclaim(nil) // if the deadline was not to get b's reader back, Serve meets it too
	default:
		c.reclaim(err)
	}
	return n
}

// readDataOnly reads until the reader of the body has all that it wants.
func (c *Conn) readDataOnly() error {
	for c.lead.got < len(c.lead.into) {
		c.in.prepare()
		if err := c.goOn(); err != nil {
			return err
		}
	}
	return nil
}

// isFor reports whether a frame is for who reads.
func (l *lead) isFor(f frame) bool {
	return !l.reading || f.kind == frameData && f.stream == l.stream
}

// hand gives the reader of b, if it has the lead, what it waits for. It returns
// how much of it. c.mu is held.
func (c *Conn) hand(b *body, p []byte) (n int) {
	l := &c.lead
	if !l.reading || l.to != b || b.chunks.size > 0 {
		return 0
	}
	n = copy(l.into[l.got:], p)
	l.got += n
	b.read += n
	return n
}

// callBack has the reader of b, which is over, come back if it has the lead. c.mu
// is held.
func (c *Conn) callBack(b *body) {
	l := &c.lead
	if l.before == b {
		l.before = nil
	}
	if l.to == b && !l.cut {
		l.cut = l.reading
		c.reclaim(nil)
		c.bound()
	}
}

// watchLead sees to it that Serve reads on if nobody does. c.mu is held.
func (c *Conn) watchLead() {
	l := &c.lead
	if l.watched {
		return
	}
	l.watched, l.seen = true, l.turns
	if l.timer == nil {
		l.timer = time.AfterFunc(leadTime, c.lookAtLead)
	} else {
		l.timer.Reset(leadTime)
	}
}

// lookAtLead is called while the lead is lent, again and again unless there is
// nothing to read.
func (c *Conn) lookAtLead() {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &c.lead
	l.watched = false
	switch {
	case l.to == nil, l.reading:
	case l.turns == l.seen:
		c.reclaim(nil)
	default:
		c.watchLead()
	}
}
