package http2

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// makeRequest makes of a decoded head the request that net/http would make of it.
// ok is false for a head that is no request (RFC 9113, 8.1.1).
func (c *Conn) makeRequest(h *head, ended bool) (r http.Request, ok bool) {
	if !h.isRequest() {
		return r, false
	}
	header, ok := h.header()
	if !ok {
		return r, false
	}
	length, ok := lengthOf(header, ended)
	if !ok {
		return r, false
	}
	host, ok := hostOf(h, header)
	if !ok {
		return r, false
	}
	target, location := c.locate(h, host)
	if location == nil {
		return r, false
	}
	return http.Request{
		Method: h.method, RequestURI: target, URL: location, Host: host,
		Proto: "HTTP/2.0", ProtoMajor: 2,
		Header: header, Trailer: trailerOf(header), ContentLength: length, Body: http.NoBody,
		RemoteAddr: c.remote,
	}, true
}

// header gathers the fields. It refuses those that HTTP/2 does not have (RFC 9113, 8.2.2).
func (h *head) header() (header http.Header, ok bool) {
	header = make(http.Header, len(h.fields))
	values := make([]string, len(h.fields)) // one allocation for all of them
	for i, field := range h.fields {
		key := canonicalName(field.Name)
		if isConnectionField(key) || key == "Te" && field.Value != "trailers" {
			return nil, false
		}
		if earlier, found := header[key]; found {
			header[key] = append(earlier, field.Value)
			continue
		}
		values[i] = field.Value
		header[key] = values[i : i+1 : i+1]
	}
	if len(header["Te"]) > 1 {
		return nil, false
	}
	if crumbs := header["Cookie"]; len(crumbs) > 1 { // RFC 9113, 8.2.3
		header["Cookie"] = []string{strings.Join(crumbs, "; ")}
	}
	return header, true
}

// hostOf takes the authority from where it stands, and Host out of the header.
func hostOf(h *head, header http.Header) (string, bool) {
	authority := h.authority
	named := header["Host"]
	switch {
	case len(named) > 1:
		return "", false
	case len(named) == 1 && authority == "":
		authority = named[0]
	case len(named) == 1 && named[0] != authority:
		return "", false
	}
	delete(header, "Host")
	return authority, !strings.Contains(authority, "@") && (authority == "" || httpguts.ValidHostHeader(authority))
}

// locate gives the target as a request line would have it.
func (c *Conn) locate(h *head, host string) (target string, location *url.URL) {
	if h.method == "CONNECT" {
		return host, &url.URL{Host: host}
	}
	if !strings.HasPrefix(h.path, "/") && h.path != "*" {
		return "", nil
	}
	location, err := c.server.options.ParseURL(h.path)
	if err != nil {
		return "", nil
	}
	return h.path, location
}

// trailerOf takes the announcement of trailers out of the header.
func trailerOf(header http.Header) http.Header {
	announced := header["Trailer"]
	if len(announced) == 0 {
		return nil
	}
	delete(header, "Trailer")
	trailer := http.Header{}
	for _, list := range announced {
		for name := range strings.SplitSeq(list, ",") {
			if name = http.CanonicalHeaderKey(strings.Trim(name, " \t")); httpguts.ValidTrailerHeader(name) {
				trailer[name] = nil
			}
		}
	}
	return trailer
}

// lengthOf is the length of the body, -1 for one that is not known. ok is false for
// a field that is no length, or that of no body.
func lengthOf(header http.Header, ended bool) (length int64, ok bool) {
	declared, found := header["Content-Length"]
	switch {
	case !found && ended:
		return 0, true
	case !found:
		return -1, true
	case len(declared) > 1:
		return 0, false
	}
	n, err := strconv.ParseUint(declared[0], 10, 63)
	return int64(n), err == nil && (n == 0 || !ended)
}

// start has the request of a stream served. c.mu is held.
func (c *Conn) start(s *stream, r *http.Request) {
	ctx, cancel := context.WithCancel(c.ctx)
	s.request, s.cancel = r.WithContext(ctx), cancel
	s.writer.stream, s.writer.declared = s, -1
	if !s.remoteEnded {
		expects := httpguts.HeaderValuesContainsToken(r.Header["Expect"], "100-continue")
		s.body = newBody(s, r.ContentLength, expects, r.Trailer)
		s.request.Body = s.body
	}
	c.handlers.Add(1)
	c.server.options.Go(s.task)
}

// canonicalName spells a name as net/http does.
func canonicalName(name string) string {
	if known, ok := canonicalNames[name]; ok {
		return known
	}
	return http.CanonicalHeaderKey(name)
}

// canonicalNames are the names that clients send mostly. It is not written to.
var canonicalNames = namesByWire(
	"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Access-Control-Request-Headers",
	"Access-Control-Request-Method", "Authorization", "Cache-Control", "Content-Encoding", "Content-Language",
	"Content-Length", "Content-Type", "Cookie", "Date", "Dnt", "Expect", "From", "Host", "If-Match",
	"If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Origin", "Pragma", "Priority",
	"Proxy-Authorization", "Range", "Referer", "Sec-Ch-Ua", "Sec-Ch-Ua-Mobile", "Sec-Ch-Ua-Platform",
	"Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User", "Te", "Trailer",
	"Upgrade-Insecure-Requests", "User-Agent", "Via", "X-Forwarded-For", "X-Forwarded-Host",
	"X-Forwarded-Proto", "X-Requested-With", "X-Request-Id",
)

func namesByWire(names ...string) map[string]string {
	byWire := make(map[string]string, len(names))
	for _, name := range names {
		byWire[strings.ToLower(name)] = name
	}
	return byWire
}
