package proxy

import (
	"net/http"
	"strconv"

	"golang.org/x/net/http/httpguts"
)

// admitted is what the first look at a request has established.
type admitted struct {
	target target
	host   authority // zero for an HTTP/1.0 request without Host
}

// admit refuses what a backend could read differently from us, before the
// backend sees a byte of it. It looks at a request as net/http, the loop or http2
// parsed it; what those hide is the wire guard's to refuse.
func admit(r *http.Request) (admitted, *refusal) {
	if refused := admitMethod(r.Method); refused != nil {
		return admitted{}, refused
	}
	target, ok := parseTarget(r.RequestURI)
	if !ok {
		return admitted{}, badRequest("the request target is neither a path nor an http URL")
	}
	host, ok := admitHost(r)
	if !ok {
		return admitted{}, badRequest("the Host header is missing or malformed")
	}
	if named, ok := parseAuthority(target.authority); target.authority != "" && (!ok || named != host) {
		return admitted{}, badRequest("the request target and the Host header name different hosts")
	}
	return admitted{target, host}, admitFraming(r)
}

func badRequest(reason string) *refusal {
	return &refusal{status: http.StatusBadRequest, reason: reason}
}

// admitMethod refuses the two methods that are about the proxy itself: a tunnel
// through it, and an echo of a request that may hold what gateway added.
func admitMethod(method string) *refusal {
	switch method {
	case http.MethodConnect:
		return badRequest("CONNECT is not offered here")
	case http.MethodTrace, "TRACK":
		return &refusal{status: http.StatusMethodNotAllowed, reason: method + " is not offered here"}
	default:
		return nil
	}
}

// admitHost wants exactly one well-formed Host. Only HTTP/1.0 may leave it out
// (RFC 9112, section 3.2).
func admitHost(r *http.Request) (authority, bool) {
	if second := r.Header["Host"]; len(second) > 1 || len(second) == 1 && second[0] != r.Host {
		return authority{}, false
	}
	if r.Host == "" && !r.ProtoAtLeast(1, 1) {
		return authority{}, true
	}
	return parseAuthority(r.Host)
}

// admitFraming compares the length that the client declared with the one that
// the server goes by, which matters for HTTP/2: there the frames decide, and a
// content-length that says something else is malformed (RFC 9113, section 8.1.1).
func admitFraming(r *http.Request) *refusal {
	lengths, declared := r.Header["Content-Length"]
	if declared && !sameLength(lengths, r.ContentLength) {
		return badRequest("the Content-Length header is malformed or does not fit the body")
	}
	for _, name := range []string{"Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade"} {
		if _, found := r.Header[name]; found && r.ProtoMajor == 2 { // RFC 9113, section 8.2.2
			return badRequest("a header field that HTTP/2 does not have was sent")
		}
	}
	for _, protocol := range r.Header["Upgrade"] {
		if !isVisible(protocol) {
			return badRequest("the Upgrade header is malformed")
		}
	}
	return nil
}

func sameLength(lengths []string, body int64) bool {
	return len(lengths) == 1 && lengths[0] == strconv.FormatInt(body, 10)
}

func isVisible(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// wantsContinue reports whether the client waits for "100 Continue" before it
// sends the body.
func wantsContinue(r *http.Request) bool {
	return httpguts.HeaderValuesContainsToken(r.Header["Expect"], "100-continue")
}

// wantsWebSocket reports whether the client asks to switch to WebSocket, the one
// protocol that may be switched to: with any other, h2c above all, the backend
// would get requests that gateway has not seen. RFC 6455 asks with a GET that
// has no body.
func wantsWebSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ProtoMinor == 1 && r.ContentLength == 0 &&
		httpguts.HeaderValuesContainsToken(r.Header["Connection"], "Upgrade") &&
		httpguts.HeaderValuesContainsToken(r.Header["Upgrade"], "websocket")
}
