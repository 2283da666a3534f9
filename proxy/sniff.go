package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"gateway/proxy/socket"
)

// recordHandshake is the first byte of a TLS connection: the type of the record
// that carries the ClientHello (RFC 8446, 5.1). No HTTP method begins with it.
const recordHandshake = 0x16

// protocolACME is what a certificate authority asks for when it checks a name
// (RFC 8737). The handshake itself is the answer.
const protocolACME = "acme-tls/1"

// sniffed is a connection of which the first bytes were read already: the first
// one, and what came along with it, as a ClientHello comes in one piece mostly.
type sniffed struct {
	net.Conn
	first  []byte      // not yet read again
	buffer *headBuffer // holds first; nil when all of it was read again
	lender *headBuffers
}

// sniff waits for the first byte that a client sends.
func sniff(c net.Conn, lender *headBuffers) (*sniffed, error) {
	buffer := lender.get()
	n, err := io.ReadAtLeast(c, buffer[:], 1)
	if err != nil {
		lender.put(buffer)
		return nil, err
	}
	return &sniffed{Conn: c, first: buffer[:n], buffer: buffer, lender: lender}, nil
}

func (s *sniffed) isTLS() bool { return s.first[0] == recordHandshake }

// Read reads the first bytes, then what follows them.
func (s *sniffed) Read(p []byte) (int, error) {
	if s.buffer == nil || len(p) == 0 {
		return s.Conn.Read(p)
	}
	n := copy(p, s.first)
	if s.first = s.first[n:]; len(s.first) == 0 {
		s.lender.put(s.buffer)
		s.first, s.buffer = nil, nil
	}
	return n, nil
}

// NetConn is the connection below.
func (s *sniffed) NetConn() net.Conn { return s.Conn }

// CloseWrite half-closes the connection below.
func (s *sniffed) CloseWrite() error { return closeWrite(s.Conn) }

// converse begins with a connection, from its first byte on, until it goes on in
// a goroutine of its own or is closed. Each runs in a worker of its own, so that a
// slow client delays nobody.
func (s *Server) converse(c *client, l *bound) {
	endpoint := *l.endpoint.Load()
	of := &conn{settings: s.settings.Load(), endpoint: endpoint.String(), local: c.raw.LocalAddr(), remote: c.raw.RemoteAddr()}
	_ = c.raw.SetDeadline(time.Now().Add(of.settings.timeouts.Handshake))
	first, err := sniff(c.socket(), &s.buffers)
	switch {
	case err != nil:
		c.close()
	case !first.isTLS():
		_ = c.raw.SetDeadline(time.Time{})
		go s.serveHTTP1(first, c, of)
	case endpoint.PlainOnly || s.opts.TLS == nil:
		s.refuseTLS(c, of)
	default:
		s.serveTLS(first, c, of)
	}
}

// socket is the connection as it is read and written.
func (c *client) socket() net.Conn {
	if s, ok := socket.New(c.raw); ok {
		return s
	}
	return c.raw
}

// close closes a connection that no guard owns.
func (c *client) close() {
	_ = c.raw.Close()
	c.is(clientGone)
}

// refuseTLS answers a ClientHello on a plain port with the alert that TLS has
// for it, which clients report better than a closed connection.
func (s *Server) refuseTLS(c *client, of *conn) {
	// A record of type alert, version 3.1, 2 bytes: fatal, handshake_failure.
	_, _ = c.raw.Write([]byte{0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28})
	if n, due := s.failing.due(time.Now()); due {
		s.opts.Log.Info("a client spoke TLS on a port that is plain HTTP only",
			"endpoint", of.endpoint, "client", c.raw.RemoteAddr().String(), "failures", n)
	}
	linger(c.raw, c.raw)
	c.close()
}

// serveTLS makes the handshake and goes on with the protocol that it chose.
func (s *Server) serveTLS(first *sniffed, c *client, of *conn) {
	secure := newRecordConn(first, s.opts.TLS, &s.records)
	// The connection's deadline bounds the handshake; the context only tells where
	// the client came to.
	if err := secure.HandshakeContext(context.WithValue(context.Background(), connKey, of)); err != nil {
		s.handshakeFailed(of, err)
		c.close()
		return
	}
	_ = c.raw.SetDeadline(time.Time{})
	state := secure.ConnectionState()
	of.tls = &state
	switch state.NegotiatedProtocol {
	case protocolACME:
		_ = secure.Close()
		c.close()
	case "h2":
		go s.serveHTTP2(secure, c, of)
	default:
		go s.serveHTTP1(secure, c, of)
	}
}

// handshakeFailed tells of failures that an admin can do something about; what
// scanners and closed browser tabs leave behind is for debugging only.
func (s *Server) handshakeFailed(of *conn, err error) {
	log := []any{"endpoint", of.endpoint, "client", of.remote.String(), "error", err}
	gone := errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded)
	n, due := 0, false
	if !gone {
		n, due = s.failing.due(time.Now())
	}
	if !due {
		s.opts.Log.Debug("a TLS handshake failed", log...)
		return
	}
	s.opts.Log.Info("a TLS handshake failed", append(log, "failures", n)...)
}
