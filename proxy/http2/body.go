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
// handler, which then gets an error. All of it is of Conn.mu.
type body struct {
	conn    *Conn
	stream  *stream // nil when the handler is done with it
	news    sync.Cond
	chunks  chunks
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
	c := b.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.expects {
		b.expects = false
		b.invite()
	}
	for b.chunks.size == 0 && b.err == nil && len(p) > 0 {
		b.news.Wait()
	}
	switch {
	case b.stream == nil:
		return 0, http.ErrBodyReadAfterClose
	case len(p) == 0:
		return 0, nil
	case b.chunks.size == 0:
		b.takeTrailer()
		return 0, b.err
	}
	n := b.chunks.take(p, c.server)
	if c.giveBack(b.stream, n) {
		c.flush()
	}
	return n, nil
}

// invite tells a client that waits for it to send the body. c.mu is held, and is
// let go of meanwhile.
func (b *body) invite() {
	if b.stream != nil && b.err == nil && !b.stream.informed {
		b.stream.inform(appendStatus(nil, http.StatusContinue))
	}
}

// Close ends reading.
func (b *body) Close() error {
	b.conn.mu.Lock()
	defer b.conn.mu.Unlock()
	if b.stream != nil {
		b.conn.giveBack(nil, b.drop())
		b.fail(http.ErrBodyReadAfterClose)
	}
	return nil
}

// drop throws away what has come, and returns how much that was. c.mu is held.
func (b *body) drop() int {
	n := b.chunks.size
	b.chunks.drop(b.conn.server)
	return n
}

// release ends the body with its handler. c.mu is held.
func (b *body) release() {
	b.fail(http.ErrBodyReadAfterClose)
	b.conn.giveBack(nil, b.drop())
	b.stream = nil
	b.stopTimer()
}

// fail says what follows after what has come. c.mu is held.
func (b *body) fail(err error) {
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
	b.chunks.add(p, b.conn.server)
	b.news.Signal()
	return true
}

// end tells that all has come, with these trailers. c.mu is held.
func (b *body) end(trailer http.Header) {
	b.arrived = trailer
	b.fail(io.EOF)
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
