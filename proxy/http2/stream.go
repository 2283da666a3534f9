package http2

import (
	"context"
	"net/http"
	"time"
)

// stream is one request and its response.
type stream struct {
	conn     *Conn
	id       uint32
	request  *http.Request
	cancel   context.CancelFunc
	writer   ResponseWriter
	tooLarge bool   // the head is
	task     func() // serve

	// Of Conn.mu.
	window      int64 // bytes that may be sent
	received    inflow
	body        *body // nil without one
	remoteEnded bool  // the client has sent all
	endSent     bool  // the server has
	answered    bool  // the head of the response was sent
	invited     bool  // the client was told to go on with the body
	closed      bool
	err         error         // why it is closed
	wake        chan struct{} // has something when there is news for who waits
	deadline    time.Time     // of waiting to send
	timer       *time.Timer   // for it
	batch       uint64        // of the output, in which lies
	frameAt     int           // the header of the last DATA frame
	frameEnd    int           // and its end
}

func newStream() *stream {
	s := &stream{wake: make(chan struct{}, 1)}
	s.task = s.serve
	s.writer.header = make(http.Header)
	return s
}

// signal wakes who waits, now or next.
func (s *stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// ended tells why nothing can be sent any more. Conn.mu is held.
func (s *stream) ended() error {
	if s.closed {
		return s.err
	}
	return s.conn.failed
}

// sleep waits for news of s. c.mu is held, and is let go of meanwhile.
func (c *Conn) sleep(s *stream) {
	if !s.deadline.IsZero() && s.timer == nil {
		s.timer = time.AfterFunc(time.Until(s.deadline), s.expire)
	}
	c.reclaim(nil) // the news may be a frame that is none of a body
	c.mu.Unlock()
	<-s.wake
	c.mu.Lock()
}

// expire ends a stream whose response could not be sent in time.
func (s *stream) expire() {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	s.timer = nil
	switch {
	case s.closed || s.deadline.IsZero():
	case time.Now().Before(s.deadline):
		s.timer = time.AfterFunc(time.Until(s.deadline), s.expire)
	default:
		c.reset(s, codeInternal, errWriteTimeout)
		c.flushElsewhere()
	}
}

// setWriteDeadline is http.ResponseController's. One that is over ends the stream
// at once; another one counts when there is something to wait for.
func (s *stream) setWriteDeadline(t time.Time) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.closed {
		return
	}
	if s.deadline = t; !t.IsZero() && !time.Now().Before(t) {
		c.reset(s, codeInternal, errWriteTimeout)
		c.flushElsewhere()
	}
}

// reset ends a stream before its time. c.mu is held.
func (c *Conn) reset(s *stream, why code, err error) {
	if s.closed {
		return
	}
	if c.failed == nil {
		c.out.grow(c.server)
		c.out.frames = appendReset(c.out.frames, s.id, why)
	}
	if !s.remoteEnded {
		c.given.add(s.id)
	}
	c.close(s, err)
}

// close is called when a stream is over, however. c.mu is held.
func (c *Conn) close(s *stream, err error) {
	if s.closed {
		return
	}
	s.closed, s.err = true, err
	delete(c.streams, s.id)
	if s.timer != nil && s.timer.Stop() {
		s.timer = nil
	}
	if s.cancel != nil && err != errHandlerDone {
		s.cancel()
	}
	if s.body != nil {
		s.body.fail(err)
	}
	s.signal()
	if len(c.streams) == 0 {
		c.rest()
	}
}

// rest is called when no stream is left. c.mu is held.
func (c *Conn) rest() {
	c.startIdling()
	c.leaveIfIdle()
	c.owner.Idle()
}

// startIdling starts the clock of a connection without a request. c.mu is held.
func (c *Conn) startIdling() {
	c.idle = time.Now().Add(c.server.options.IdleTimeout)
	c.bound()
}

// open makes a stream of a request. c.mu is held.
func (c *Conn) open(id uint32, ended bool) *stream {
	if len(c.streams) == 0 {
		c.idle = time.Time{}
		c.bound()
		c.owner.Busy()
	}
	s := c.server.streams.Get().(*stream)
	s.conn, s.id, s.window, s.remoteEnded = c, id, c.initial, ended
	s.received = inflow{left: streamWindow, size: streamWindow}
	c.streams[id] = s
	c.running++
	return s
}

// serve has the handler answer the request.
func (s *stream) serve() {
	c := s.conn
	defer c.handlers.Done()
	returned := s.answer()
	if s.release(returned) {
		s.recycle()
	}
}

// answer calls the handler, and reports whether it returned.
func (s *stream) answer() (returned bool) {
	defer func() { _ = recover() }() // the handler has told of it
	s.conn.handler(s).ServeHTTP(&s.writer, s.request)
	s.writer.finish()
	return true
}

// release ends what the handler had of the stream, and reports whether nobody has
// it any more: after a panic goroutines of the handler may still run.
func (s *stream) release(returned bool) bool {
	c := s.conn
	s.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	if s.body != nil {
		s.body.release()
	}
	if !returned {
		c.reset(s, codeInternal, errHandlerDone)
		c.flush()
	}
	c.close(s, errHandlerDone)        // if it could not be finished
	return returned && s.timer == nil // one that is there may be firing
}

// recycle gives the memory back for another request.
func (s *stream) recycle() {
	select {
	case <-s.wake:
	default:
	}
	clear(s.writer.header)
	clear(s.writer.keys)
	writer := ResponseWriter{header: s.writer.header, block: s.writer.block[:0], pending: s.writer.pending[:0], keys: s.writer.keys[:0]}
	server := s.conn.server
	*s = stream{wake: s.wake, task: s.task, writer: writer}
	server.streams.Put(s)
}

// mostGivenUp is how many streams are remembered that the server has ended while
// their clients were sending.
const mostGivenUp = 128

// givenUp are streams that the server has ended first. What the client sends on
// them was on its way, and is nothing to be told of (RFC 9113, 5.1).
type givenUp struct {
	ids  []uint32
	next int
}

func (g *givenUp) add(id uint32) {
	if len(g.ids) < mostGivenUp {
		g.ids = append(g.ids, id)
		return
	}
	g.ids[g.next] = id
	g.next = (g.next + 1) % mostGivenUp
}

func (g *givenUp) has(id uint32) bool {
	for _, known := range g.ids {
		if known == id {
			return true
		}
	}
	return false
}
