package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// change is one change of a header.
type change struct {
	verb  verb
	name  string // canonical
	value filling
}

type verb int

const (
	removeHeader verb = iota
	defaultHeader
	setHeader
	addHeader
)

// headerPlaceholders are those of a header's value.
func headerPlaceholders() []string {
	return []string{"scheme", "host", "port", "path", "query", "remote", "user", "request_id"}
}

// headerKey is one key of Headers as it stands in the file.
type headerKey struct {
	verb   verb
	key    string
	lines  []string
	isOurs func(name string) bool
}

func (h Headers) requestKeys() []headerKey {
	return []headerKey{
		{removeHeader, "request_remove", h.RequestRemove, isOursInRequests},
		{setHeader, "request_set", h.RequestSet, isOursInRequests},
		{addHeader, "request_add", h.RequestAdd, isOursInRequests},
	}
}

func (h Headers) responseKeys() []headerKey {
	return []headerKey{
		{removeHeader, "response_remove", h.ResponseRemove, isOursInResponses},
		{defaultHeader, "response_default", h.ResponseDefault, isOursInResponses},
		{setHeader, "response_set", h.ResponseSet, isOursInResponses},
		{addHeader, "response_add", h.ResponseAdd, isOursInResponses},
	}
}

func parseChanges(keys []headerKey) ([]change, error) {
	var all []change
	for _, key := range keys {
		for _, line := range key.lines {
			one, err := parseChange(key.verb, line, key.isOurs)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key.key, err)
			}
			all = append(all, one)
		}
	}
	return all, nil
}

// parseChange reads "Name: value", or a name alone if it is to be removed.
func parseChange(v verb, line string, isOurs func(string) bool) (change, error) {
	name, value, hasValue := strings.Cut(line, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	c := change{verb: v, name: http.CanonicalHeaderKey(name)}
	switch {
	case v == removeHeader && hasValue:
		return c, fmt.Errorf("%q has a value: write the name alone", line)
	case !httpguts.ValidHeaderFieldName(name):
		return c, fmt.Errorf("%q does not begin with the name of a header: %s", line, v.sample())
	case c.name == "Host" && isOurs(c.name):
		return c, errors.New("the Host that a backend gets is the client's or its own: write preserve_host = false in the [[backend]] for its own")
	case isOurs(c.name):
		return c, fmt.Errorf("%s is for gateway to set: leave it out", c.name)
	case v == removeHeader:
		return c, nil
	case value == "":
		return c, fmt.Errorf("%q has no value: write one after a colon, or take the header off with request_remove or response_remove", line)
	case !httpguts.ValidHeaderFieldValue(value):
		return c, fmt.Errorf("%q holds a character that no header may have: write it in one line", line)
	}
	var err error
	c.value, err = parseFilling(value, headerPlaceholders())
	return c, err
}

func (v verb) sample() string {
	if v == removeHeader {
		return `write it as "X-Powered-By"`
	}
	return `write it as "X-Frame-Options: DENY"`
}

// isFraming reports headers that tell where a message ends or how the connection
// goes on. They differ on the two sides of a proxy.
func isFraming(name string) bool {
	switch name {
	case "Connection", "Content-Length", "Expect", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// isOursInRequests also has what tells the backend where a request comes from.
func isOursInRequests(name string) bool {
	switch dashed := dashedName(name); dashed {
	case "Forwarded", "X-Real-Ip", "X-Request-Id", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port",
		"Host", "Proxy", "Proxy-Authorization":
		return true
	default:
		return isFraming(dashed)
	}
}

func isOursInResponses(name string) bool { return isFraming(name) || name == "X-Request-Id" }

// ofRequest changes a request to the backend. Whatever a backend could take for
// the header goes with it, in the trailer too: what gateway says of a client must
// not come from the client. For the same reason a value that turns out empty is
// no header at all.
func (c change) ofRequest(r *http.Request, of *call) {
	if c.verb != addHeader {
		deleteAlike(r.Header, c.name)
	}
	deleteAlike(r.Trailer, c.name)
	if c.verb == removeHeader {
		return
	}
	if value := c.value.fill(of.placeholder); value != "" {
		r.Header[c.name] = append(r.Header[c.name], value)
	}
}

// deleteAlike removes a header and its twins, see dropTwins.
func deleteAlike(h http.Header, name string) {
	dashed := dashedName(name)
	for other := range h {
		if dashedName(other) == dashed {
			delete(h, other)
		}
	}
}

// ofResponse changes a response to the client.
func (c change) ofResponse(h http.Header, of *call) {
	switch _, found := h[c.name]; {
	case c.verb == defaultHeader && found:
		return
	case c.verb != addHeader:
		delete(h, c.name)
	}
	if c.verb != removeHeader {
		h[c.name] = append(h[c.name], c.value.fill(of.placeholder))
	}
}

// changeResponse has changes made when the header of the response is complete,
// whoever writes it.
func (c *call) changeResponse(changes []change) {
	if len(changes) == 0 {
		return
	}
	c.w.edit = func(h http.Header) {
		for _, one := range changes {
			one.ofResponse(h, c)
		}
	}
}
