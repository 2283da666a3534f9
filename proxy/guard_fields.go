package proxy

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
)

// headFields gathers those fields of a head that decide its framing.
type headFields struct {
	hosts, lengths, codings   int    // how often each was sent
	host, length, coding      string // and the last of them
	expectation               string // an Expect other than 100-continue
	upgrade, forbiddenTrailer bool
}

// add takes one field line without its line end.
func (f *headFields) add(line []byte) *refusal {
	name, value, refused := cutField(line)
	if refused != nil {
		return refused
	}
	switch len(name) { // most names aren't of interest: look at the length first
	case len("Host"):
		if bytes.EqualFold(name, []byte("Host")) {
			f.hosts, f.host = f.hosts+1, string(value)
		}
	case len("Expect"):
		if bytes.EqualFold(name, []byte("Expect")) && !bytes.EqualFold(value, []byte("100-continue")) {
			f.expectation = "unknown"
		}
	case len("Upgrade"): // and Trailer
		if bytes.EqualFold(name, []byte("Upgrade")) {
			f.upgrade = true
		} else if bytes.EqualFold(name, []byte("Trailer")) {
			f.forbiddenTrailer = f.forbiddenTrailer || announcesFraming(string(value))
		}
	case len("Content-Length"):
		if bytes.EqualFold(name, []byte("Content-Length")) {
			f.lengths, f.length = f.lengths+1, string(value)
		}
	case len("Transfer-Encoding"):
		if bytes.EqualFold(name, []byte("Transfer-Encoding")) {
			f.codings, f.coding = f.codings+1, string(value)
		}
	}
	return nil
}

// cutField splits a field line. Neither folded lines nor space around the name
// are repaired (RFC 9112, 5.1 and 5.2): a server behind might repair otherwise.
func cutField(line []byte) (name, value []byte, refused *refusal) {
	name, value, ok := bytes.Cut(line, []byte(":"))
	switch {
	case line[0] == ' ' || line[0] == '\t':
		return nil, nil, malformed("a header line is folded")
	case !ok:
		return nil, nil, malformed("a header line has no colon")
	case len(name) == 0:
		return nil, nil, malformed("a header line has no name")
	}
	for _, c := range name {
		if !isTokenByte(c) {
			return nil, nil, malformed("the name of a header line is not a token")
		}
	}
	return name, bytes.Trim(value, " \t"), nil
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
	length, _ := strconv.ParseInt(f.length, 10, 64) // isContentLength made sure
	return framing{length: length, chunked: f.codings > 0, upgrade: f.upgrade}, nil
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
