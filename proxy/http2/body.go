package http2

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// body is the body of a request. It may be read by a goroutine that outlives the
// handler, which then gets an error.
type body struct {
	conn *Conn

	// Of the goroutine that reads, one at a time.
	reading sync.Mutex
	taken   chunks // so that they are copied while others have Conn.mu

	// Of Conn.mu.
	stream  *stream // nil when the handler is done with it
	news    sync.Cond
	read    int         // bytes that were taken, and are to be given back
	came    int64       // bytes that have come
	waits   bool        // its reader does
	chunks  chunks      // that have come
	left    int64       // that are still to come of a declared length; -1: none was declared
	err     error       // what follows after chunks; nil: more
	expects bool        // the client waits to be asked for it
	trailer http.Header // the request's, with the names that were announced
	arrived http.Header // what has come
	timer   *time.Timer // for a deadline of reading
}

func newBody(s *stream, length int64, expects bool, trailer http.Header) *body {
	b := &body{stream: s, conn: s.conn, left: length, expects: expects, trailer: trailer}
	b.news.L = &s.conn.mu
	return b
}

// Read gives what has come, and waits if there is nothing.
func (b *body) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	if b.taken.size == 0 {
		if n, err := b.takeAll(p); n > 0 || err != nil {
			return n, err
		}
	}
	return b.taken.take(p, b.conn.server), nil
}

// takeAll takes what has come, and waits for it. What was taken before was read:
// the client may send as much again. n bytes are in p at once.
func (b *body) takeAll(p []byte) (n int, err error) {
	c := b.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.expects {
		b.expects = false
		b.invite()
	}
	if c.giveBack(b.stream, b.read) {
		c.flush()
	}
	for b.read = 0; b.chunks.size == 0 && b.err == nil; {
		if n := b.await(p); n > 0 {
			return n, nil
		}
	}
	switch {
	case b.stream == nil:
		return 0, http.ErrBodyReadAfterClose
	case b.chunks.size == 0:
		b.takeTrailer()
		return 0, b.err
	}
	b.taken, b.chunks = b.chunks, chunks{}
	b.read = b.taken.size
	return 0, nil
}

// await waits for news. If its reader has the lead it reads the connection, and
// gives the number of bytes that p has got. c.mu is held, and is let go of meanwhile.
func (b *body) await(p []byte) (n int) {
	if b.conn.lead.to == b {
		return b.conn.readFor(b, p)
	}
	b.waits = true
	b.news.Wait()
	b.waits = false
	return 0
}

// invite tells a client that waits for it to send the body. c.mu is held, and is
// let go of meanwhile.
func (b *body) invite() {
	if b.stream != nil && b.err == nil && !b.stream.invited {
		b.stream.inform(http.StatusContinue, appendStatus(nil, http.StatusContinue))
	}
}

// Close ends reading.
func (b *body) Close() error {
	c := b.conn
	c.mu.Lock()
	b.drop()
	c.mu.Unlock()
	b.reading.Lock()
	defer b.reading.Unlock()
	b.taken.drop(c.server)
	return nil
}

// drop throws away what has come and was not taken. c.mu is held.
func (b *body) drop() {
	b.fail(http.ErrBodyReadAfterClose)
	b.conn.giveBack(nil, b.chunks.size+b.read)
	b.read = 0
	b.chunks.drop(b.conn.server)
}

// release ends the body with its handler. c.mu is held.
func (b *body) release() {
	b.drop()
	b.stream = nil
	b.stopTimer()
}

// fail says what follows after what has come, to its reader at once. c.mu is held.
func (b *body) fail(err error) {
	b.finish(err)
	b.conn.callBack(b)
}

// finish is fail for who reads the connection. c.mu is held.
func (b *body) finish(err error) {
	if b.err == nil {
		b.err = err
	}
	b.news.Broadcast()
}

// add takes what has come. It reports whether somebody wants it. c.mu is held.
func (b *body) add(p []byte) (wanted bool) {
	if b.left >= 0 {
		b.left -= int64(len(p))
	}
	if b.err != nil {
		return false
	}
	b.came += int64(len(p))
	if p = p[b.conn.hand(b, p):]; len(p) > 0 {
		b.chunks.add(p, b.conn.server)
		b.conn.feed(b)
	}
	return true
}

// end tells that all has come, with these trailers. c.mu is held.
func (b *body) end(trailer http.Header) {
	b.arrived = trailer
	b.finish(io.EOF)
}

// takeTrailer gives the request those trailers that it has announced. It is of the
// goroutine that reads the body.
func (b *body) takeTrailer() {
	for name := range b.trailer {
		if values, found := b.arrived[name]; found && b.err == io.EOF {
			b.trailer[name] = values
		}
	}
}

// setDeadline bounds reading.
func (b *body) setDeadline(t time.Time) {
	b.conn.mu.Lock()
	defer b.conn.mu.Unlock()
	b.stopTimer()
	switch {
	case t.IsZero():
	case !time.Now().Before(t):
		b.fail(errReadTimeout)
	default:
		b.timer = time.AfterFunc(time.Until(t), b.expire)
	}
}

var errReadTimeout = fmt.Errorf("the client took too long to send the request's body: %w", os.ErrDeadlineExceeded)

func (b *body) expire() {
	b.conn.mu.Lock()
	defer b.conn.mu.Unlock()
	b.fail(errReadTimeout)
}

func (b *body) stopTimer() {
	if b.timer != nil {
		b.timer.Stop()
	}
}
