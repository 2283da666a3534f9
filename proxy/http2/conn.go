package http2

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"
)

// Conn is one connection.
type Conn struct {
	server *Server
	net    net.Conn
	owner  Owner
	remote string
	ctx    context.Context // of all requests

	// Of the goroutine that reads, which is Serve's or has the lead.
	in      input
	head    head
	data    dataFrame
	decoder *hpack.Decoder
	pacing  time.Time // by then the frame must be there; zero: nobody waits for one
	fed     *body     // which has got something that its reader has not been told of

	handlers sync.WaitGroup

	mu       sync.Mutex
	streams  map[uint32]*stream
	last     uint32              // the highest stream that was opened
	running  int                 // handlers, also of streams that are over
	given    givenUp             // streams that the client may still be sending on
	parting  map[uint32]struct{} // those of them that it will be told of, nil for none
	greeted  bool                // our preface was sent, or is about to be
	leaving  leaving             // whether the connection is to end, and how far that is
	failed   error               // nothing can be written any more
	idle     time.Time
	received inflow
	window   int64 // bytes that may be sent on all streams together
	initial  int64 // what the window of a new stream is
	calm     calmness
	out      output
	turn     turns
	lead     lead
}

// NewConn makes a connection of what TLS or TCP has brought. It is nobody's but
// the Conn's until Serve returns.
func (s *Server) NewConn(c net.Conn, owner Owner) *Conn {
	conn := &Conn{
		server: s, net: c, owner: owner, remote: c.RemoteAddr().String(),
		streams: make(map[uint32]*stream), window: firstWindow, initial: firstWindow,
		received: inflow{left: connWindow, size: connWindow}, calm: newCalmness(),
	}
	conn.out.idle = sync.NewCond(&conn.mu)
	conn.lead.returned.L = &conn.mu
	conn.in = input{from: c, server: s, wait: conn.wait}
	conn.decoder = hpack.NewDecoder(tableSize, conn.head.add)
	conn.decoder.SetMaxStringLength(s.options.MaxHeaderList)
	return conn
}

// tableSize is what the client's encoder may remember, in bytes: what HTTP/2 begins with.
const tableSize = 4096

// Serve serves the connection until it ends, and closes it. It returns when no
// handler is left, with the reason, which is never nil. ctx is that of all requests.
func (c *Conn) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.ctx = ctx
	err := c.begin()
	for err == nil {
		if err = c.readFrame(); err == errLent {
			err = c.awaitLead()
		}
	}
	c.end(err, cancel)
	_ = c.net.Close()
	c.in.release()
	c.handlers.Wait()
	return err
}

// end says goodbye to the client as far as that is possible, and gives up what
// is still under way.
func (c *Conn) end(err error, cancel context.CancelFunc) {
	if cut, ok := err.(cutError); ok {
		c.owner.Cut(string(cut))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sayGoodbye(err)
	if c.failed == nil {
		c.failed = ErrDisconnected
	}
	for _, s := range c.streams {
		c.close(s, ErrDisconnected)
	}
	cancel()
	c.out.release(c.server)
	c.out.idle.Broadcast()
}

// wait is called before something is read. It bounds the time for what has begun.
// Its error says that who has the lead has no reason to wait.
func (c *Conn) wait(begun bool) error {
	begins, l := begun && c.pacing.IsZero(), &c.lead
	if c.fed == nil && !begins && !l.reading {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	lent := !l.reading && c.lend()
	c.feed(nil)
	switch {
	case lent:
		return errLent
	case l.reading && (l.got > 0 || l.to.err != nil):
		return errEnough
	case l.reading:
		c.flushElsewhere()
	}
	if begins {
		c.pacing = time.Now().Add(c.server.options.HeaderTimeout)
		c.bound()
	}
	return nil
}

// feed has the readers of bodies look at what has come, one body at a time: while
// it comes without a wait, they would look too often. c.mu is held.
func (c *Conn) feed(b *body) {
	switch {
	case c.fed == b:
		return
	case c.fed != nil && b != nil:
		c.lead.before = nil // they come side by side
	}
	if c.fed != nil {
		c.fed.news.Signal()
	}
	c.fed = b
}

// relax is called when it was read.
func (c *Conn) relax() {
	c.in.begun = false
	if !c.pacing.IsZero() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.pacing = time.Time{}
		c.bound()
	}
}

// bound sets the deadline for reading. c.mu is held.
func (c *Conn) bound() {
	switch {
	case c.failed != nil, c.leaving == left && len(c.streams) == 0:
		// which fail and leaveIfIdle have seen to
	case c.lead.cut:
		_ = c.net.SetReadDeadline(time.Unix(1, 0))
	case !c.pacing.IsZero():
		_ = c.net.SetReadDeadline(c.pacing)
	default:
		_ = c.net.SetReadDeadline(c.idle)
	}
}

// stopped tells what the end of reading means.
func (c *Conn) stopped(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch now := time.Now(); {
	case c.leaving == left && len(c.streams) == 0:
		return errDrained
	case !c.pacing.IsZero() && !now.Before(c.pacing):
		return cutSlow
	case len(c.streams) == 0 && !c.idle.IsZero() && !now.Before(c.idle):
		return errIdle
	}
	return err
}

// handler is Options.Handler, or what answers in its place.
func (c *Conn) handler(s *stream) http.Handler {
	if s.tooLarge {
		return http.HandlerFunc(refuseHead)
	}
	return c.server.options.Handler
}

func refuseHead(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "the request head is too large", http.StatusRequestHeaderFieldsTooLarge)
}
