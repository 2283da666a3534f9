package http1

import (
	"errors"
	"io"
	"net/http"

	"gateway/proxy/socket"
)

// Splice takes up to most bytes of the body into a pipe, and gives io.EOF with the
// last of them, as Read does. The error is errors.ErrUnsupported for what must be
// read: a body in chunks, of unknown length or over TLS, and what came with the head.
func (b *body) Splice(into *socket.Pipe, most int) (int, error) {
	switch {
	case b.err != nil:
		return 0, b.err
	case b.chunked, b.left == unknownLength, b.conn.tls != nil, b.conn.wire.socket == nil, b.conn.in.r < b.conn.in.w, b.conn.in.err != nil:
		return 0, errors.ErrUnsupported
	}
	n, err := into.Fill(b.conn.wire.socket, int(min(b.left, int64(most))))
	b.conn.in.err = err
	if b.left -= int64(n); b.left == 0 {
		err = io.EOF
	} else {
		err = unexpected(err)
	}
	if err != nil {
		b.end(err)
	}
	return n, b.err
}

// ReadFrom adds to a body of known length what there is to read from src, which
// the connection may take without a copy. Other bodies are written.
func (w *ResponseWriter) ReadFrom(src io.Reader) (int64, error) {
	pipe, ok := src.(*socket.Pipe)
	to, direct := w.conn.(io.ReaderFrom)
	if !ok || !direct || !w.begun || w.chunked || w.declared == -1 || !bodyAllowed(w.status) || w.request.Method == http.MethodHead {
		return io.Copy(struct{ io.Writer }{w}, src)
	}
	if w.written += int64(pipe.Len()); w.written > w.declared {
		return 0, http.ErrContentLength
	}
	if err := w.flush(); err != nil {
		return 0, err
	}
	n, err := to.ReadFrom(pipe)
	w.failed = err
	return n, err
}
