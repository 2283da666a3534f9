package http1

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
)

// Error is why a request got no response. It says for certain what the backend
// may have seen of the request.
type Error struct {
	// Wrote reports that a byte of the request was given to the system for a
	// connection. If it is false, the backend has seen nothing of the request.
	Wrote bool
	// Reused reports that the connection had carried another request before.
	Reused bool
	// Err is what has happened.
	Err error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

var (
	// ErrBusy ends the wait for one of the connections that Options.MaxConns allows.
	ErrBusy = errors.New("every connection that is allowed to the backend was busy")
	// ErrClosed is a connection that ended before the head of a response.
	ErrClosed = errors.New("the backend closed the connection before it answered")
	// ErrStalled is a write that made no progress within Options.WriteTimeout.
	ErrStalled = errors.New("the backend stopped reading the request")
	// ErrHeaderTimeout is a response whose head did not come within
	// Options.ResponseHeaderTimeout. Its Timeout is true.
	ErrHeaderTimeout error = headerTimeout{}
)

type headerTimeout struct{}

func (headerTimeout) Error() string        { return "the backend did not answer in time" }
func (headerTimeout) Timeout() bool        { return true }
func (headerTimeout) Temporary() bool      { return true }
func (headerTimeout) Is(target error) bool { return target == context.DeadlineExceeded }

// isReset reports that the other end, or we, have closed the connection.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
