package http2

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
	_, typed := w.header["Content-Type"]
	allowed := bodyAllowed(w.status)
	w.sniff = allowed && !typed && first(w.header, "Content-Encoding") == ""
	w.auto = allowed && w.declared == -1
	if first(w.header, "Connection") == "close" {
		w.stream.conn.Drain()
	}
	for _, list := range w.header["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			w.declareTrailer(http.CanonicalHeaderKey(strings.Trim(name, " \t")))
		}
	}
}

func (w *ResponseWriter) declareTrailer(name string) {
	if httpguts.ValidTrailerHeader(name) && !slices.Contains(w.trailers, name) {
		w.trailers = append(w.trailers, name)
	}
}

func first(h http.Header, key string) string {
	if values := h[key]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func (w *ResponseWriter) declaredLength() int64 {
	given := first(w.header, "Content-Length")
	if given == "" {
		return -1
	}
	length, err := strconv.ParseUint(given, 10, 63)
	if err != nil {
		return -1
	}
	return int64(length)
}

// encodeHead encodes the header as it is now: what the handler changes later is
// not meant for it. Fields that depend on the body are added by begin or finish.
func (w *ResponseWriter) encodeHead() {
	w.block = appendStatus(w.block[:0], w.status)
	w.encodeHeader(w.omits)
	if _, dated := w.header["Date"]; !dated {
		w.block = appendField(w.block, "Date", w.stream.conn.server.options.Date())
	}
}

// omits tells which of the handler's fields don't go into the head.
func (w *ResponseWriter) omits(key string) bool {
	switch key {
	case "Content-Length":
		return w.declared == -1 || !bodyAllowed(w.status)
	case "Content-Type":
		return w.status == http.StatusNotModified
	}
	return isConnectionField(key) || strings.HasPrefix(key, http.TrailerPrefix)
}

// isConnectionField reports fields that HTTP/2 does not have (RFC 9113, 8.2.2).
func isConnectionField(key string) bool {
	switch key {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// encodeHeader appends the header's fields in the order of their names, so that
// equal headers look equal.
func (w *ResponseWriter) encodeHeader(omit func(key string) bool) {
	w.keys = w.keys[:0]
	for key := range w.header {
		w.keys = append(w.keys, key)
	}
	slices.Sort(w.keys)
	for _, key := range w.keys {
		if omit(key) {
			continue
		}
		for _, value := range w.header[key] {
			w.block = appendField(w.block, key, value)
		}
	}
}

// addLength adds the length of a body that is all there.
func (w *ResponseWriter) addLength() {
	if w.auto && (!w.isHead() || len(w.pending) > 0) {
		w.block = appendField(w.block, "Content-Length", strconv.Itoa(len(w.pending)))
	}
}

// inform sends an informational response with the present header (RFC 8297).
func (w *ResponseWriter) inform(status int) {
	w.block = appendStatus(w.block[:0], status)
	w.encodeHeader(func(key string) bool { return key == "Content-Length" || isConnectionField(key) })
	c := w.stream.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	w.stream.inform(status, w.block)
}

// encodeTrailer encodes those of the trailers that have come. It is nil for none.
func (w *ResponseWriter) encodeTrailer() []byte {
	for key := range w.header {
		if name, ok := strings.CutPrefix(key, http.TrailerPrefix); ok {
			name = http.CanonicalHeaderKey(name)
			w.declareTrailer(name)
			w.header[name] = w.header[key]
		}
	}
	slices.Sort(w.trailers)
	var block []byte
	for _, key := range w.trailers {
		for _, value := range w.header[key] {
			block = appendField(block, key, value)
		}
	}
	return block
}
