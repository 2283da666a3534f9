package proxy

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// appendJSONLine appends the transaction as one JSON object (RFC 8259) with
// always the same keys. Sizes are bytes, *_ms milliseconds; what is not known
// is an empty string or zero.
func appendJSONLine(line []byte, t *transaction) []byte {
	o := jsonObject{append(line, '{')}
	o.key("time")
	o.buf = append(t.start.AppendFormat(append(o.buf, '"'), "2006-01-02T15:04:05.000Z07:00"), '"')
	o.text("client", t.clientAddress())
	o.text("user", t.exchange.user)
	o.text("method", t.request.Method)
	o.text("host", t.request.Host)
	o.text("path", t.path())
	o.text("query", strings.TrimPrefix(t.query(), "?"))
	o.text("protocol", t.protocol())
	o.number("status", int64(t.status))
	o.number("bytes", t.written)
	o.number("received", t.received)
	o.milliseconds("duration_ms", t.duration())
	o.text("referer", redactHeader(t.request.Referer()))
	o.text("user_agent", redactHeader(t.request.UserAgent()))
	o.text("site", t.exchange.site)
	o.text("backend", t.exchange.backend)
	o.text("request_id", t.exchange.id)
	o.milliseconds("held_ms", t.exchange.held)
	o.number("tries", int64(t.exchange.tries))
	o.milliseconds("first_byte_ms", t.exchange.firstByte)
	o.text("tls", t.tlsVersion())
	o.text("reason", redactMessage(t.exchange.failure))
	return append(o.buf, '}')
}

// jsonObject appends members to an object. Keys are plain ASCII.
type jsonObject struct{ buf []byte }

func (o *jsonObject) key(key string) {
	if o.buf[len(o.buf)-1] != '{' {
		o.buf = append(o.buf, ',')
	}
	o.buf = append(append(append(o.buf, '"'), key...), '"', ':')
}

func (o *jsonObject) text(key, value string) {
	o.key(key)
	o.buf = append(appendJSONText(append(o.buf, '"'), value), '"')
}

func (o *jsonObject) number(key string, n int64) {
	o.key(key)
	o.buf = strconv.AppendInt(o.buf, n, 10)
}

func (o *jsonObject) milliseconds(key string, d time.Duration) {
	o.key(key)
	o.buf = strconv.AppendFloat(o.buf, float64(d.Microseconds())/1000, 'f', -1, 64)
}

// appendJSONText appends the inside of a JSON string. Bytes that are not UTF-8
// become U+FFFD, and U+2028 and U+2029 are escaped for readers in JavaScript.
func appendJSONText(buf []byte, s string) []byte {
	const hex = "0123456789abcdef"
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				buf = append(buf, '\\', c)
			case c < ' ' || c == 0x7f:
				buf = append(buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			default:
				buf = append(buf, c)
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == '\u2028' || r == '\u2029' {
			buf = append(buf, '\\', 'u', '2', '0', '2', hex[r&15])
		} else {
			buf = utf8.AppendRune(buf, r)
		}
		i += size
	}
	return buf
}
