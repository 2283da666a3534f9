package proxy

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// rewrite is readdress for ReverseProxy.
func (h *Handler) rewrite(p *httputil.ProxyRequest) {
	callOf(p.In.Context()).readdress(p.Out, p.In)
	inMemory(p.Out)
}

// readdress turns the client's request into the backend's. The hop-by-hop headers
// are gone before, those that Connection named among them, so a client can't
// strip what is set here.
func (c *call) readdress(out, in *http.Request) {
	upstream := c.route.upstream
	out.URL = &c.parts.url
	upstream.address(out.URL, c.asked())
	out.Host = upstream.host
	if upstream.preserveHost {
		out.Host = in.Host
		if in.Host == "" { // HTTP/1.0
			out.Host = c.public().String()
		}
	}
	dropTwins(out.Header)
	delete(out.Header, "Http2-Settings")
	c.origin.setForwarded(out.Header, in.Header, &c.parts.values)
	out.Header["X-Request-Id"] = c.parts.values.one(c.exchange.id)
	switchProtocols(out.Header, in)
	c.body.carryTrailers(out, in)
	for _, change := range c.route.request {
		change.ofRequest(out, c)
	}
}

// inMemory takes the wrapper off a gathered body that ReverseProxy puts around
// every body. http.Transport sends head and body at once if it sees that the
// body is in memory, and else the head first.
func inMemory(out *http.Request) {
	if out.GetBody == nil {
		return
	}
	if body, err := out.GetBody(); err == nil {
		out.Body = body
	}
}

// switchProtocols leaves WebSocket as the only protocol to switch to. The rest
// of an Upgrade list is taken off, as if the client had not asked.
func switchProtocols(out http.Header, in *http.Request) {
	if !wantsWebSocket(in) {
		delete(out, "Upgrade")
		delete(out, "Connection")
		return
	}
	out["Upgrade"] = []string{"websocket"}
	out["Connection"] = []string{"Upgrade"}
}

// address points a URL at the backend. http.Transport writes Path, or RawPath
// if it is a faithful spelling of it, and encodes a path afresh that holds bytes
// which url.URL does not expect. Such a path goes through Opaque, which is
// written as it stands.
func (u *upstream) address(out *url.URL, t target) {
	*out = url.URL{Scheme: u.scheme, Host: u.dialed, RawQuery: t.query, ForceQuery: t.hasQuery}
	out.Path, out.RawPath = decode(t.path, false), t.path
	if out.EscapedPath() == t.path {
		return
	}
	out.Opaque = t.path
	if strings.HasPrefix(t.path, "//") { // Opaque can't start so, hence the absolute form
		out.Opaque = "//" + u.host + t.path
	}
}

// asked is what a backend is asked for, or which file is looked for.
func (c *call) asked() target {
	t := c.target
	if to := c.route.rewrite; to != nil {
		t.path, t.query, t.hasQuery = strings.Cut(to.of(c.target, c.placeholder), "?")
	}
	t.path = c.route.rewritten(t.path)
	return t
}

// rewritten is the path that the backend is asked for, byte for byte but for
// the prefix that strip takes off and the path of the backend's URL in front.
func (r *route) rewritten(raw string) string {
	rest, base := raw, ""
	if r.strip {
		rest = behind(raw, r.path)
	}
	if r.upstream != nil {
		base = r.upstream.path
	}
	switch {
	case rest == "" && base == "":
		return "/"
	case rest == "":
		return base
	case rest[0] != '/':
		rest = "/" + rest
	}
	return strings.TrimSuffix(base, "/") + rest
}

// isGuarded reports headers that gateway sets, that frame a message or that
// stand for a login: nothing may pass that a backend could take for one of them.
func isGuarded(name string) bool {
	switch name {
	case "Forwarded", "X-Real-Ip", "X-Request-Id",
		"Connection", "Content-Length", "Content-Type", "Expect", "Host", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Authorization", "Cookie", "Proxy", "Proxy-Authorization":
		return true
	default:
		return strings.HasPrefix(name, "X-Forwarded-")
	}
}

// dropTwins removes headers that a backend could mistake for another one. CGI,
// WSGI, Rack and PHP turn every character of a name that is no letter or digit
// into "_", so X_Forwarded_For and X-Forwarded-For are one to them. A name that
// has no such twin passes: access_token is a fine header, and Apache's mod_proxy
// lets it through. Proxy itself goes too: CGI makes HTTP_PROXY of it.
func dropTwins(h http.Header) {
	delete(h, "Proxy")
	for name := range h {
		dashed := dashedName(name)
		if dashed == name {
			continue
		}
		if _, found := h[dashed]; found || isGuarded(dashed) {
			delete(h, name)
		}
	}
}

// dashedName spells a header name with "-" for everything that is no letter or
// digit. It gives back the same string for nearly every name.
func dashedName(name string) string {
	odd := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-')
	}
	if strings.IndexFunc(name, odd) < 0 {
		return name
	}
	return http.CanonicalHeaderKey(strings.Map(func(r rune) rune {
		if odd(r) {
			return '-'
		}
		return r
	}, name))
}

// mayTrail reports whether a request trailer is passed on. One that a backend
// could merge into what gateway has set is not.
func mayTrail(name string) bool {
	return !isGuarded(dashedName(name)) && httpguts.ValidTrailerHeader(name)
}
