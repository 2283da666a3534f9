package http1

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// sendGrace is how long the end of a response waits for the sender to note that it
// has sent everything, before the connection is given up.
const sendGrace = 50 * time.Millisecond

// sender sends a request body that is not in memory, or large, while the
// response is awaited. Its goroutine ends with the body: it may outlast the
// request if a read of the body does.
type sender struct {
	conn     *conn
	out      outgoing
	begun    atomic.Int32 // whose it is: nobody's yet, the sender's or, given up, nobody's any more
	expected chan bool    // whether the backend wants the body, for Expect: 100-continue
	told     bool         // expected was sent; for the goroutine of the request
	done     chan struct{}
	failed   atomic.Pointer[sendFailure] // set before the connection is ended for it
}

// sendFailure is why a body was not sent.
type sendFailure struct {
	err      error
	fromBody bool // its body is to blame, not the connection
}

func (f *sendFailure) Error() string { return f.err.Error() }
func (f *sendFailure) Unwrap() error { return f.err }

const (
	senderWaits = iota
	senderBegun
	senderGivenUp
)

func startSender(c *conn, out *outgoing) *sender {
	s := &sender{conn: c, out: *out, done: make(chan struct{})}
	if out.expects {
		s.expected = make(chan bool, 1)
	}
	go s.run()
	return s
}

func (s *sender) run() {
	defer close(s.done)
	err := s.send()
	s.out.end()
	if err == nil {
		s.conn.timing.sent()
		return
	}
	failed := &sendFailure{err: err}
	_ = errors.As(err, &failed)
	s.failed.Store(failed)
	switch {
	case err == errUnwanted:
	case isReset(failed.err) && !failed.fromBody:
		s.conn.timing.grace()
	default:
		_ = s.conn.wire.Close() // ends the wait for an answer, and the backend can't take the body for complete
	}
}

// errUnwanted ends a sender whose body is not wanted any more.
var errUnwanted = errors.New("the backend did not want the request body")

func (s *sender) send() error {
	if s.expected != nil && !s.isWanted() || !s.begun.CompareAndSwap(senderWaits, senderBegun) {
		return errUnwanted
	}
	p := &piece{lender: &s.conn.transport.pieces}
	defer p.giveBack()
	if s.out.length == unknownLength {
		return s.sendChunks(p)
	}
	return s.sendLength(p)
}

// isWanted waits for the backend's word, but not for long: many never say it.
func (s *sender) isWanted() bool {
	timer := time.NewTimer(s.conn.transport.options.ExpectContinueTimeout)
	defer timer.Stop()
	select {
	case wanted := <-s.expected:
		return wanted
	case <-timer.C:
		return true
	}
}

// proceed tells a sender that waits for the backend's word what it is.
func (s *sender) proceed(wanted bool) {
	if s == nil || s.told {
		return
	}
	s.told = true
	if s.expected != nil {
		s.expected <- wanted
	}
}

// giveUp ends a sender that has not begun, which then never will. For others it
// does nothing.
func (s *sender) giveUp() {
	if s != nil {
		s.proceed(false)
		s.begun.CompareAndSwap(senderWaits, senderGivenUp)
	}
}

// reason is why the body could not be sent, nil if it was or may still be.
func (s *sender) reason() error {
	if s == nil {
		return nil
	}
	if f := s.failed.Load(); f != nil && f.err != errUnwanted {
		return f.err
	}
	return nil
}

// hasSent reports whether all of the body was sent.
func (s *sender) hasSent() bool {
	if s == nil {
		return true
	}
	timer := time.NewTimer(sendGrace)
	defer timer.Stop()
	select {
	case <-s.done:
		return s.failed.Load() == nil
	case <-timer.C:
		return false
	}
}

func (s *sender) sendLength(p *piece) error {
	for left := s.out.length; ; {
		err := s.read(p)
		if int64(p.n) > left {
			return s.blameBody(fmt.Errorf("the request body is longer than the %d bytes that were announced", s.out.length))
		}
		left -= int64(p.n)
		if p.n > 0 {
			if _, err := s.conn.net.Write(p.bytes()); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF) && left == 0:
			return nil
		case errors.Is(err, io.EOF):
			return s.blameBody(fmt.Errorf("the request body ended %d bytes before the length that was announced: %w", left, io.ErrUnexpectedEOF))
		case err != nil:
			return s.blameBody(err)
		}
	}
}

// sendChunks sends what each read of the body gives as one chunk.
func (s *sender) sendChunks(p *piece) error {
	for {
		err := s.read(p)
		if err != nil && !errors.Is(err, io.EOF) {
			return s.blameBody(err)
		}
		ended := err != nil
		b := p.chunk()
		if ended {
			if b, err = appendLastChunk(b, s.out.trailer); err != nil {
				return s.blameBody(err)
			}
		}
		if len(b) > 0 {
			if _, err := s.conn.net.Write(b); err != nil {
				return err
			}
		}
		if ended {
			return nil
		}
	}
}

func appendLastChunk(b []byte, trailer http.Header) ([]byte, error) {
	b, err := appendFields(append(b, "0\r\n"...), trailer)
	return append(b, "\r\n"...), err
}

// read reads the next part of the body.
func (s *sender) read(p *piece) (err error) {
	p.n, err = s.out.body.Read(p.next())
	return err
}

func (s *sender) blameBody(err error) error { return &sendFailure{err, true} }
