package proxy

import (
	"io"
	"net/http"
	"strconv"
)

// Values of a site's plain.
const (
	plainRedirect = "redirect"
	plainProxy    = "proxy"
	plainRefuse   = "refuse"
)

// plainPolicy is plain as it takes effect. Left out, clients are redirected.
func (s Site) plainPolicy() string {
	if s.Plain == "" {
		return plainRedirect
	}
	return s.Plain
}

// plainAnswer says what plain HTTP gets from a site. A site without TLS serves
// it. So is a request that a trusted proxy says came to it by https.
func (c *call) plainAnswer() string {
	if c.conn == nil || c.conn.tls != nil || c.origin.scheme == "https" || !c.site.hasTLS {
		return plainProxy
	}
	return c.site.plain
}

// redirect sends the client to the same host, path and query under https. The
// status is 308, so that a POST stays a POST.
func (c *call) redirect() {
	c.redirectTo("https://"+c.secureHost()+c.target.String(), http.StatusPermanentRedirect)
}

// secureHost is the authority to redirect to. On a port that speaks both, it is
// the one the client used, which may differ from ours behind a port mapping. A
// plain-only port says nothing of where TLS is; the site does.
func (c *call) secureHost() string {
	host := c.public()
	if e, err := ParseEndpoint(c.conn.endpoint); err == nil && e.PlainOnly {
		host.port = strconv.Itoa(c.site.tlsPort)
	} else if host.port == "" {
		host.port = c.origin.port
	}
	if host.port == "443" || host.port == "0" {
		host.port = ""
	}
	return host.String()
}

// refusePlain answers in a line that can be read in a browser and a terminal.
func (c *call) refusePlain() {
	line := "This port speaks HTTPS only. Write https:// in front of the address.\n"
	h := c.w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(line)))
	h.Set("Connection", "close")
	h.Set("X-Request-Id", c.exchange.id)
	c.w.WriteHeader(http.StatusBadRequest)
	if c.r.Method != http.MethodHead {
		_, _ = io.WriteString(c.w, line) // fails only for a client that is gone
	}
}
