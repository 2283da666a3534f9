package proxy

import (
	"net"

	"gateway/proxy/socket"
)

// recordSource is where crypto/tls reads records from. It can be told not to wait
// for them.
type recordSource struct {
	net.Conn
	socket *socket.Conn // below Conn; nil: there is none, and Read always waits
	hasty  bool         // Read does not wait
	dry    bool         // the last Read took all that was there
}

func newRecordSource(c net.Conn) *recordSource {
	s := &recordSource{Conn: c}
	if first, ok := c.(*sniffed); ok {
		s.socket, _ = first.Conn.(*socket.Conn)
	}
	return s
}

// Read reads for crypto/tls. If it must not wait, it gives socket.ErrNothing where
// it would have to, which crypto/tls takes for a passing error.
func (s *recordSource) Read(p []byte) (n int, err error) {
	switch {
	case !s.hasty:
		n, err = s.Conn.Read(p)
	case s.dry:
		err = socket.ErrNothing
	default: // what was sniffed was read with the handshake
		n, err = s.socket.TryRead(p)
	}
	s.dry = n < len(p)
	return n, err
}

// NetConn is the connection below.
func (s *recordSource) NetConn() net.Conn { return s.Conn }

// CloseWrite half-closes the connection below.
func (s *recordSource) CloseWrite() error { return closeWrite(s.Conn) }
