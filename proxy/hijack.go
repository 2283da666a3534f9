package proxy

import (
	"bufio"
	"errors"
	"net"
)

// Hijack ends the watch over the writer: an upgraded connection may be silent
// for as long as it likes.
func (w *pacedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, buffered, err := w.controller.Hijack()
	if err == nil {
		w.hijacked = true
		w.pace.stop()
	}
	if err != nil || buffered.Reader.Buffered() == 0 {
		return c, buffered, err
	}
	return &earlyConn{c, buffered.Reader}, buffered, nil
}

// earlyConn is an upgraded connection whose client did not wait for the answer.
// ReverseProxy reads the connection and not the buffer that Hijack hands out, so
// what is in there would be lost.
type earlyConn struct {
	net.Conn
	buffer *bufio.Reader
}

func (c *earlyConn) Read(p []byte) (int, error) {
	if c.buffer.Buffered() > 0 {
		return c.buffer.Read(p)
	}
	return c.Conn.Read(p)
}

func (c *earlyConn) NetConn() net.Conn { return c.Conn }

// CloseWrite passes on that the backend will send no more.
func (c *earlyConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
