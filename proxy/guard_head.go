package proxy

import (
	"net/http"
	"net/url"
	"strings"
)

// maxRequestLine is the longest request line, in bytes; nginx (8 KiB) and Apache
// (8,190 bytes) draw the line at the same place.
const maxRequestLine = 8 << 10

// headScan looks for the end of a request head while its bytes arrive. It stops
// at the first byte that can't be in one, so that what isn't HTTP is refused at
// once and not after a timeout.
type headScan struct {
	at    int  // bytes looked at so far
	start int  // where the present line begins
	lines int  // lines ended so far
	begun bool // the request line was looked at, because the rest did not come with it
}

// next looks at what b holds beyond the last call's bytes. It returns the length
// of the head when its empty line is there, and 0 while it isn't.
func (s *headScan) next(b []byte, limits Limits) (end int, refused *refusal) {
	for s.at < len(b) {
		switch c := b[s.at]; {
		case c == '\r':
			if s.at+1 == len(b) {
				return 0, s.tooLong(len(b), limits)
			}
			if b[s.at+1] != '\n' {
				return 0, malformed("a carriage return stands alone in the head")
			}
			empty := s.at == s.start
			s.at += 2
			s.start = s.at
			if empty {
				return s.at, s.tooLong(s.at, limits)
			}
			if refused := s.tooLong(s.at, limits); refused != nil {
				return 0, refused
			}
			s.lines++
		case c == '\n':
			return 0, malformed("a line of the head ends in a line feed alone")
		case isControl(c):
			return 0, malformed("there is a control character in the head")
		case s.at == 0 && !isTokenByte(c):
			return 0, malformed("this is not an HTTP request")
		default:
			for s.at++; s.at < len(b) && !isControl(b[s.at]); {
				s.at++
			}
		}
	}
	if refused := s.tooLong(len(b), limits); refused != nil {
		return 0, refused
	}
	return 0, s.begin(b)
}

// begin judges the request line of a head that does not come in one piece. A
// client of HTTP/0.9 sends nothing more, and would wait for the timeout.
func (s *headScan) begin(b []byte) *refusal {
	if s.lines == 0 || s.begun {
		return nil
	}
	s.begun = true
	line, _ := cutLine(string(b))
	_, refused := parseRequestLine(line)
	return refused
}

// tooLong refuses a head that has outgrown the limits at length bytes.
func (s *headScan) tooLong(length int, limits Limits) *refusal {
	switch {
	case s.lines == 0 && length > maxRequestLine:
		return &refusal{status: http.StatusRequestURITooLong, reason: "the request line is too long"}
	case length > int(limits.Header):
		return &refusal{status: http.StatusRequestHeaderFieldsTooLarge, reason: "the request head is too large"}
	case s.lines-1 > limits.HeaderLines:
		return &refusal{status: http.StatusRequestHeaderFieldsTooLarge, reason: "the request has too many header lines"}
	}
	return nil
}

func malformed(reason string) *refusal {
	return &refusal{status: http.StatusBadRequest, reason: reason}
}

// framing is what a head says of the message that it begins.
type framing struct {
	length  int64 // of the body in bytes; 0 when there is none
	chunked bool  // the body is chunked, length is 0
	upgrade bool  // the client asks to leave HTTP after this request
}

// head is a request head that was found sound.
type head struct {
	requestLine
	framing
	url     *url.URL
	host    string      // as it was sent; "" for an HTTP/1.0 client that sent none
	header  http.Header // all fields but Host
	expects bool        // the client waits for "100 Continue"
}

// parseHead checks a whole head that headScan has passed, of so many lines before
// the empty one. It accepts one reading only of every message: where RFC 9112 lets
// a recipient guess or repair, it refuses. The strings of the head are parts of text.
func parseHead(text string, lines int) (*head, *refusal) {
	line, rest := cutLine(text)
	request, refused := parseRequestLine(line)
	if refused != nil {
		return nil, refused
	}
	f := headFields{header: make(http.Header, lines-1), values: make([]string, 0, lines-1)}
	for {
		if line, rest = cutLine(rest); line == "" {
			break
		}
		if refused := f.add(line); refused != nil {
			return nil, refused
		}
	}
	if refused := f.checkHost(request); refused != nil {
		return nil, refused
	}
	h := &head{requestLine: request, host: f.host, header: f.header, expects: f.expects}
	if h.framing, refused = f.framing(request); refused != nil {
		return nil, refused
	}
	var err error
	if h.url, err = parseURL(request.target); err != nil {
		return nil, malformed("the request target is no URL")
	}
	return h, nil
}

