package http1

import (
	"fmt"
	"io"
	"net/http"
	"time"
)

// Conn is the connection that responses are written to.
type Conn interface {
	io.Writer
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// smallBody is how many bytes of a body of unknown length wait for its end, so
// that it can be sent with a Content-Length; net/http draws the line there too.
const smallBody = 2 << 10

// ResponseWriter writes the response to one HTTP/1.1 request, as net/http's does:
// same framing, same fields added and left out. It never reads the request's
// body, so a handler may always read and write at the same time.
//
// What it is told to write waits in a buffer until that is full, the handler
// flushes or the response ends; a head and a small body leave in one write.
type ResponseWriter struct {
	lender  *ResponseWriters
	conn    Conn
	request *http.Request
	header  http.Header

	status   int   // of the final response; 0 before it
	declared int64 // Content-Length as the handler gave it, -1 for none
	written  int64 // bytes of the body that the handler has written
	begun    bool  // the head is complete, and stands in out or was sent
	chunked  bool
	auto     bool     // the length may be told if the body ends soon
	sniff    bool     // the type is to be guessed from the body
	last     bool     // the connection ends after this response
	trailers []string // declared in the head
	failed   error    // of writing to conn

	out     []byte  // to be written next
	buffer  *buffer // behind out; nil when out is empty
	pending []byte  // of the body, before the head is complete
	keys    []string
}

// Header is the header of the response, and of its trailers after WriteHeader.
func (w *ResponseWriter) Header() http.Header { return w.header }

// SetReadDeadline bounds reading the request's body.
func (w *ResponseWriter) SetReadDeadline(t time.Time) error { return w.conn.SetReadDeadline(t) }

// SetWriteDeadline bounds writing the response.
func (w *ResponseWriter) SetWriteDeadline(t time.Time) error { return w.conn.SetWriteDeadline(t) }

// EnableFullDuplex does nothing: it is always so.
func (w *ResponseWriter) EnableFullDuplex() error { return nil }

// WriteHeader begins the response, or sends an informational one. Like
// net/http's it panics for a code that is no status, and ignores a second final one.
func (w *ResponseWriter) WriteHeader(status int) {
	switch {
	case w.status != 0:
		return
	case status < 100 || status > 999:
		panic(fmt.Sprintf("http1: status %d", status))
	case status < 200 && status != http.StatusSwitchingProtocols:
		w.inform(status)
		return
	}
	w.status = status
	w.decide()
	w.writeHead()
}

// bodyAllowed reports whether a response of this status can have a body (RFC 9110, 6.4.1).
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// Write adds to the body.
func (w *ResponseWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case len(p) == 0:
		return 0, nil
	case !bodyAllowed(w.status):
		return 0, http.ErrBodyNotAllowed
	}
	w.written += int64(len(p))
	if w.declared != -1 && w.written > w.declared {
		return 0, http.ErrContentLength
	}
	if !w.begun {
		if w.auto && len(w.pending)+len(p) <= smallBody {
			w.pending = append(w.pending, p...)
			return len(p), nil
		}
		w.begin(p)
	}
	if err := w.body(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// body sends a piece of the body on its way, framed.
func (w *ResponseWriter) body(p []byte) error {
	switch {
	case w.request.Method == http.MethodHead:
		return nil
	case w.chunked:
		return w.chunks(p)
	}
	return w.put(p)
}

// Flush is for handlers that ask for http.Flusher.
func (w *ResponseWriter) Flush() { _ = w.FlushError() }

// FlushError sends what waits in the buffer, the head in any case.
func (w *ResponseWriter) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.begun {
		w.begin(nil)
	}
	return w.flush()
}

// Finish sends the rest of the response after its handler has returned. It
// reports whether another request can follow on the connection.
func (w *ResponseWriter) Finish() (reusable bool) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.begun {
		w.end()
	}
	if w.chunked {
		w.endChunks()
	}
	_ = w.flush() // failed tells
	short := w.declared != -1 && w.declared != w.written && bodyAllowed(w.status) && w.request.Method != http.MethodHead
	return !w.last && !short && w.failed == nil
}

// Abort sends what a handler that gave up has written, if it was more than a
// head and a small body. Nothing tells the client that it is the whole: the
// caller must reset the connection.
func (w *ResponseWriter) Abort() {
	if w.begun {
		_ = w.flush()
	}
}

// closesAfter reports whether anybody asks for the connection's end.
func (w *ResponseWriter) closesAfter() bool {
	return w.request.Close || first(w.header, "Connection") == "close" || w.lender.retired.Load()
}

func first(h http.Header, key string) string {
	if values := h[key]; len(values) > 0 {
		return values[0]
	}
	return ""
}
