package proxy

import "net/http"

// refusalOf tells why r must not be served: because it stands for a head that the
// wire guard refused, or is an HTTP/2 head beyond the limits. It is nil for every
// other request.
func refusalOf(r *http.Request, limits Limits) *refusal {
	if c := connOf(r.Context()); c != nil && c.wire != nil {
		return c.refused.Load()
	}
	if r.ProtoMajor == 2 {
		return limits.head(r)
	}
	return nil
}

// head counts the head of an HTTP/2 request as it would have been in HTTP/1.
func (l Limits) head(r *http.Request) *refusal {
	size, lines := len(r.Method)+len(r.RequestURI)+len(r.Host), 0
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(": \r\n") + len(value)
			lines++
		}
	}
	switch {
	case len(r.RequestURI) > maxRequestLine:
		return &refusal{status: http.StatusRequestURITooLong, reason: "the request line is too long"}
	case l.Header > 0 && size > int(l.Header):
		return &refusal{status: http.StatusRequestHeaderFieldsTooLarge, reason: "the request head is too large"}
	case l.HeaderLines > 0 && lines > l.HeaderLines:
		return &refusal{status: http.StatusRequestHeaderFieldsTooLarge, reason: "the request has too many header lines"}
	}
	return nil
}
