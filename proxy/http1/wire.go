package http1

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// wire is a connection as the system has it, below TLS. It counts what was
// written, lets no write stall, and can look for input without waiting for it.
//
// A write goes straight to the system, which nearly always takes all of it. So a
// request costs no timer for its write; one that has to wait gets a deadline.
type wire struct {
	net.Conn
	system  syscall.RawConn // nil: it is no socket
	stall   time.Duration   // 0: no limit
	written atomic.Int64
	looking bool // Read does not wait

	// One attempt of the system's, handed over in fields so that it costs no
	// allocation. Its users take turns.
	attempt struct {
		write, read, peek func(fd uintptr)
		p                 []byte
		n                 int
		err               error
		one               [1]byte
	}
}

// errNothing is what a wire that does not wait has to read.
var errNothing error = nothingYet{}

// nothingYet is temporary, so that TLS goes on afterwards.
type nothingYet struct{}

func (nothingYet) Error() string   { return "there is nothing to read yet" }
func (nothingYet) Timeout() bool   { return true }
func (nothingYet) Temporary() bool { return true }

func newWire(c net.Conn, stall time.Duration) *wire {
	w := &wire{Conn: c, stall: stall}
	if socket, ok := c.(syscall.Conn); ok {
		if system, err := socket.SyscallConn(); err == nil {
			w.system = system
		}
	}
	a := &w.attempt
	a.write = func(fd uintptr) { a.n, a.err = syscall.Write(int(fd), a.p) }
	a.read = func(fd uintptr) { a.n, a.err = syscall.Read(int(fd), a.p) }
	a.peek = func(fd uintptr) {
		a.n, _, a.err = syscall.Recvfrom(int(fd), a.p, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	}
	return w
}

// try makes one attempt with p that does not wait. The error is errNothing if it
// would have to.
func (w *wire) try(f func(fd uintptr), p []byte) (n int, err error) {
	a := &w.attempt
	a.p, a.err = p, syscall.EINTR
	for errors.Is(a.err, syscall.EINTR) {
		if err := w.system.Control(f); err != nil {
			a.n, a.err = 0, err
		}
	}
	a.p = nil
	if errors.Is(a.err, syscall.EAGAIN) {
		return 0, errNothing
	}
	return max(a.n, 0), a.err
}

func (w *wire) Write(p []byte) (int, error) {
	n, err := w.writeAtOnce(p)
	if err == nil && n < len(p) {
		var more int
		more, err = w.writeWaiting(p[n:])
		n += more
	}
	w.written.Add(int64(n))
	return n, err
}

// writeAtOnce writes as much as the system takes without waiting.
func (w *wire) writeAtOnce(p []byte) (int, error) {
	if w.system == nil {
		return 0, nil
	}
	n, err := w.try(w.attempt.write, p)
	switch {
	case err == nil, errors.Is(err, net.ErrClosed):
		return n, err
	case errors.Is(err, errNothing):
		return n, nil
	default:
		return n, w.named("write", err)
	}
}

func (w *wire) writeWaiting(p []byte) (int, error) {
	if w.stall > 0 {
		if err := w.SetWriteDeadline(time.Now().Add(w.stall)); err != nil {
			return 0, err
		}
	}
	n, err := w.Conn.Write(p)
	if err != nil && isTimeout(err) {
		err = fmt.Errorf("%w: %w", ErrStalled, err)
	}
	return n, err
}

// named gives an error of the system the form that the net package gives it.
func (w *wire) named(operation string, err error) error {
	return &net.OpError{Op: operation, Net: w.RemoteAddr().Network(), Source: w.LocalAddr(), Addr: w.RemoteAddr(), Err: os.NewSyscallError(operation, err)}
}

func (w *wire) Read(p []byte) (int, error) {
	if !w.looking {
		return w.Conn.Read(p)
	}
	n, err := w.try(w.attempt.read, p)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, err
}

// pending reports whether a read would return at once, with data, the end of the
// stream or an error. A connection that is no socket can't tell, and says no.
func (w *wire) pending() bool {
	if w.system == nil {
		return false
	}
	_, err := w.try(w.attempt.peek, w.attempt.one[:])
	return !errors.Is(err, errNothing)
}

// CloseWrite tells the backend that nothing more will come.
func (w *wire) CloseWrite() error {
	if half, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
