package proxy

import (
	"net/http"
	"net/url"
	"strings"
)

// request makes of a head the request that net/http would have made of it.
func (h *head) request(l *loop, t *turn) *http.Request {
	r := &t.space.request
	*r = *(&http.Request{
		Method: h.method, RequestURI: h.target, URL: h.url,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h.header, Host: h.host, ContentLength: h.length, Body: http.NoBody,
		RemoteAddr: l.client, TLS: l.guard.conn.tls,
	}).WithContext(t.space)
	if r.URL.Host != "" {
		r.Host = r.URL.Host
	}
	if h.length > 0 {
		t.body = &requestBody{guard: l.guard, watch: &t.watch, left: h.length}
		r.Body = t.body
	}
	r.Close = closes(h.header["Connection"])
	if pragma := h.header["Pragma"]; len(pragma) > 0 && pragma[0] == "no-cache" && h.header["Cache-Control"] == nil {
		h.header["Cache-Control"] = []string{"no-cache"} // as net/http does: RFC 9111, 5.4
	}
	return r
}

// closes reports whether a Connection header announces the connection's end.
func closes(connection []string) bool {
	for _, list := range connection {
		for option := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(trimSpace(option), "close") {
				return true
			}
		}
	}
	return false
}

// parseURL is url.ParseRequestURI, with a short way for what most targets are.
func parseURL(target string) (*url.URL, error) {
	path, query, found := strings.Cut(target, "?")
	if isPlainPath(path) && (!found || query != "") {
		return &url.URL{Path: path, RawQuery: query}, nil
	}
	return url.ParseRequestURI(target)
}

// isPlainPath reports whether path stands for itself, escaped or not.
func isPlainPath(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	for i := range len(path) {
		c := path[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c)) && strings.IndexByte("/-._~$&+,:;=@", c) < 0 {
			return false
		}
	}
	return true
}
