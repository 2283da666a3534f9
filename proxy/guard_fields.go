package proxy

import (
	"net/http"
	"strconv"
	"strings"
)

// headFields gathers the fields of a head, and those apart that decide its framing.
type headFields struct {
	header http.Header
	values []string // behind those of header

	hosts, lengths, codings            int    // how often each was sent
	host, length, coding               string // and the last of them
	upgrade, expects, forbiddenTrailer bool
	expectation                        string // an Expect other than 100-continue
}

// add takes one field line without its line end.
func (f *headFields) add(line string) *refusal {
	name, value, refused := cutField(line)
	if refused != nil {
		return refused
	}
	key := canonicalKey(name)
	switch key {
	case "Host":
		f.hosts, f.host = f.hosts+1, value
		return nil
	case "Expect":
		f.expects = true
		if !strings.EqualFold(value, "100-continue") {
			f.expectation = "unknown"
		}
	case "Upgrade":
		f.upgrade = true
	case "Trailer":
		f.forbiddenTrailer = f.forbiddenTrailer || announcesFraming(value)
	case "Content-Length":
		f.lengths, f.length = f.lengths+1, value
	case "Transfer-Encoding":
		f.codings, f.coding = f.codings+1, value
	}
	f.keep(key, value)
	return nil
}

// keep adds a field to the header. Nearly every name occurs once, and its one
// value then lies in the array that all share.
func (f *headFields) keep(key, value string) {
	if before, again := f.header[key]; again {
		f.header[key] = append(before, value)
		return
	}
	f.values = append(f.values, value)
	n := len(f.values)
	f.header[key] = f.values[n-1 : n : n]
}

// canonicalKey is a field's name as http.Header has it. Most clients of HTTP/1
// write it so themselves.
func canonicalKey(name string) string {
	upper := true
	for i := range len(name) {
		c := name[i]
		if upper && 'a' <= c && c <= 'z' || !upper && 'A' <= c && c <= 'Z' {
			return http.CanonicalHeaderKey(name)
		}
		upper = c == '-'
	}
	return name
}

// cutField splits a field line. Neither folded lines nor space around the name
// are repaired (RFC 9112, 5.1 and 5.2): a server behind might repair otherwise.
func cutField(line string) (name, value string, refused *refusal) {
	colon := strings.IndexByte(line, ':')
	switch {
	case line[0] == ' ' || line[0] == '\t':
		return "", "", malformed("a header line is folded")
	case colon < 0:
		return "", "", malformed("a header line has no colon")
	case colon == 0:
		return "", "", malformed("a header line has no name")
	case !isToken(line[:colon]):
		return "", "", malformed("the name of a header line is not a token")
	}
	return line[:colon], trimSpace(line[colon+1:]), nil
}

// trimSpace removes the optional whitespace around a value (RFC 9110, 5.6.3).
func trimSpace(s string) string {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// announcesFraming reports whether a Trailer field announces a field that must
// stand in the head (RFC 9110, 6.5.1).
func announcesFraming(trailer string) bool {
	for name := range strings.SplitSeq(trailer, ",") {
		if framesMessage(strings.TrimSpace(name)) {
			return true
		}
	}
	return false
}

// framesMessage reports whether a field delimits a message or says where it
// goes, and so can't come after the body.
func framesMessage(name string) bool {
	switch strings.ToLower(name) {
	case "content-length", "transfer-encoding", "host", "trailer", "connection", "upgrade", "te", "expect":
		return true
	}
	return false
}

// checkHost wants exactly one well-formed Host, which an absolute-form target
// must repeat (RFC 9112, 3.2). HTTP/1.0 clients may leave it out.
func (f *headFields) checkHost(r requestLine) *refusal {
	_, sound := parseAuthority(f.host)
	switch {
	case f.hosts > 1:
		return malformed("there is more than one Host header")
	case f.hosts == 0 && r.minor == '0':
		return nil
	case f.hosts == 0:
		return malformed("the Host header is missing")
	case !sound:
		return malformed("the Host header is malformed")
	case r.authority != "" && !strings.EqualFold(r.authority, f.host):
		return malformed("the request target and the Host header disagree")
	}
	return nil
}

// framing decides how the body is delimited (RFC 9112, 6).
func (f *headFields) framing(r requestLine) (framing, *refusal) {
	switch {
	case f.codings > 0:
		if refused := f.checkCoding(r); refused != nil {
			return framing{}, refused
		}
	case f.lengths > 1:
		return framing{}, malformed("there is more than one Content-Length header")
	case f.lengths == 1 && !isContentLength(f.length):
		return framing{}, malformed("the Content-Length header is not a number")
	}
	if f.expectation != "" {
		return framing{}, &refusal{status: http.StatusExpectationFailed, reason: "the only expectation that can be met is 100-continue"}
	}
	message := framing{chunked: f.codings > 0, upgrade: f.upgrade}
	if f.lengths == 1 {
		message.length, _ = strconv.ParseInt(f.length, 10, 64) // isContentLength made sure
	}
	return message, nil
}

// checkCoding accepts "chunked" once and nothing else beside it.
func (f *headFields) checkCoding(r requestLine) *refusal {
	switch {
	case f.lengths > 0:
		return malformed("there are both a Transfer-Encoding and a Content-Length header")
	case r.minor == '0':
		return malformed("HTTP/1.0 has no Transfer-Encoding")
	case f.codings > 1:
		return malformed("there is more than one Transfer-Encoding header")
	case f.forbiddenTrailer:
		return malformed("the Trailer header announces a field that must not come after the body")
	case strings.EqualFold(f.coding, "chunked"):
		return nil
	case isToken(f.coding):
		return &refusal{status: http.StatusNotImplemented, reason: "the only transfer coding that is understood is chunked"}
	}
	return malformed("the Transfer-Encoding header is malformed")
}

// isContentLength accepts 1*DIGIT up to 18 digits, which fit an int64.
func isContentLength(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return 0 < len(s) && len(s) <= 18
}