// cutLine cuts text at its first line end, which headScan has found to be CRLF.
func cutLine(text string) (line, rest string) {
	end := strings.IndexByte(text, '\r')
	if end < 0 {
		return text, ""
	}
	return text[:end], text[end+2:]
}

// requestLine is the first line of a request.
type requestLine struct {
	method, target string
	minor          byte   // '0' or '1': the protocol is HTTP/1.minor
	authority      string // of an absolute-form target, else ""
}

func parseRequestLine(line string) (requestLine, *refusal) {
	method, rest, _ := strings.Cut(line, " ")
	target, version, ok := strings.Cut(rest, " ")
	switch {
	case !isToken(method):
		return requestLine{}, malformed("the method is not a token")
	case !ok:
		return requestLine{}, malformed("the request line has no version: HTTP/0.9 is not spoken here")
	}
	if refused := checkVersion(version); refused != nil {
		return requestLine{}, refused
	}
	r := requestLine{method: method, target: target, minor: version[len(version)-1]}
	return r, r.checkTarget()
}

// checkVersion accepts HTTP/1.0 and HTTP/1.1, in capitals (RFC 9112, 2.3).
func checkVersion(v string) *refusal {
	const form = "HTTP/d.d"
	if len(v) != len(form) || v[:5] != "HTTP/" || v[6] != '.' || !isDigit(v[5]) || !isDigit(v[7]) {
		return malformed("the version in the request line is malformed")
	}
	if v != "HTTP/1.1" && v != "HTTP/1.0" {
		return &refusal{status: http.StatusHTTPVersionNotSupported, reason: "this port speaks HTTP/1.0, HTTP/1.1 and, over TLS, HTTP/2"}
	}
	return nil
}

// checkTarget accepts origin-form and absolute-form (RFC 9112, 3.2). The other
// two forms are for tunnels and for questions to a server as a whole; a reverse
// proxy serves neither.
func (r *requestLine) checkTarget() *refusal {
	if r.method == http.MethodConnect {
		return malformed("CONNECT is not offered here")
	}
	for i := range len(r.target) {
		// Bytes above ASCII are no URI, but browsers of old and many apps send them,
		// httpd and nginx pass them on, and no two servers frame them differently.
		if c := r.target[i]; c <= ' ' || c == 0x7f || c == '#' {
			return malformed("the request target holds a character that must be percent-encoded")
		}
	}
	path, absolute := r.target, !strings.HasPrefix(r.target, "/")
	if absolute {
		scheme, rest, ok := strings.Cut(r.target, "://")
		if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
			return malformed("the request target is neither a path nor an http or https URL")
		}
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		r.authority, path = rest[:end], rest[end:]
		if _, ok := parseAuthority(r.authority); !ok {
			return malformed("the host in the request target is malformed")
		}
	}
	return checkPath(path, absolute)
}

// checkPath refuses a path whose percent-encoding is broken, as net/http does. A
// query may hold anything: frameworks differ in how they read it, and it is
// passed on byte for byte.
func checkPath(path string, absolute bool) *refusal {
	path, _, _ = strings.Cut(path, "?")
	if _, err := url.PathUnescape(path); err != nil || path == "" && !absolute {
		return malformed("the percent-encoding of the path is broken")
	}
	return nil
}

func isDigit(c byte) bool   { return '0' <= c && c <= '9' }
func isControl(c byte) bool { return c < ' ' && c != '\t' || c == 0x7f }

func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// isTokenByte reports whether c is a tchar (RFC 9110, 5.6.2).
func isTokenByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', isDigit(c):
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
