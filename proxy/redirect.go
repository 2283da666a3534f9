package proxy

import (
	"cmp"
	"log/slog"
	"net/http"
	"strings"
)

// redirection sends clients elsewhere.
type redirection struct {
	to     destination
	status int
}

func (r Route) redirection() (answerer, error) {
	to, err := parseRedirect(r.Redirect, r.placeholders())
	return &redirection{to, r.RedirectsWith()}, err
}

// RedirectsWith is the status of redirect. Default 302: no browser remembers it, so
// a mistake can be put right.
func (r Rules) RedirectsWith() int { return cmp.Or(r.RedirectStatus, http.StatusFound) }

func (r *redirection) answer(_ *Handler, c *call) {
	to := r.to.of(c.target, func(name string) string { return spelled(c.placeholder(name)) })
	c.redirectTo(sameSite(to), r.status)
}

// sameSite keeps a path from being read as "//host", another server's name.
func sameSite(to string) string {
	if strings.HasPrefix(to, "/") {
		return "/" + strings.TrimLeft(to, "/")
	}
	return to
}

// redirectTo answers with a Location.
func (c *call) redirectTo(location string, status int) {
	h := c.w.Header()
	h.Set("Location", location)
	h.Set("X-Request-Id", c.exchange.id)
	h.Set("Content-Length", "0")
	c.w.WriteHeader(status)
}

// responder answers every request with its status and the page of it.
type responder int

func (status responder) answer(h *Handler, c *call) {
	h.fail(c, failure{status: int(status), level: slog.LevelDebug, reason: "the file says to respond so", page: status.page()})
}

func (status responder) page() string {
	switch int(status) {
	case http.StatusForbidden:
		return pageForbidden
	case http.StatusNotFound:
		return pageNotFound
	case http.StatusGone:
		return "What was at this address is gone."
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return pageUnavailable
	default:
		return http.StatusText(int(status)) + "."
	}
}
