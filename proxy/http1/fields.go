package http1

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

var errFolded = errors.New("a field goes on on a second line")

// parseFields reads the n lines of a header or trailer section (RFC 9112,
// section 5), which may be followed by an empty one. Names come in the canonical
// form of net/http. The values are put into room, for good, if there is enough.
//
// It takes nothing that recipients read differently: no folded lines, no space
// before a colon, no control characters but tabs in a value.
func parseFields(lines string, n int, room []string) (http.Header, error) {
	h := make(http.Header, n)
	values := room
	if n > len(room) {
		values = make([]string, n) // one allocation for all of them
	}
	for i := range n {
		end := strings.IndexByte(lines, '\n')
		name, value, err := parseField(strings.TrimSuffix(lines[:end], "\r"))
		if err != nil {
			return nil, err
		}
		lines = lines[end+1:]
		if earlier, found := h[name]; found {
			h[name] = append(earlier, value)
			continue
		}
		values[i] = value
		h[name] = values[i : i+1 : i+1]
	}
	return h, nil
}

func parseField(line string) (name, value string, err error) {
	colon := strings.IndexByte(line, ':')
	switch {
	case line[0] == ' ' || line[0] == '\t':
		return "", "", errFolded
	case colon < 0:
		return "", "", errors.New("a field has no colon")
	}
	name, ok := canonicalName(line[:colon])
	if !ok {
		return "", "", fmt.Errorf("%q is no name of a field", line[:min(colon, 64)])
	}
	value = trim(line[colon+1:])
	if !isValue(value) {
		return "", "", fmt.Errorf("the value of field %s has control characters", name)
	}
	return name, value, nil
}

// trim takes spaces and tabs off both ends.
func trim(s string) string {
	for s != "" && isBlank(s[0]) {
		s = s[1:]
	}
	for s != "" && isBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// isValue reports whether s is a field value of RFC 9110, section 5.5.
func isValue[text string | []byte](s text) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTokenByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-':
		return true
	default:
		return isTokenMark(c)
	}
}

func isTokenMark(c byte) bool { return strings.IndexByte("!#$%&'*+.^_`|~", c) >= 0 }

// canonicalName spells the name of a field as net/http does: a capital at the
// beginning and after each "-", small letters elsewhere.
func canonicalName(name string) (canonical string, ok bool) {
	first, spelled := true, true
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z':
			spelled = spelled && !first
		case 'A' <= c && c <= 'Z':
			spelled = spelled && first
		case !isTokenByte(c):
			return "", false
		}
		first = c == '-'
	}
	if !spelled {
		name = capitalize(name)
	}
	return name, name != ""
}

func capitalize(name string) string {
	var short [48]byte // longer than nearly every name, so that common ones cost no allocation
	b := append(short[:0], name...)
	first := true
	for i, c := range b {
		if first && 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		} else if !first && 'A' <= c && c <= 'Z' {
			b[i] = c - 'A' + 'a'
		}
		first = c == '-'
	}
	if known := commonName(b); known != "" {
		return known
	}
	return string(b)
}

// commonName is a name that many backends send in small letters, or "".
func commonName(name []byte) string {
	switch string(name) {
	case "Accept-Ranges":
		return "Accept-Ranges"
	case "Access-Control-Allow-Credentials":
		return "Access-Control-Allow-Credentials"
	case "Access-Control-Allow-Origin":
		return "Access-Control-Allow-Origin"
	case "Cache-Control":
		return "Cache-Control"
	case "Connection":
		return "Connection"
	case "Content-Disposition":
		return "Content-Disposition"
	case "Content-Encoding":
		return "Content-Encoding"
	case "Content-Length":
		return "Content-Length"
	case "Content-Security-Policy":
		return "Content-Security-Policy"
	case "Content-Type":
		return "Content-Type"
	case "Date":
		return "Date"
	case "Etag":
		return "Etag"
	case "Keep-Alive":
		return "Keep-Alive"
	case "Last-Modified":
		return "Last-Modified"
	case "Location":
		return "Location"
	case "Server":
		return "Server"
	case "Set-Cookie":
		return "Set-Cookie"
	case "Transfer-Encoding":
		return "Transfer-Encoding"
	case "Vary":
		return "Vary"
	default:
		return ""
	}
}
