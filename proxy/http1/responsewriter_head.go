package http1

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// decide settles from the header what can be settled before the body.
func (w *ResponseWriter) decide() {
	w.declared = w.declaredLength()
	coding := first(w.header, "Transfer-Encoding")
	_, typed := w.header["Content-Type"]
	_, lengthGiven := w.header["Content-Length"]
	allowed := bodyAllowed(w.status)
	w.last = w.closesAfter()
	w.sniff = allowed && !typed && coding == "" && first(w.header, "Content-Encoding") == ""
	w.auto = allowed && coding == "" && !lengthGiven && !w.declareTrailers()
	if w.declared != -1 && coding != "" && coding != "identity" {
		w.declared = -1 // the coding delimits the body (RFC 9112, 6.3)
	}
	if w.declared != -1 || !allowed || w.request.Method == http.MethodHead {
		return
	}
	w.chunked = coding != "identity"
	w.last = w.last || !w.chunked // the connection's end delimits the body
}

func (w *ResponseWriter) declaredLength() int64 {
	given := first(w.header, "Content-Length")
	if given == "" {
		return -1
	}
	length, err := strconv.ParseInt(given, 10, 64)
	if err != nil || length < 0 {
		delete(w.header, "Content-Length")
		return -1
	}
	return length
}

// declareTrailers notes what the handler says will come after the body, and
// reports whether anything may.
func (w *ResponseWriter) declareTrailers() bool {
	found := len(w.header["Trailer"]) > 0
	for _, list := range w.header["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			if name = http.CanonicalHeaderKey(strings.Trim(name, " \t")); httpguts.ValidTrailerHeader(name) {
				w.trailers = append(w.trailers, name)
			}
		}
	}
	for key := range w.header {
		found = found || strings.HasPrefix(key, http.TrailerPrefix)
	}
	return found
}

// writeHead puts the head into the buffer as the header is now: what the handler
// changes later is not meant for it. The fields that depend on the body, and the
// end of the head, are added by begin or end.
func (w *ResponseWriter) writeHead() {
	w.borrow()
	w.out = appendStatusLine(w.out, w.status)
	w.out = w.appendHeader(w.out, w.omits)
	if _, dated := w.header["Date"]; !dated {
		w.out = appendField(w.out, "Date", w.lender.Date())
	}
	if w.last && !w.saysClose() {
		w.out = append(w.out, "Connection: close\r\n"...)
	}
}

// saysClose reports whether the handler has announced the connection's end itself.
func (w *ResponseWriter) saysClose() bool {
	return httpguts.HeaderValuesContainsToken(w.header["Connection"], "close")
}

// omits tells which of the handler's fields don't go into the head.
func (w *ResponseWriter) omits(key string) bool {
	switch key {
	case "Content-Length":
		return w.declared == -1 || !bodyAllowed(w.status)
	case "Content-Type":
		return w.status == http.StatusNotModified
	case "Transfer-Encoding":
		return !w.chunked || first(w.header, key) == "chunked"
	case "Connection":
		return w.last && !w.saysClose()
	}
	return strings.HasPrefix(key, http.TrailerPrefix)
}

// begin completes the head of a response whose body goes on with p.
func (w *ResponseWriter) begin(p []byte) {
	if w.sniff && len(w.pending)+len(p) > 0 {
		start := append(w.pending, p[:min(len(p), smallBody-len(w.pending))]...)
		w.out = appendField(w.out, "Content-Type", http.DetectContentType(start))
	}
	if w.chunked {
		w.out = append(w.out, "Transfer-Encoding: chunked\r\n"...)
	}
	w.beginBody()
}

// end completes the head of a response whose whole body is known.
func (w *ResponseWriter) end() {
	if w.auto && (w.request.Method != http.MethodHead || len(w.pending) > 0) {
		w.declared, w.chunked = int64(len(w.pending)), false
		w.out = append(w.out, "Content-Length: "...)
		w.out = append(strconv.AppendInt(w.out, w.declared, 10), "\r\n"...)
	}
	w.begin(nil)
}

func (w *ResponseWriter) beginBody() {
	w.out = append(w.out, "\r\n"...)
	w.begun = true
	_ = w.body(w.pending) // failed tells
	w.pending = w.pending[:0]
}

// inform sends an informational response with the present header (RFC 8297).
func (w *ResponseWriter) inform(status int) {
	w.borrow()
	w.out = appendStatusLine(w.out, status)
	w.out = w.appendHeader(w.out, func(key string) bool { return key == "Content-Length" || key == "Transfer-Encoding" })
	w.out = append(w.out, "\r\n"...)
	_ = w.flush() // failed tells
}

func appendStatusLine(b []byte, status int) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	if text := http.StatusText(status); text != "" {
		b = append(b, text...)
	} else {
		b = strconv.AppendInt(append(b, "status code "...), int64(status), 10)
	}
	return append(b, "\r\n"...)
}

// appendHeader appends the header's fields in the order of their names, so that
// equal headers look equal.
func (w *ResponseWriter) appendHeader(b []byte, omit func(key string) bool) []byte {
	w.keys = w.keys[:0]
	for key := range w.header {
		w.keys = append(w.keys, key)
	}
	slices.Sort(w.keys)
	for _, key := range w.keys {
		if omit(key) || !httpguts.ValidHeaderFieldName(key) {
			continue
		}
		for _, value := range w.header[key] {
			b = appendField(b, key, value)
		}
	}
	return b
}

// appendField appends a line. A line break in a value would begin another field,
// and becomes a space.
func appendField(b []byte, key, value string) []byte {
	b = append(append(b, key...), ": "...)
	value = strings.Trim(value, " \t\r\n")
	from := len(b)
	b = append(b, value...)
	if strings.IndexByte(value, '\n') >= 0 || strings.IndexByte(value, '\r') >= 0 {
		for i := from; i < len(b); i++ {
			if b[i] == '\n' || b[i] == '\r' {
				b[i] = ' '
			}
		}
	}
	return append(b, "\r\n"...)
}
