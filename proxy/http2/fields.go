package http2

import (
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Heads are encoded without a table that the client would have to keep in step:
// names of the static table of RFC 7541, appendix A, by their number, all else as
// it is. It costs some bytes of the network, and a fraction of the time.

// statusIndex is the place of ":status" in the static table, with value 200.
const statusIndex = 8

// appendStatus appends the pseudo-header field that begins a response.
func appendStatus(b []byte, status int) []byte {
	switch status {
	case 200:
		return append(b, 0x80|8)
	case 204:
		return append(b, 0x80|9)
	case 206:
		return append(b, 0x80|10)
	case 304:
		return append(b, 0x80|11)
	case 400:
		return append(b, 0x80|12)
	case 404:
		return append(b, 0x80|13)
	case 500:
		return append(b, 0x80|14)
	}
	b = append(b, statusIndex, 3)
	return strconv.AppendInt(b, int64(status), 10)
}

// appendField appends a field under its canonical name. It leaves out what must
// not stand in a message (RFC 9113, 8.2.1).
func appendField(b []byte, key, value string) []byte {
	value = strings.Trim(value, " \t")
	if !isValue(value) {
		return b
	}
	if index := staticIndex(key); index > 0 {
		return appendString(appendInt(b, 4, index), value)
	}
	if !httpguts.ValidHeaderFieldName(key) {
		return b
	}
	b = appendInt(append(b, 0), 7, len(key))
	for i := range len(key) {
		b = append(b, lower(key[i]))
	}
	return appendString(b, value)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// isValue reports whether s is a field value of RFC 9110, section 5.5.
func isValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// appendString appends a string literal (RFC 7541, 5.2).
func appendString(b []byte, s string) []byte { return append(appendInt(b, 7, len(s)), s...) }

// appendInt appends a number with a prefix of so many bits, behind zeros (RFC 7541, 5.1).
func appendInt(b []byte, bits uint, n int) []byte {
	most := 1<<bits - 1
	if n < most {
		return append(b, byte(n))
	}
	b = append(b, byte(most))
	for n -= most; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// staticIndex is the place of a response's field in the static table, 0 for none.
func staticIndex(key string) int {
	switch key {
	case "Accept-Ranges":
		return 18
	case "Access-Control-Allow-Origin":
		return 20
	case "Age":
		return 21
	case "Allow":
		return 22
	case "Cache-Control":
		return 24
	case "Content-Disposition":
		return 25
	case "Content-Encoding":
		return 26
	case "Content-Language":
		return 27
	case "Content-Length":
		return 28
	case "Content-Location":
		return 29
	case "Content-Range":
		return 30
	case "Content-Type":
		return 31
	case "Date":
		return 33
	case "Etag":
		return 34
	case "Expires":
		return 36
	case "Last-Modified":
		return 44
	case "Link":
		return 45
	case "Location":
		return 46
	case "Refresh":
		return 52
	case "Retry-After":
		return 53
	case "Server":
		return 54
	case "Set-Cookie":
		return 55
	case "Strict-Transport-Security":
		return 56
	case "Vary":
		return 59
	case "Via":
		return 60
	case "Www-Authenticate":
		return 61
	}
	return 0
}
