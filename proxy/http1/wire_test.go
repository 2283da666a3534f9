package http1

import (
	"bytes"
	"io"
	"net"
	"time"
)

// transportTape is a connection that plays what was recorded, so many bytes with
// each read, and records what is written.
type transportTape struct {
	io.Reader
	piece   int // 0: as much as there is room for
	written bytes.Buffer
	closed  bool
}

func (c *transportTape) Read(p []byte) (int, error) {
	if c.piece > 0 && len(p) > c.piece {
		p = p[:c.piece]
	}
	return c.Reader.Read(p)
}

func (c *transportTape) Write(p []byte) (int, error)      { return c.written.Write(p) }
func (c *transportTape) Close() error                     { c.closed = true; return nil }
func (c *transportTape) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *transportTape) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *transportTape) SetDeadline(time.Time) error      { return nil }
func (c *transportTape) SetReadDeadline(time.Time) error  { return nil }
func (c *transportTape) SetWriteDeadline(time.Time) error { return nil }
