package proxy

import (
	"crypto/tls"
	"net"
	"sync"
)

// recordConn is a TLS connection that hands the records of one write to the system
// together. crypto/tls hands over each by itself: 16 KiB at most, and down to one
// packet at the beginning of a connection.
type recordConn struct {
	*tls.Conn
	sink   *recordSink
	source *recordSource
}

// newRecordConn returns the server's side of TLS above c, before the handshake.
func newRecordConn(c net.Conn, config *tls.Config, buffers *recordBuffers) *recordConn {
	source := newRecordSource(c)
	sink := &recordSink{Conn: source, buffers: buffers}
	return &recordConn{tls.Server(sink, config), sink, source}
}

// Read gives all the records that are there, if p has room for several.
func (r *recordConn) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	if err != nil || len(p) < recordMost || r.source.socket == nil {
		return n, err
	}
	r.source.hasty = true
	defer func() { r.source.hasty = false }()
	for n < len(p) {
		more, err := r.Conn.Read(p[n:])
		n += more
		if err != nil {
			break
		}
	}
	return n, nil
}

// Write returns an error also for what an earlier Write could not send: the
// records after a gap would be refused.
func (r *recordConn) Write(p []byte) (int, error) {
	if !r.sink.hold(len(p)) {
		return r.Conn.Write(p)
	}
	n, err := r.Conn.Write(p)
	sent, failed := r.sink.release()
	if failed != nil {
		return int(float64(n) * sent), failed
	}
	return n, err
}

const (
	// recordMost is the largest payload of a record (RFC 8446, 5.1).
	recordMost = 16 << 10
	// recordFirst is about what the first records of a connection carry, until
	// recordBoost bytes were sent: crypto/tls begins with one packet, so that a
	// client can make use of the first one that arrives.
	recordFirst = 1 << 10
	recordBoost = 128 << 10
)

// recordSink takes the records from crypto/tls.
type recordSink struct {
	net.Conn
	buffers *recordBuffers

	mu      sync.Mutex
	payload int           // bytes that were to be sent so far, up to recordBoost
	held    *recordBuffer // nil: what is written goes out at once
	failed  error         // of the last release
	sent    int           // bytes that the present hold has sent already
}

// hold keeps records back from now on, if a write of so many bytes makes several.
// The one for whom it reports true must call release.
func (s *recordSink) hold(size int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := recordFirst
	if s.payload >= recordBoost {
		most = recordMost
	}
	s.payload = min(s.payload+size, recordBoost)
	if s.held != nil || size <= most {
		return false
	}
	s.held, s.sent = s.buffers.get(), 0
	return true
}

// release sends what was kept back, and tells which part of it was sent.
func (s *recordSink) release() (part float64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.sent + s.held.used
	err = s.send()
	s.buffers.put(s.held)
	s.held = nil
	return float64(s.sent) / float64(max(all, 1)), err
}

// Write takes records.
func (s *recordSink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.failed != nil:
		return 0, s.failed
	case s.held == nil:
		return s.Conn.Write(p)
	case len(p) > s.held.room():
		if err := s.send(); err != nil {
			return 0, err
		}
	}
	s.held.take(p)
	return len(p), nil
}

// send empties the buffer. s.mu is held.
func (s *recordSink) send() error {
	if s.failed != nil || s.held.used == 0 {
		return s.failed
	}
	n, err := s.Conn.Write(s.held.data[:s.held.used])
	s.sent += n
	s.held.used, s.failed = 0, err
	return err
}

// NetConn is the connection below.
func (s *recordSink) NetConn() net.Conn { return s.Conn }

// CloseWrite half-closes the connection below.
func (s *recordSink) CloseWrite() error { return closeWrite(s.Conn) }

// recordBuffer holds the records that a large piece of a body makes. One that is
// empty has room for any record.
type recordBuffer struct {
	data [largePiece + 1<<10]byte
	used int
}

func (b *recordBuffer) room() int     { return len(b.data) - b.used }
func (b *recordBuffer) take(p []byte) { b.used += copy(b.data[b.used:], p) }

// recordBuffers lends them out.
type recordBuffers struct{ pool sync.Pool }

func (b *recordBuffers) get() *recordBuffer {
	if buffer, ok := b.pool.Get().(*recordBuffer); ok {
		return buffer
	}
	return new(recordBuffer)
}

func (b *recordBuffers) put(buffer *recordBuffer) {
	buffer.used = 0
	b.pool.Put(buffer)
}
