package proxy

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// setForwarded tells the backend where the request comes from. Nothing that an
// untrusted client wrote under these names is left; a trusted proxy's lists grow
// by the peer we saw.
func (o origin) setForwarded(out, in http.Header, of *values) {
	peer, element := o.client, o.ownElement()
	if !o.trusted {
		deletePrefix(out, "X-Forwarded-") // those that gateway doesn't set mislead too
	} else {
		peer = strings.Join(append(splitList(in["X-Forwarded-For"]), o.peer.String()), ", ")
		element = strings.Join(append(splitList(in["Forwarded"]), element), ", ")
	}
	out["X-Forwarded-For"] = of.one(peer)
	out["X-Forwarded-Proto"] = of.one(o.scheme)
	out["X-Real-Ip"] = of.one(o.client)
	out["Forwarded"] = of.one(element)
	of.setOrDelete(out, "X-Forwarded-Host", o.host)
	of.setOrDelete(out, "X-Forwarded-Port", o.port)
}

func deletePrefix(h http.Header, prefix string) {
	for name := range h {
		if strings.HasPrefix(name, prefix) {
			delete(h, name)
		}
	}
}

// values has room for the values of the headers that gateway sets, each of which
// would be an allocation else.
type values struct {
	room [addedHeaders]string
	used int
}

// one is a header's only value.
func (v *values) one(value string) []string {
	if v.used == len(v.room) {
		return []string{value}
	}
	v.used++
	one := v.room[v.used-1 : v.used : v.used]
	one[0] = value
	return one
}

func (v *values) setOrDelete(h http.Header, name, value string) {
	if value == "" {
		delete(h, name)
		return
	}
	h[name] = v.one(value)
}

// ownElement is our own element of Forwarded.
func (o origin) ownElement() string {
	known := o.element.Load()
	if known == nil || known.host != o.host || known.scheme != o.scheme {
		known = &forwardedElement{o.host, o.scheme, o.writeElement()}
		o.element.Store(known)
	}
	return known.text
}

// writeElement writes it as RFC 7239, section 4, has it: IPv6 in brackets, and
// quotes around what is no token.
func (o origin) writeElement() string {
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
// it can stand in a log line and a header as it is, or makes one. Ids must differ,
// but guard nothing, so the runtime's generator will do, which costs no system call.
func requestID(given []string) string {
	if len(given) == 1 && isRequestID(given[0]) {
		return given[0]
	}
	var id [16]byte
	binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	var text [2 * len(id)]byte
	hex.Encode(text[:], id[:])
	return string(text[:])
}

func isRequestID(id string) bool {
	return len(id) <= 128 && httpguts.ValidHeaderFieldName(id)
}
