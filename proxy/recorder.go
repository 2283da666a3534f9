package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync/atomic"
)

// recorder is the http.ResponseWriter that inner handlers see: it takes down
// status and size, and passes everything on. Deadlines, EnableFullDuplex and the
// like reach the server through Unwrap and http.ResponseController.
type recorder struct {
	http.ResponseWriter
	status   int // of the final response; 0 before it
	body     int64
	tunnel   *countedConn // after an upgrade
	returned bool         // the handler ended without panic
}

// WriteHeader takes the status down, unless it announces an interim response (RFC 9110, 15.2).
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	w.implicitHeader()
	n, err := w.ResponseWriter.Write(p)
	w.body += int64(n)
	return n, err
}

// WriteString spares the copy of a page to a byte slice.
func (w *recorder) WriteString(s string) (int, error) {
	w.implicitHeader()
	n, err := io.WriteString(w.ResponseWriter, s)
	w.body += int64(n)
	return n, err
}

// ReadFrom lets net/http use sendfile and splice where it can.
func (w *recorder) ReadFrom(src io.Reader) (int64, error) {
	w.implicitHeader()
	n, err := io.Copy(w.ResponseWriter, src)
	w.body += n
	return n, err
}

func (w *recorder) implicitHeader() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
}

// Flush is for handlers that ask for http.Flusher.
func (w *recorder) Flush() { _ = w.FlushError() }

// FlushError is for http.ResponseController.
func (w *recorder) FlushError() error {
	w.implicitHeader()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack hands out a connection that counts, so that the line of an upgraded
// request, written when it ends, has its bytes.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.tunnel = &countedConn{Conn: c}
	rw.Writer.Reset(w.tunnel)
	return w.tunnel, rw, nil
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// outcome is the status that the client got, as far as can be known here.
func (w *recorder) outcome() int {
	switch {
	case w.status != 0:
		return w.status
	case w.tunnel != nil: // the 101 was written to the connection itself
		return http.StatusSwitchingProtocols
	case !w.returned: // the connection was cut before an answer
		return http.StatusInternalServerError
	}
	return http.StatusOK // what net/http sends for a handler that wrote nothing
}

// countedBody counts the bytes of a request body.
type countedBody struct {
	io.ReadCloser
	read atomic.Int64 // the transport may go on reading after the handler has returned
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read.Add(int64(n))
	return n, err
}

// countedConn counts the bytes of an upgraded connection.
type countedConn struct {
	net.Conn
	read, written atomic.Int64
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}

// CloseWrite passes the end of one direction on, so that a half-closed
// WebSocket or tunnel stays half open.
func (c *countedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Conn.Close()
}
