package proxy

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// unreachableError marks a failure before any byte was sent. Whatever the method
// of the request, it is safe to send it again.
type unreachableError struct{ cause error }

func (e *unreachableError) Error() string { return e.cause.Error() }
func (e *unreachableError) Unwrap() error { return e.cause }

// errBackendStalled is a write to the backend that made no progress.
var errBackendStalled = errors.New("the backend stopped reading the request")

// answerGrace is how long a failed write to the backend waits for the answer that
// may be the reason for it.
const answerGrace = 5 * time.Second

// backendConn bounds each write to a backend, and lets an answer be read that
// came before the request was sent. A backend that refuses an upload answers and
// closes; http.Transport would take the failed write for a dead backend.
type backendConn struct {
	net.Conn
	stall time.Duration
	once  sync.Once
	over  chan struct{} // closed when there is nothing more to read
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
	if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	switch {
	case err == nil:
	case isTimeout(err):
		err = fmt.Errorf("%w: %w", errBackendStalled, err)
	case isReset(err):
		c.awaitAnswer()
	}
	return n, err
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
