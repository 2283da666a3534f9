package http2

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// smallBody is how many bytes of a body wait for its end, so that they leave with
// the head, and with a Content-Length; net/http draws the line there too.
const smallBody = 4 << 10

// ResponseWriter writes the response to one request, as net/http's does: the same
// fields are added and left out.
//
// What it is told to write waits until there is a TLS record of it, the handler
// flushes or the response ends; a head and a small body leave together.
type ResponseWriter struct {
	stream *stream
	header http.Header

	status   int      // of the final response; 0 before it
	declared int64    // Content-Length as the handler gave it, -1 for none
	written  int64    // bytes of the body that the handler has written
	begun    bool     // the head is complete, and was sent
	auto     bool     // the length may be told if the body ends soon
	sniff    bool     // the type is to be guessed from the body
	trailers []string // declared in the head

	block   []byte // the head, encoded
	pending []byte // of the body, before the head is complete
	keys    []string
}

// Header is the header of the response, and of its trailers after WriteHeader.
func (w *ResponseWriter) Header() http.Header { return w.header }

// SetReadDeadline bounds reading the request's body.
func (w *ResponseWriter) SetReadDeadline(t time.Time) error {
	if b := w.stream.body; b != nil {
		b.setDeadline(t)
	}
	return nil
}

// SetWriteDeadline bounds writing the response. If it passes, the stream ends.
func (w *ResponseWriter) SetWriteDeadline(t time.Time) error {
	w.stream.setWriteDeadline(t)
	return nil
}

// EnableFullDuplex does nothing: it is always so.
func (w *ResponseWriter) EnableFullDuplex() error { return nil }

// WriteHeader begins the response, or sends an informational one. Like
// net/http's it panics for a code that is no status, and ignores a second final one.
func (w *ResponseWriter) WriteHeader(status int) {
	switch {
	case w.status != 0:
		return
	case status < 100 || status > 999:
		panic(fmt.Sprintf("http2: status %d", status))
	case status < 200:
		w.inform(status)
		return
	}
	w.status = status
	w.decide()
	w.encodeHead()
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
		if len(w.pending)+len(p) <= smallBody {
			w.pending = append(w.pending, p...)
			return len(p), nil
		}
		if err := w.begin(p, false); err != nil {
			return 0, err
		}
	}
	if err := w.body(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// body sends a piece of the body on its way.
func (w *ResponseWriter) body(p []byte) error {
	if w.isHead() {
		return nil
	}
	return w.stream.send(piece{body: p})
}

func (w *ResponseWriter) isHead() bool { return w.stream.request.Method == http.MethodHead }

// begin sends the head of a response whose body goes on with p, and what of it
// has waited.
func (w *ResponseWriter) begin(p []byte, leave bool) error {
	w.guessType(p)
	w.begun = true
	body := w.pending
	if w.isHead() {
		body = nil
	}
	return w.stream.send(piece{head: w.block, body: body, leave: leave})
}

// guessType adds the type that the body looks like.
func (w *ResponseWriter) guessType(p []byte) {
	if w.sniff && len(w.pending)+len(p) > 0 {
		start := append(w.pending, p[:min(len(p), smallBody-len(w.pending))]...)
		w.block = appendField(w.block, "Content-Type", http.DetectContentType(start))
	}
}

// Flush is for handlers that ask for http.Flusher.
func (w *ResponseWriter) Flush() { _ = w.FlushError() }

// FlushError sends what waits, the head in any case.
func (w *ResponseWriter) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.begun {
		return w.begin(nil, true)
	}
	return w.stream.send(piece{leave: true})
}

// finish sends the rest of the response after its handler has returned.
func (w *ResponseWriter) finish() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.isShort() {
		w.stream.abort()
		return
	}
	rest := piece{end: true}
	if !w.isHead() {
		rest.trailer = w.encodeTrailer()
	}
	if !w.begun {
		w.addLength()
		w.guessType(nil)
		rest.head = w.block
		if !w.isHead() {
			rest.body = w.pending
		}
	}
	_ = w.stream.send(rest) // if it fails, the client is gone
}

// isShort reports whether the handler has promised more than it has written. The
// client must not take that for the whole.
func (w *ResponseWriter) isShort() bool {
	return w.declared > w.written && bodyAllowed(w.status) && !w.isHead()
}

// abort ends a stream whose response can't be completed.
func (s *stream) abort() {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reset(s, codeInternal, errors.New("the response is shorter than its Content-Length says"))
	c.flush()
}
