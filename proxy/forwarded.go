package proxy

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// setForwarded tells the backend where the request comes from. Nothing that an
// untrusted client wrote under these names is left; a trusted proxy's lists grow
// by the peer we saw.
func (o origin) setForwarded(out, in http.Header) {
	peer, element := o.client, o.element()
	if !o.trusted {
		deletePrefix(out, "X-Forwarded-") // those that gateway doesn't set mislead too
	} else {
		peer = strings.Join(append(splitList(in["X-Forwarded-For"]), o.peer.String()), ", ")
		element = strings.Join(append(splitList(in["Forwarded"]), element), ", ")
	}
	out["X-Forwarded-For"] = []string{peer}
	out["X-Forwarded-Proto"] = []string{o.scheme}
	out["X-Real-Ip"] = []string{o.client}
	out["Forwarded"] = []string{element}
	setOrDelete(out, "X-Forwarded-Host", o.host)
	setOrDelete(out, "X-Forwarded-Port", o.port)
}

func deletePrefix(h http.Header, prefix string) {
	for name := range h {
		if strings.HasPrefix(name, prefix) {
			delete(h, name)
		}
	}
}

func setOrDelete(h http.Header, name, value string) {
	if value == "" {
		delete(h, name)
		return
	}
	h[name] = []string{value}
}

// element is our own element of Forwarded (RFC 7239, section 4): IPv6 in
// brackets, and quotes around what is no token.
func (o origin) element() string {
	node := o.peer.String()
	switch {
	case !o.peer.IsValid():
		node = "unknown"
	case o.peer.Is6():
		node = "[" + node + "]"
	}
	element := "for=" + quoteUnlessToken(node)
	if o.host != "" {
		element += ";host=" + quoteUnlessToken(o.host)
	}
	return element + ";proto=" + o.scheme
}

func quoteUnlessToken(s string) string {
	if httpguts.ValidHeaderFieldName(s) { // a field name is a token
		return s
	}
	return `"` + s + `"`
}

// requestID keeps the id that a client or a proxy before us gave the request, if
// it can stand in a log line and a header as it is, or makes one.
func requestID(given []string) string {
	if len(given) == 1 && isRequestID(given[0]) {
		return given[0]
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails, see crypto/rand
	return hex.EncodeToString(id[:])
}

func isRequestID(id string) bool {
	return len(id) <= 128 && httpguts.ValidHeaderFieldName(id)
}
