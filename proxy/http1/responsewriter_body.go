package http1

import (
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// recordSize is the most that one TLS record carries (RFC 8446, 5.1): a buffer
// of that size leaves as one record.
const recordSize = 16 << 10

type buffer [recordSize]byte

// borrow makes room in out.
func (w *ResponseWriter) borrow() {
	if w.buffer == nil {
		w.buffer = w.lender.buffers.Get().(*buffer)
		w.out = w.buffer[:0]
	}
}

// flush writes out and gives its memory back: a response that waits for its
// source holds none.
func (w *ResponseWriter) flush() error {
	if len(w.out) > 0 && w.failed == nil {
		_, w.failed = w.conn.Write(w.out)
	}
	if w.buffer != nil {
		w.lender.buffers.Put(w.buffer)
		w.buffer, w.out = nil, nil
	}
	return w.failed
}

// put sends bytes on their way as they are: small ones through the buffer, large
// ones from where they lie.
func (w *ResponseWriter) put(p []byte) error {
	for large := len(p) >= recordSize; len(p) > 0; {
		if w.buffer == nil && large {
			if w.failed == nil {
				_, w.failed = w.conn.Write(p)
			}
			return w.failed
		}
		w.borrow()
		n := min(len(p), max(0, recordSize-len(w.out)))
		w.out = append(w.out, p[:n]...)
		if p = p[n:]; len(w.out) >= recordSize {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return w.failed
}

// chunkFrame is the most that surrounds the data of a chunk which fits a buffer:
// four digits and two line ends.
const chunkFrame = 4 + 2*len("\r\n")

// chunks puts p into the buffer as one chunk, or as several that each leave in
// one record.
func (w *ResponseWriter) chunks(p []byte) error {
	for len(p) > 0 {
		w.borrow()
		n := min(len(p), recordSize-len(w.out)-chunkFrame)
		if n < len(p) && n < recordSize/8 { // not worth a chunk: begin a new record
			if err := w.flush(); err != nil {
				return err
			}
			continue
		}
		w.out = strconv.AppendInt(w.out, int64(n), 16)
		w.out = append(w.out, "\r\n"...)
		w.out = append(w.out, p[:n]...)
		w.out = append(w.out, "\r\n"...)
		p = p[n:]
	}
	return w.failed
}

// endChunks writes the last chunk and the trailers.
func (w *ResponseWriter) endChunks() {
	w.borrow()
	w.out = append(w.out, "0\r\n"...)
	for key, values := range w.header {
		if name, ok := strings.CutPrefix(key, http.TrailerPrefix); ok && httpguts.ValidHeaderFieldName(name) {
			for _, value := range values {
				w.out = appendField(w.out, name, value)
			}
		}
	}
	for _, key := range w.trailers {
		for _, value := range w.header[key] {
			w.out = appendField(w.out, key, value)
		}
	}
	w.out = append(w.out, "\r\n"...)
}
