package proxy

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// unreachableError marks a failure before any byte was sent. Whatever the method
// of the request, it is safe to send it again.
type unreachableError struct{ cause error }

func (e *unreachableError) Error() string { return e.cause.Error() }
func (e *unreachableError) Unwrap() error { return e.cause }

// errPeerGone is a kept-alive connection that the backend had closed before
// anything of the next request was written to it.
var errPeerGone = errors.New("the backend had closed the connection before the request was sent")

// errBackendStalled is a write to the backend that made no progress.
var errBackendStalled = errors.New("the backend stopped reading the request")

// answerGrace is how long a failed write to the backend waits for the answer that
// may be the reason for it.
const answerGrace = 5 * time.Second

// backendConn bounds each write to a backend, and lets an answer be read that
// came before the request was sent. A backend that refuses an upload answers and
// closes; http.Transport would take the failed write for a dead backend.
//
// It also knows for certain whether anything was written, on which it depends
// whether a request may be sent again.
type backendConn struct {
	net.Conn
	stall time.Duration
	once  sync.Once
	over  chan struct{} // closed when there is nothing more to read

	written atomic.Int64
	probe   atomic.Bool // look whether the backend is still there before the next write
	unfit   atomic.Bool // nothing is written any more, not even TLS's farewell
}

func (c *backendConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.finish()
	}
	return n, err
}

// Close also ends a wait for an answer.
func (c *backendConn) Close() error {
	c.finish()
	return c.Conn.Close()
}

func (c *backendConn) finish() { c.once.Do(func() { close(c.over) }) }

func (c *backendConn) Write(p []byte) (int, error) {
	if !c.fit() {
		return 0, errPeerGone
	}
	if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	switch {
	case err == nil:
	case isTimeout(err):
		err = fmt.Errorf("%w: %w", errBackendStalled, err)
	case isReset(err):
		c.awaitAnswer()
	}
	return n, err
}

// fit reports whether a request may be written. The backend's farewell may have
// arrived already, and not been read yet.
func (c *backendConn) fit() bool {
	if c.probe.Load() && c.probe.CompareAndSwap(true, false) && hasEnded(c.Conn) {
		c.unfit.Store(true)
	}
	return !c.unfit.Load()
}

// hasEnded reports whether the other end has closed a connection, which a write
// would not tell: the system takes what is written for as long as no reset came.
func hasEnded(c net.Conn) bool {
	system, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return false
	}
	ended := false
	err = raw.Control(func(fd uintptr) { // Read would wait for the reader that is always there
		var one [1]byte
		n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		ended = n == 0 && err == nil || err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
	})
	return ended || err != nil
}

func (c *backendConn) awaitAnswer() {
	timer := time.NewTimer(answerGrace)
	defer timer.Stop()
	select {
	case <-c.over:
	case <-timer.C:
	}
}

// CloseWrite passes on that a WebSocket client will send no more.
func (c *backendConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// rawConn is the connection under wrappers such as *tls.Conn.
func rawConn(c net.Conn) net.Conn {
	for {
		wrapper, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = wrapper.NetConn()
	}
}
