package http2

import (
	"sync"
	"time"
)

// outputSize is how many bytes of frames wait to be written before those who add
// bodies have to wait, in bytes.
const outputSize = 64 << 10

// recordSize is the most that one TLS record carries (RFC 8446, 5.1).
const recordSize = 16 << 10

type outputBuffer [outputSize]byte

// output is what is to be written to a connection. It has a buffer only while
// there is something in it.
type output struct {
	frames  []byte // to be written next
	buffer  *outputBuffer
	batch   uint64     // counts the writes
	writing bool       // somebody is at it
	idle    *sync.Cond // nobody is, or there is room again
	brisk   bool       // the client took the last piece at once
	until   time.Time  // the connection's deadline for writing
	hasty   bool       // which is the last one

	announced bool // the client knows that its decoder needs no table
}

// room is how many bytes of bodies may be added.
func (o *output) room() int { return outputSize - len(o.frames) - frameHeaderSize }

// grow sees to it that there is a buffer.
func (o *output) grow(s *Server) {
	if o.buffer == nil {
		o.buffer = s.outputs.Get().(*outputBuffer)
		o.frames = o.buffer[:0]
	}
}

func (o *output) release(s *Server) {
	if o.buffer != nil {
		s.outputs.Put(o.buffer)
	}
	o.frames, o.buffer = nil, nil
}

// mostRounds is how often a handler writes what others have added meanwhile,
// before somebody else has to.
const mostRounds = 8

// flush writes what there is, unless somebody is at it, who then does it. c.mu is
// held, and is let go of meanwhile.
func (c *Conn) flush() {
	if c.out.writing {
		return
	}
	c.out.writing = true
	for round := 0; len(c.out.frames) > 0 && c.failed == nil; round++ {
		if round == mostRounds {
			c.spawn(c.writeOn)
			return
		}
		c.writeBatch()
	}
	c.wrote()
}

// flushElsewhere is flush in another goroutine, for those who must not wait for
// the client. c.mu is held.
func (c *Conn) flushElsewhere() {
	if !c.out.writing && len(c.out.frames) > 0 && c.failed == nil {
		c.out.writing = true
		c.spawn(c.writeOn)
	}
}

func (c *Conn) writeOn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.out.frames) > 0 && c.failed == nil {
		c.writeBatch()
	}
	c.wrote()
}

// wrote ends writing. c.mu is held.
func (c *Conn) wrote() {
	c.out.writing = false
	c.out.idle.Broadcast()
}

// spawn runs a task that the connection's end waits for.
func (c *Conn) spawn(task func()) {
	c.handlers.Add(1)
	c.server.options.Go(func() {
		defer c.handlers.Done()
		task()
	})
}

// writeBatch writes all frames that wait. c.mu is held, and is let go of meanwhile.
func (c *Conn) writeBatch() {
	batch := output{frames: c.out.frames, buffer: c.out.buffer}
	c.out.frames, c.out.buffer = nil, nil
	c.out.batch++
	c.mu.Unlock()
	err := c.send(batch.frames)
	batch.release(c.server)
	c.mu.Lock()
	if err != nil {
		c.fail(err)
	}
	c.out.idle.Broadcast()
	c.pass()
}

// fail ends a connection that can't be written to. c.mu is held.
func (c *Conn) fail(err error) {
	if c.failed == nil {
		c.failed = err
		_ = c.net.SetReadDeadline(time.Unix(1, 0)) // the reader ends it
		for _, s := range c.streams {
			s.signal()
		}
		c.reclaim(nil)
	}
}

// brisk is how soon a client takes a piece that may have a larger one next: if it
// is to take it within the time of a small one, it must be faster than that.
const brisk = 100 * time.Millisecond

// send writes p in pieces, each of which has WriteTimeout to get through. It is
// the writer's.
func (c *Conn) send(p []byte) error {
	for len(p) > 0 {
		n := len(p)
		if !c.out.brisk {
			n = min(n, recordSize)
		}
		began := time.Now()
		c.patience(began)
		if _, err := c.net.Write(p[:n]); err != nil {
			return err
		}
		c.out.brisk = time.Since(began) < brisk
		p = p[n:]
	}
	return nil
}

// patience bounds the next write. The connection's deadline is moved only when it
// has come too near: by an eighth too much at the latest.
func (c *Conn) patience(now time.Time) {
	limit := c.server.options.WriteTimeout
	if limit > 0 && !c.out.hasty && c.out.until.Before(now.Add(limit)) {
		c.out.until = now.Add(limit + limit/8)
		_ = c.net.SetWriteDeadline(c.out.until)
	}
}
