package socket

import (
	"errors"
	"syscall"
)

// ErrUnasked is a connection that can't be asked anything: there is something to
// read on it already, be it the end of the stream, or it is closed.
var ErrUnasked = errors.New("the socket had something to read before anything was asked")

// asking is a request and the wait for its answer, within one attempt to read.
//
// Before an attempt, Go forgets what it knew of the socket's readiness, and then
// calls it without a wait. After one that was in vain it waits for the system's
// next word, and the system gives its word for whatever comes to the socket from
// then on (epoll with EPOLLET, kqueue with EV_CLEAR). So the first attempt may send
// the request and need not look for an answer: what came before it was seen by the
// look that it begins with, and what comes later ends the wait, however early.
type asking struct {
	conn            *Conn
	step            func(fd uintptr) bool
	request, answer []byte
	next            askingStep
}

type askingStep int

const (
	askingLooks askingStep = iota
	askingSends
	askingWaits
)

func newAsking(c *Conn) *asking {
	a := &asking{conn: c}
	a.step = a.attempt
	return a
}

// Ask sends a request on a connection that is silent, and waits for the beginning
// of its answer, with one look for it. Where the system does not take the whole
// request at once it does not wait, so nothing is received: the rest can be written.
//
// The error is ErrUnasked if nothing was sent for that reason; if not all was sent,
// that of the write; and else that of the read, which is io.EOF at the end of the
// stream. As for TryRead, nobody else may read or write beside.
func (c *Conn) Ask(request, answer []byte) (sent, received int, err error) {
	if c.asking == nil {
		c.asking = newAsking(c)
	}
	a := c.asking
	a.request, a.answer, a.next = request, answer, askingLooks
	refused := c.system.Read(a.step)
	a.request, a.answer = nil, nil
	switch a.next {
	case askingLooks:
		return 0, 0, ErrUnasked
	case askingSends:
		sent, err = c.out.outcome(nil)
		if err == ErrNothing {
			err = nil
		}
		return sent, 0, c.named("write", err)
	default:
		c.out.p = nil
		received, err = c.read(answer, refused)
		return len(request), received, err
	}
}

// attempt reports whether there is nothing to wait for.
func (a *asking) attempt(fd uintptr) (done bool) {
	if a.next == askingWaits {
		return a.conn.in.ready(fd)
	}
	if !a.looks(fd) {
		return true
	}
	a.next = askingSends
	if !a.sends(fd) {
		return true
	}
	a.next = askingWaits
	a.conn.in.until(a.answer)
	return false
}

// looks reports whether there is nothing to read.
func (a *asking) looks(fd uintptr) (silent bool) {
	in := &a.conn.in
	in.peeks = true
	in.once(a.conn.peeked[:])(fd)
	in.peeks = false
	return errors.Is(in.err, syscall.EAGAIN)
}

// sends reports whether the system took all of the request.
func (a *asking) sends(fd uintptr) bool {
	out := &a.conn.out
	out.once(a.request)(fd)
	return out.err == nil && out.n == len(a.request)
}
