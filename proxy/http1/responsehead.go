package http1

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// unknownLength is a body that lasts until the connection ends, or a chunked one.
const unknownLength = -1

// framing is where the body of a response ends (RFC 9112, section 6.3).
type framing struct {
	length  int64 // unknownLength: chunked, or to the end of the connection
	chunked bool
	empty   bool // there is no body, whatever the fields say
}

// parseHead reads a response head of n lines into res. The values of its fields go
// into room if they fit.
//
// A line may end with LF alone, as small scripts send it (RFC 9112, section 2.2).
// Else it is stricter than net/http: it takes no folded fields, no space
// in or behind a name, no status outside 100 to 999 and no other version than
// HTTP/1.x. And it leaves the fields as the backend has sent them: net/http adds
// Cache-Control where Pragma says no-cache.
func parseHead(res *http.Response, head string, n int, room []string) error {
	line, fields, _ := strings.Cut(head, "\n")
	if err := parseStatusLine(res, strings.TrimSuffix(line, "\r")); err != nil {
		return err
	}
	var err error
	res.Header, err = parseFields(fields, n-1, room)
	return err
}

// parseStatusLine reads "HTTP/1.1 200 OK". Many backends leave out the reason,
// some the space before it, too.
func parseStatusLine(res *http.Response, line string) error {
	proto, status, found := strings.Cut(line, " ")
	if !found || len(proto) != len("HTTP/1.1") || proto[:7] != "HTTP/1." || proto[7] < '0' || proto[7] > '9' {
		return errors.New("the response does not begin with HTTP/1.x and a status")
	}
	status = strings.TrimLeft(status, " ")
	code, _, _ := strings.Cut(status, " ")
	number, err := strconv.ParseUint(code, 10, 16)
	if err != nil || len(code) != 3 || number < 100 {
		return errors.New("the response has no valid status")
	}
	if !isValue(status) {
		return errors.New("the status line has control characters")
	}
	res.Proto, res.ProtoMajor, res.ProtoMinor = proto, 1, int(proto[7]-'0')
	res.Status, res.StatusCode = status, int(number)
	return nil
}

// frame decides where the body ends and whether the connection may be used
// again, and takes the fields that say so out of the header as net/http does.
func frame(res *http.Response, method string) (f framing, err error) {
	closes := saysClose(res)
	if f.chunked, err = isChunked(res); err != nil {
		return f, err
	}
	length, err := contentLength(res.Header)
	switch {
	case err != nil:
		return f, err
	case f.chunked && length != unknownLength:
		return f, errors.New("the response has both Content-Length and Transfer-Encoding")
	}
	f.empty = method == http.MethodHead || !bodyAllowed(res.StatusCode)
	f.length, res.ContentLength = length, length
	if !bodyAllowed(res.StatusCode) && method != http.MethodHead {
		res.ContentLength = 0
	}
	res.Close = closes || !f.empty && !f.chunked && length == unknownLength ||
		// A body where none may be could be taken for the next response.
		!bodyAllowed(res.StatusCode) && res.StatusCode != http.StatusNotModified && (f.chunked || length > 0)
	if f.chunked {
		res.TransferEncoding = []string{"chunked"}
		res.Trailer, err = announcedTrailers(res.Header)
	}
	return f, err
}

func isChunked(res *http.Response) (bool, error) {
	codings, found := res.Header["Transfer-Encoding"]
	if !found {
		return false, nil
	}
	delete(res.Header, "Transfer-Encoding")
	switch {
	case res.ProtoMinor == 0:
		return false, errors.New("an HTTP/1.0 response has Transfer-Encoding")
	case len(codings) != 1 || !strings.EqualFold(codings[0], "chunked"):
		return false, fmt.Errorf("transfer coding %.64q is not supported", codings)
	}
	return true, nil
}

// contentLength is unknownLength if there is no Content-Length. Several that say
// the same become one (RFC 9110, section 8.6).
func contentLength(h http.Header) (int64, error) {
	values := h["Content-Length"]
	if len(values) == 0 {
		return unknownLength, nil
	}
	for _, v := range values[1:] {
		if v != values[0] {
			return 0, errors.New("the response has several Content-Lengths")
		}
	}
	if len(values) > 1 {
		h["Content-Length"] = values[:1]
	}
	n, err := strconv.ParseUint(values[0], 10, 63)
	if err != nil {
		return 0, fmt.Errorf("Content-Length %.64q is no length", values[0])
	}
	return int64(n), nil
}

// saysClose reports whether the backend keeps the connection open. In HTTP/1.1
// the field that says so is taken out if it says no.
func saysClose(res *http.Response) bool {
	options := res.Header["Connection"]
	closes := hasOption(options, "close")
	if res.ProtoMinor == 0 {
		return closes || !hasOption(options, "keep-alive")
	}
	if closes {
		delete(res.Header, "Connection")
	}
	return closes
}

// hasOption reports whether a list field has an element, in any spelling.
func hasOption(values []string, option string) bool {
	for _, v := range values {
		for element := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(trim(element), option) {
				return true
			}
		}
	}
	return false
}

// announcedTrailers takes the names out of the header that the trailer section
// may have, as keys without values.
func announcedTrailers(h http.Header) (http.Header, error) {
	lists, found := h["Trailer"]
	if !found {
		return nil, nil
	}
	delete(h, "Trailer")
	var trailer http.Header
	for _, list := range lists {
		for element := range strings.SplitSeq(list, ",") {
			name := http.CanonicalHeaderKey(trim(element))
			switch {
			case name == "":
				continue
			case framesMessage(name):
				return nil, fmt.Errorf("%s is announced as a trailer", name)
			case trailer == nil:
				trailer = http.Header{}
			}
			trailer[name] = nil
		}
	}
	return trailer, nil
}
