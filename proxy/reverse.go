package proxy

import (
	"net/http"
	"net/netip"
	"strings"
)

// reversal maps what a backend says of its own address back to the address that
// the client used, as ProxyPassReverse and its Cookie siblings do.
type reversal struct {
	backend  authority // as in the backend's URL
	scheme   string    // of the backend's URL
	inner    string    // path of the backend's URL and what rewrite puts behind it, without a final slash
	public   authority // as the client wrote it in Host
	protocol string    // "https" or "http", as the client used it
	outer    string    // prefix that strip or rewrite took off, without a final slash
}

func (c *call) reversal() reversal {
	u := c.route.upstream
	r := reversal{backend: u.authority, scheme: u.scheme, inner: strings.TrimSuffix(u.path, "/"), public: c.public(), protocol: c.origin.scheme}
	switch to := c.route.rewrite; {
	case c.route.strip:
		r.outer = strings.TrimSuffix(c.route.path, "/")
	case to != nil:
		if prefix, ok := to.prefix(); ok {
			r.inner += strings.TrimSuffix(prefix, "/")
			r.outer = strings.TrimSuffix(c.route.path, "/")
		}
	}
	return r
}

// apply maps the headers of a backend's response in place. What is not the
// backend's own address, and what is relative, stays byte for byte.
func (r reversal) apply(h http.Header) {
	for _, name := range []string{"Location", "Content-Location", "Uri"} {
		mapEach(h[name], r.url)
	}
	mapEach(h["Refresh"], r.refresh)
	mapEach(h["Set-Cookie"], r.cookie)
}

func mapEach(values []string, mapped func(string) string) {
	for i, value := range values {
		values[i] = mapped(value)
	}
}

// url maps one URL reference.
func (r reversal) url(written string) string {
	scheme, rest, absolute := strings.Cut(written, "://")
	if !absolute || strings.ContainsAny(scheme, "/?#") {
		return r.reference(written)
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	named, ok := parseAuthority(rest[:end])
	if !ok {
		return written
	}
	scheme, tail := strings.ToLower(scheme), rest[end:]
	switch {
	case scheme == r.scheme && named.sameOrigin(r.backend, scheme):
		return r.protocol + "://" + r.public.String() + r.outward(tail)
	case r.isPublic(scheme, named):
		// The backend was given the client's Host, but speaks plain HTTP to us and
		// believes that the client does.
		return r.protocol + "://" + rest[:end] + r.outwardOnce(tail)
	default:
		return written
	}
}

// isPublic reports whether a URL names the site just as the client does, but for
// the scheme. Without a port, http and https are two servers with one name.
func (r reversal) isPublic(scheme string, named authority) bool {
	if scheme != "http" && scheme != "https" || named.name != r.public.name {
		return false
	}
	return named.port == r.public.port || named.portOr(r.protocol) == r.public.portOr(r.protocol)
}

// reference maps a URL reference without a scheme. Only one that starts at the
// root names a path of the backend; "//host/x" names another server.
func (r reversal) reference(written string) string {
	if !strings.HasPrefix(written, "/") || strings.HasPrefix(written, "//") {
		return written
	}
	return r.outwardOnce(written)
}

// outward maps the part of a URL from the path on: the path of the backend's
// URL becomes the prefix that strip took off.
func (r reversal) outward(tail string) string {
	rest, found := strings.CutPrefix(tail, r.inner)
	if !found || rest != "" && !strings.ContainsAny(rest[:1], "/?#") {
		return tail
	}
	return r.outer + rest
}

// outwardOnce leaves a path alone that already starts with the public prefix:
// the backend knows it.
func (r reversal) outwardOnce(tail string) string {
	path := tail
	if end := strings.IndexAny(tail, "?#"); end >= 0 {
		path = tail[:end]
	}
	if r.outer != "" && within(path, r.outer) {
		return tail
	}
	mapped := r.outward(tail)
	if mapped == "" || mapped[0] != '/' && strings.HasPrefix(tail, "/") {
		return "/" + mapped
	}
	return mapped
}

// refresh maps the URL of `5; url=http://...`, with or without quotes.
func (r reversal) refresh(written string) string {
	at := 0
	for at < len(written) && !strings.EqualFold(written[at:min(at+len("url="), len(written))], "url=") {
		at++
	}
	if at == len(written) {
		return written
	}
	head, target := written[:at+len("url=")], written[at+len("url="):]
	quote := ""
	if target != "" && (target[0] == '"' || target[0] == '\'') {
		quote = target[:1]
	}
	inner := strings.TrimSuffix(strings.TrimPrefix(target, quote), quote)
	return head + quote + r.url(inner) + quote
}

// cookie maps Path and Domain of one Set-Cookie line.
func (r reversal) cookie(line string) string {
	parts := strings.Split(line, ";")
	kept := parts[:1]
	for _, part := range parts[1:] {
		key, value, _ := strings.Cut(part, "=")
		switch name := strings.TrimSpace(key); {
		case strings.EqualFold(name, "path"):
			part = key + "=" + r.cookiePath(value)
		case strings.EqualFold(name, "domain"):
			domain := r.cookieDomain(value)
			if domain == "" {
				continue
			}
			part = key + "=" + domain
		}
		kept = append(kept, part)
	}
	return strings.Join(kept, ";")
}

// cookiePath maps "/" to the bare prefix, which covers "/api" and "/api/" alike.
func (r reversal) cookiePath(path string) string {
	if !strings.HasPrefix(path, "/") {
		return path
	}
	mapped := r.outwardOnce(path)
	if path != mapped && r.outer != "" {
		return strings.TrimSuffix(mapped, "/")
	}
	return mapped
}

// cookieDomain maps the backend's own name to the site's. A cookie for an IP
// address must not name a domain (RFC 6265, section 5.2.3), so then it goes.
func (r reversal) cookieDomain(domain string) string {
	name, ok := hostName(strings.TrimPrefix(strings.TrimSpace(domain), "."))
	if !ok || name != r.backend.name || name == r.public.name {
		return domain
	}
	if _, err := netip.ParseAddr(r.public.name); err == nil {
		return ""
	}
	return r.public.name
}
