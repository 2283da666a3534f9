package http2

import (
	"errors"
	"time"
)

// leaving is how far a connection is on its way to its end.
type leaving uint8

const (
	staying leaving = iota
	warned          // the client was asked to open no more streams
	left            // and what it opens is ignored from now on
)

// sayGoodbye sends GOAWAY and whatever else is still to be sent. c.mu is held.
func (c *Conn) sayGoodbye(err error) {
	why, tell := goodbyeFor(err)
	if !tell || c.failed != nil {
		return
	}
	if c.leaving != left || why != codeNone {
		c.out.grow(c.server)
		c.out.frames = appendGoAway(c.out.frames, c.last, why)
	}
	if why != codeNone {
		c.hasten()
	}
	c.flush()
	for c.out.writing {
		c.out.idle.Wait()
	}
}

// goodbyeTime is how long a client that has done wrong may take to let GOAWAY in.
const goodbyeTime = 2 * time.Second

// hasten bounds all that is still to be written. c.mu is held.
func (c *Conn) hasten() {
	_ = c.net.SetWriteDeadline(time.Now().Add(goodbyeTime))
	if !c.out.writing {
		c.out.hasty = true
	}
}

// goodbyeFor tells what the client hears of the connection's end, if anything.
func goodbyeFor(err error) (why code, tell bool) {
	if fault, ok := errors.AsType[connError](err); ok {
		return fault.code, true
	}
	if _, ok := errors.AsType[cutError](err); ok {
		return codeCalm, true
	}
	return codeNone, errors.Is(err, errDrained) || errors.Is(err, errIdle)
}

// Drain asks the client to open no more streams; those that it has opened are
// served. The connection ends after the last of them, when the client has had
// time to learn of it, or Drain is called again.
func (c *Conn) Drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.leaving {
	case staying:
		c.leaving = warned
		c.greet()
		c.out.grow(c.server)
		c.out.frames = appendGoAway(c.out.frames, maxStreamID, codeNone)
		c.out.frames = appendPing(c.out.frames, 0, goodbyePing)
		c.flushElsewhere()
	case warned:
		c.leave()
	}
}

// goodbyePing is sent behind the first GOAWAY. When it comes back, the client has
// read that, and all that it has opened before is here.
var goodbyePing = [8]byte{'g', 'o', 'o', 'd', 'b', 'y', 'e', '.'}

// leave is the second half of Drain. c.mu is held.
func (c *Conn) leave() {
	if c.leaving == left {
		return
	}
	c.leaving = left
	c.out.grow(c.server)
	c.out.frames = appendGoAway(c.out.frames, c.last, codeNone)
	c.flushElsewhere()
	c.leaveIfIdle()
}

// leaveIfIdle ends reading if there is nothing left to wait for. c.mu is held.
func (c *Conn) leaveIfIdle() {
	if c.leaving == left && len(c.streams) == 0 {
		_ = c.net.SetReadDeadline(time.Unix(1, 0))
	}
}
