package http2

import (
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2/hpack"
)

// head is the header section of a request, or its trailers, while it is decoded.
type head struct {
	method, scheme, authority, path string

	fields    []hpack.HeaderField // the others
	seen      uint8               // pseudo-header fields, by their bits
	size      int                 // as RFC 9113, 6.5.2, counts
	limit     int                 // of size
	malformed bool                // RFC 9113, 8.1.1
	tooLarge  bool
}

// reset prepares for the next head.
func (h *head) reset(limit int) {
	clear(h.fields)
	*h = head{fields: h.fields[:0], limit: limit}
}

// add is what the decoder calls for each field.
func (h *head) add(f hpack.HeaderField) {
	if h.size += int(f.Size()); h.size > h.limit {
		h.tooLarge = true
		return
	}
	switch {
	case !isValue(f.Value):
		h.malformed = true
	case strings.HasPrefix(f.Name, ":"):
		h.addPseudo(f)
	case !isFieldName(f.Name):
		h.malformed = true
	default:
		h.fields = append(h.fields, f)
	}
}

const (
	seenMethod = 1 << iota
	seenScheme
	seenAuthority
	seenPath
)

// addPseudo takes a pseudo-header field. Each may come once, and before the others.
func (h *head) addPseudo(f hpack.HeaderField) {
	var bit uint8
	var into *string
	switch f.Name {
	case ":method":
		bit, into = seenMethod, &h.method
	case ":scheme":
		bit, into = seenScheme, &h.scheme
	case ":authority":
		bit, into = seenAuthority, &h.authority
	case ":path":
		bit, into = seenPath, &h.path
	}
	if into == nil || h.seen&bit != 0 || len(h.fields) > 0 {
		h.malformed = true
		return
	}
	h.seen |= bit
	*into = f.Value
}

// isFieldName reports whether s is a field's name in small letters.
func isFieldName(s string) bool {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' || !httpguts.IsTokenRune(rune(c)) {
			return false
		}
	}
	return s != ""
}

// isRequest reports whether the pseudo-header fields are those of a request
// (RFC 9113, 8.3.1 and 8.5).
func (h *head) isRequest() bool {
	if h.malformed || !httpguts.ValidHeaderFieldName(h.method) {
		return false
	}
	if h.method == "CONNECT" {
		return h.seen == seenMethod|seenAuthority && h.authority != ""
	}
	return h.scheme == "https" || h.scheme == "http"
}
