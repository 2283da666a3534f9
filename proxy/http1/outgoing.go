package http1

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// outgoing is a request on its way to the backend.
type outgoing struct {
	first   []byte // the head, and the body if that is small and in memory
	body    io.Reader
	length  int64 // of body; unknownLength: in chunks
	trailer http.Header
	expects bool // the body waits until the backend asks for it
	begun   bool // the body was begun, so that no other connection can have it

	closer io.Closer // the body of the request
	sent   func()    // nil: nobody asks
}

// end is called once, when nothing more is sent.
func (o *outgoing) end() {
	if o.closer != nil {
		_ = o.closer.Close()
	}
	if o.sent != nil {
		o.sent()
	}
}

// newOutgoing writes the head into the buffer.
func newOutgoing(r *http.Request, sent func(), lent *buffer) (outgoing, error) {
	o := outgoing{length: bodyLength(r), sent: sent}
	if r.Body != nil {
		o.closer = r.Body
	}
	if o.length != 0 {
		o.body, o.expects = r.Body, hasOption(r.Header["Expect"], "100-continue")
	}
	if o.length == unknownLength {
		o.trailer = r.Trailer
	}
	var err error
	if o.first, err = appendHead(lent[:0], r, o.length); err != nil {
		return o, err
	}
	return o, o.take()
}

// bodyLength is what net/http makes of ContentLength and Body.
func bodyLength(r *http.Request) int64 {
	switch {
	case r.Body == nil, r.Body == http.NoBody:
		return 0
	case r.ContentLength > 0:
		return r.ContentLength
	default:
		return unknownLength
	}
}

// inMemory is a body of which all can be read at once.
type inMemory interface {
	io.Reader
	Len() int
}

// take puts a small body that is in memory behind the head.
func (o *outgoing) take() error {
	body, ok := o.body.(inMemory)
	if !ok || o.expects || int64(body.Len()) != o.length || len(o.first)+body.Len() > len(buffer{}) {
		return nil
	}
	o.body = nil
	end := len(o.first)
	o.first = slices.Grow(o.first, int(o.length))[:end+int(o.length)]
	_, err := io.ReadFull(body, o.first[end:])
	return err
}

func appendHead(b []byte, r *http.Request, length int64) ([]byte, error) {
	if !isToken(r.Method) || r.URL == nil {
		return b, fmt.Errorf("a request with method %q and URL %v can't be sent", r.Method, r.URL)
	}
	b = append(append(b, r.Method...), ' ')
	b, err := appendTarget(b, r)
	if err != nil {
		return b, err
	}
	b = append(b, " HTTP/1.1\r\nHost: "...)
	if b, err = appendHost(b, r); err != nil {
		return b, err
	}
	b = append(b, "\r\n"...)
	if r.Close {
		b = append(b, "Connection: close\r\n"...)
	}
	if b, err = appendFraming(b, r, length); err != nil {
		return b, err
	}
	b, err = appendFields(b, r.Header)
	return append(b, "\r\n"...), err
}

// appendTarget writes the request target as url.URL.RequestURI has it.
func appendTarget(b []byte, r *http.Request) ([]byte, error) {
	begin, u := len(b), r.URL
	switch {
	case u.Opaque == "":
		path := u.EscapedPath()
		if path == "" {
			path = "/"
		}
		b = append(b, path...)
	case strings.HasPrefix(u.Opaque, "//"):
		b = append(append(append(b, u.Scheme...), ':'), u.Opaque...)
	default:
		b = append(b, u.Opaque...)
	}
	if u.ForceQuery || u.RawQuery != "" {
		b = append(append(b, '?'), u.RawQuery...)
	}
	for _, c := range b[begin:] {
		if c <= ' ' || c == 0x7f {
			return b, errors.New("the request target has a space or a control character")
		}
	}
	return b, nil
}

// appendHost leaves out the zone of an IPv6 address, which means something on
// this machine only (RFC 6874, section 1).
func appendHost(b []byte, r *http.Request) ([]byte, error) {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	if address, port, found := strings.Cut(host, "]"); found {
		address, _, _ = strings.Cut(address, "%")
		host = address + "]" + port
	}
	for i := range len(host) {
		if !isHostByte(host[i]) {
			return b, fmt.Errorf("host %q can't be sent", host)
		}
	}
	return append(b, host...), nil
}

// isHostByte reports characters of RFC 3986, section 3.2.2, and of a port.
func isHostByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~!$&'()*+,;=:[]%", c) >= 0
}

// appendFraming writes what tells the backend where the body ends.
func appendFraming(b []byte, r *http.Request, length int64) ([]byte, error) {
	switch {
	case length > 0:
		return append(strconv.AppendInt(append(b, "Content-Length: "...), length, 10), "\r\n"...), nil
	case length == unknownLength:
		return appendTrailerNames(append(b, "Transfer-Encoding: chunked\r\n"...), r.Trailer)
	case r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch:
		return append(b, "Content-Length: 0\r\n"...), nil // RFC 9110, section 8.6
	default:
		return b, nil
	}
}

func appendTrailerNames(b []byte, trailer http.Header) ([]byte, error) {
	if len(trailer) == 0 {
		return b, nil
	}
	b = append(b, "Trailer: "...)
	separator := ""
	for name := range trailer {
		if !isToken(name) || framesMessage(http.CanonicalHeaderKey(name)) {
			return b, fmt.Errorf("%q can't be a trailer", name)
		}
		b = append(append(b, separator...), name...)
		separator = ", "
	}
	return append(b, "\r\n"...), nil
}

// appendFields writes the fields of a header, by name, but for those that the
// request has in fields of its own. As for net/http, an empty User-Agent means
// that there is none; unlike net/http, there is none without it either.
func appendFields(b []byte, h http.Header) ([]byte, error) {
	var few [24]string // most headers have no more, and cost no allocation
	names := few[:0]
	for name, values := range h {
		if !isToken(name) {
			return b, fmt.Errorf("field %.64q can't be sent", name)
		}
		if !isOwn(name) && !(name == "User-Agent" && len(values) == 1 && values[0] == "") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range h[name] {
			if !isValue(value) {
				return b, fmt.Errorf("field %.64q can't be sent: its value has control characters", name)
			}
			b = append(append(b, name...), ": "...)
			b = append(append(b, value...), "\r\n"...)
		}
	}
	return b, nil
}

// isOwn reports fields that the head has anyway, in any spelling.
func isOwn(name string) bool {
	switch len(name) {
	case len("Host"), len("Trailer"), len("Content-Length"), len("Transfer-Encoding"):
		name = http.CanonicalHeaderKey(name)
		return name == "Host" || framesMessage(name)
	default:
		return false
	}
}
