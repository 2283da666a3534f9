package http1

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"gateway/proxy/socket"
)

// wire is a connection as the system has it, below TLS. It counts what was
// written, lets no write stall, and can look for input without waiting for it.
//
// A write goes straight to the system, which nearly always takes all of it. So a
// request costs no timer for its write; one that has to wait gets a deadline.
type wire struct {
	net.Conn
	socket  *socket.Conn  // the Conn; nil: it is no socket
	stall   time.Duration // 0: no limit
	written atomic.Int64
	looking bool // Read does not wait
}

func newWire(c net.Conn, stall time.Duration) *wire {
	if s, ok := socket.New(c); ok {
		return &wire{Conn: s, socket: s, stall: stall}
	}
	return &wire{Conn: c, stall: stall}
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

// ask writes a request as far as the system takes it without waiting. When that is
// all of it, the beginning of the answer, or why there is none, is read into in.
// The error is socket.ErrUnasked, or that of the write.
func (w *wire) ask(request []byte, in *reader) (sent int, err error) {
	sent, received, err := w.socket.Ask(request, in.buf)
	w.written.Add(int64(sent))
	if sent < len(request) {
		return sent, err
	}
	in.w, in.err = received, err
	return sent, nil
}

// writeAtOnce writes as much as the system takes without waiting.
func (w *wire) writeAtOnce(p []byte) (int, error) {
	if w.socket == nil {
		return 0, nil
	}
	n, err := w.socket.TryWrite(p)
	if errors.Is(err, socket.ErrNothing) {
		err = nil
	}
	return n, err
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

func (w *wire) Read(p []byte) (int, error) {
	if w.looking {
		return w.socket.TryRead(p)
	}
	return w.Conn.Read(p)
}

// pending reports whether a read would return at once, with data, the end of the
// stream or an error. A connection that is no socket can't tell, and says no.
func (w *wire) pending() bool { return w.socket != nil && w.socket.Pending() }

// CloseWrite tells the backend that nothing more will come.
func (w *wire) CloseWrite() error {
	if half, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
