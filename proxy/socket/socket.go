// Package socket reads and writes sockets without telling Go's scheduler, which
// takes a thread that has entered the system for one that may stay there. Sockets
// never do: they answer at once, or that there is nothing to do. With a load on the
// machine this saves a good part of what a proxy costs, because no other thread is
// woken to go on in the place of this one.
package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// ErrNothing is what there is to read without waiting, or room to write. It is a
// net.Error and a passing one, so that TLS above goes on afterwards.
var ErrNothing error = nothingYet{}

type nothingYet struct{}

func (nothingYet) Error() string   { return "the socket is not ready" }
func (nothingYet) Timeout() bool   { return true }
func (nothingYet) Temporary() bool { return true }

// Conn is a connection that is a socket. As any net.Conn it can be used by several
// goroutines, but for TryRead, TryWrite and Ask, which nobody else may read or write
// beside. An idle connection pays for it with some 300 bytes.
type Conn struct {
	net.Conn
	system  syscall.RawConn
	in, out direction
	peeked  [1]byte
	asking  *asking // nil before the first Ask
}

// New gives c with cheaper reads and writes. It reports false if c is no socket.
func New(c net.Conn) (*Conn, bool) {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return nil, false
	}
	system, err := socket.SyscallConn()
	if err != nil {
		return nil, false
	}
	s := &Conn{Conn: c, system: system}
	s.in.init(receive)
	s.out.init(send)
	return s, true
}

// Read waits until there is something to read.
func (c *Conn) Read(p []byte) (int, error) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	return c.read(p, c.system.Read(c.in.until(p)))
}

// TryRead does not wait. Its error is ErrNothing if it would have to.
func (c *Conn) TryRead(p []byte) (int, error) { return c.read(p, c.system.Control(c.in.once(p))) }

// read tells what came of an attempt, which did not take place if refused is an error.
func (c *Conn) read(p []byte, refused error) (int, error) {
	n, err := c.in.outcome(refused)
	if n == 0 && err == nil && len(p) > 0 {
		return 0, io.EOF
	}
	return n, c.named("read", err)
}

// Pending reports whether a read would return at once: with data, the end of the
// stream or an error. It is not for connections that somebody is reading.
func (c *Conn) Pending() bool {
	c.in.peeks = true
	_, err := c.in.outcome(c.system.Control(c.in.once(c.peeked[:])))
	c.in.peeks = false
	return !errors.Is(err, ErrNothing)
}

// Write waits until everything is written.
func (c *Conn) Write(p []byte) (written int, err error) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	for {
		n, err := c.out.outcome(c.system.Write(c.out.until(p[written:])))
		if written += n; err != nil || written >= len(p) {
			return written, c.named("write", err)
		}
	}
}

// TryWrite writes as much as there is room for without waiting. Its error is
// ErrNothing if that is nothing.
func (c *Conn) TryWrite(p []byte) (int, error) {
	n, err := c.out.outcome(c.system.Control(c.out.once(p)))
	return n, c.named("write", err)
}

// named gives an error of the system the form that package net gives it.
func (c *Conn) named(operation string, err error) error {
	if err == nil || err == ErrNothing {
		return err
	}
	var raw *net.OpError
	if errors.As(err, &raw) {
		raw.Op = operation // net calls it a raw one
		return raw
	}
	return &net.OpError{Op: operation, Net: c.RemoteAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(operation, err)}
}

// CloseWrite tells the other end that nothing more will come.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// NetConn is the connection below.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// direction is one attempt at a time to read or to write. What it is about is
// handed over in fields, so that it costs no allocation.
type direction struct {
	mu    sync.Mutex
	try   func(fd uintptr)
	ready func(fd uintptr) bool
	p     []byte
	n     int
	err   error
	peeks bool // what is read stays there
}

func (d *direction) init(attempt func(d *direction, fd uintptr) (int, error)) {
	d.try = func(fd uintptr) {
		for {
			if d.n, d.err = attempt(d, fd); !errors.Is(d.err, syscall.EINTR) {
				return
			}
		}
	}
	d.ready = func(fd uintptr) bool {
		d.try(fd)
		return !errors.Is(d.err, syscall.EAGAIN)
	}
}

// once makes one attempt.
func (d *direction) once(p []byte) func(fd uintptr) {
	d.p = p
	return d.try
}

// until makes attempts until one does not have to wait.
func (d *direction) until(p []byte) func(fd uintptr) bool {
	d.p = p
	return d.ready
}

func (d *direction) outcome(refused error) (int, error) {
	d.p = nil
	switch {
	case refused != nil:
		return 0, refused
	case errors.Is(d.err, syscall.EAGAIN):
		return 0, ErrNothing
	}
	return max(d.n, 0), d.err
}
