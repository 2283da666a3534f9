package http2

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
)

var errWriteTimeout = fmt.Errorf("the client took too long to take the response: %w", os.ErrDeadlineExceeded)

// piece is a part of a response.
type piece struct {
	head    []byte // a block of HPACK: the head; nil for none
	body    []byte
	trailer []byte // a block of HPACK, at the end only
	end     bool   // nothing follows
	leave   bool   // it is to be sent now, with what was added before
}

// send adds a piece of the response to the output. It waits while the client, or
// its connection, can't take more.
func (s *stream) send(p piece) error {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.add(p); err != nil {
		return err
	}
	if p.end {
		c.yield()
	}
	if p.leave || p.end || len(c.out.frames) >= recordSize {
		c.flush()
	}
	return nil
}

// yield lets others of the connection go first who are about to add their
// responses, so that one write carries them all. c.mu is held, and is let go of
// meanwhile.
func (c *Conn) yield() {
	if len(c.streams) > 0 && !c.out.writing {
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
}

// add is send without sending. c.mu is held.
func (s *stream) add(p piece) error {
	if p.head != nil {
		s.answered = true
		if err := s.addHead(p.head, p.end && len(p.body) == 0 && p.trailer == nil); err != nil {
			return err
		}
	}
	for len(p.body) > 0 {
		n, err := s.grant(len(p.body))
		if err != nil {
			return err
		}
		s.addBody(p.body[:n])
		p.body = p.body[n:]
	}
	switch {
	case !p.end:
		return s.ended()
	case p.trailer != nil:
		if err := s.addHead(p.trailer, true); err != nil {
			return err
		}
	}
	return s.finish()
}

// addHead adds a header section, or trailers. c.mu is held.
func (s *stream) addHead(block []byte, end bool) error {
	c := s.conn
	if err := c.awaitRoom(s); err != nil {
		return err
	}
	c.out.grow(c.server)
	if !c.out.announced { // RFC 7541, 4.2: our encoder keeps no table
		block, c.out.announced = append([]byte{0x20}, block...), true
	}
	c.out.frames = appendHead(c.out.frames, block, s.id, end)
	s.endSent = end
	return nil
}

// awaitRoom waits until there is room in the output. c.mu is held, and is let go
// of meanwhile.
func (c *Conn) awaitRoom(s *stream) error {
	for c.out.room() <= 0 && s.ended() == nil {
		if c.flush(); c.out.room() <= 0 {
			c.out.idle.Wait()
		}
	}
	return s.ended()
}

// grant waits until some of want bytes of a body may be added, and returns how
// many. c.mu is held, and is let go of meanwhile.
func (s *stream) grant(want int) (int, error) {
	c := s.conn
	for mine := false; ; {
		if err := s.ended(); err != nil {
			c.pass()
			return 0, err
		}
		switch {
		case !mine && c.turn.woken != nil, !c.mayGo():
			c.awaitTurn(s)
			mine = true
		case s.window <= 0:
			c.pass()
			c.flush()
			if s.window <= 0 && s.ended() == nil {
				c.sleep(s)
			}
			mine = false
		default:
			return int(min(int64(want), maxFrame, s.window, c.window, int64(c.out.room()))), nil
		}
	}
}

// addBody adds what was granted. c.mu is held.
func (s *stream) addBody(p []byte) {
	c := s.conn
	c.out.grow(c.server)
	o := &c.out
	length := len(p)
	if s.batch == o.batch && s.frameEnd == len(o.frames) && s.frameEnd-s.frameAt-frameHeaderSize+len(p) <= maxFrame {
		length += s.frameEnd - s.frameAt - frameHeaderSize
	} else {
		s.batch, s.frameAt = o.batch, len(o.frames)
		o.frames = appendFrame(o.frames, 0, frameData, 0, s.id)
	}
	o.frames = append(o.frames, p...)
	s.frameEnd = len(o.frames)
	o.frames[s.frameAt], o.frames[s.frameAt+1], o.frames[s.frameAt+2] = byte(length>>16), byte(length>>8), byte(length)
	s.window -= int64(len(p))
	c.window -= int64(len(p))
	c.calm.sent(len(p))
	c.pass()
}

// finish tells the client that the response is complete, and that nobody waits
// for the rest of its request. c.mu is held.
func (s *stream) finish() error {
	c := s.conn
	if err := s.ended(); err != nil {
		return err
	}
	switch {
	case s.endSent:
	case s.batch == c.out.batch && s.frameEnd > 0:
		c.out.frames[s.frameAt+4] |= flagEndStream
	default:
		c.out.grow(c.server)
		c.out.frames = appendFrame(c.out.frames, 0, frameData, flagEndStream, s.id)
	}
	c.calm.answered()
	if !s.remoteEnded {
		c.part(s.id)
	}
	c.close(s, errHandlerDone)
	return nil
}

// inform sends an informational response, if no final one was sent. c.mu is held,
// and is let go of meanwhile.
func (s *stream) inform(status int, block []byte) {
	if s.answered || s.ended() != nil {
		return
	}
	s.invited = s.invited || status == http.StatusContinue
	if s.addHead(block, false) == nil {
		s.conn.flush()
	}
}
