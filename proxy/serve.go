package proxy

import "net/http"

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := h.newCall(w, r)
	defer c.finish()
	if refused := h.admit(c); refused != nil {
		h.fail(c, failureOfRefusal(refused))
		return
	}
	c.site = h.sites.find(c.endpoint(), c.host.name)
	if c.site == nil {
		h.fail(c, noSuchPath())
		return
	}
	c.exchange.site = c.site.name
	switch c.plainAnswer() {
	case plainRedirect:
		c.redirect()
	case plainRefuse:
		c.exchange.failure = "plain HTTP is refused here"
		c.refusePlain()
	default:
		h.serveRoute(c)
	}
}

// admit refuses what the wire guard has refused, and what it can't see.
func (h *Handler) admit(c *call) *refusal {
	if refused := refusalOf(c.r, h.limits); refused != nil {
		c.exchange.line = refused.line // "" but for what the wire guard refused
		return refused
	}
	sound, refused := admit(c.r)
	c.target, c.host = sound.target, sound.host
	return refused
}

// serveRoute answers a request as its route says, if it may be made at all.
func (h *Handler) serveRoute(c *call) {
	c.changeResponse(c.site.response)
	route, ok := c.site.route(c.target.path)
	switch {
	case !ok:
		h.fail(c, failureOfRefusal(badRequest("the path can be read in more than one way")))
		return
	case route == nil:
		h.fail(c, noSuchPath())
		return
	}
	c.route, c.body.limit = route, route.body
	c.changeResponse(route.response)
	if refused := h.keepOut(c); refused != nil {
		h.fail(c, *refused)
		return
	}
	switch {
	case route.body > 0 && c.r.ContentLength > route.body:
		h.fail(c, tooLarge())
	case route.answer != nil:
		defer h.watchAbort(c)
		route.answer.answer(h, c)
	default:
		h.passOn(c)
	}
}

// keepOut tells what a client is answered whom the route does not serve.
func (h *Handler) keepOut(c *call) *failure {
	if a := c.route.access; a != nil && !a.admits(c.origin.client) {
		return denied()
	}
	if l := c.route.login; l != nil {
		return l.refuse(c, h.deps.Log)
	}
	return nil
}

// passOn has the backend answer.
func (h *Handler) passOn(c *call) {
	out := c.outgoing()
	release, err := h.gatherer.gather(out)
	defer release()
	if err != nil {
		h.fail(c, failureOf(err, c.circumstances()))
		return
	}
	defer c.leave()
	defer h.watchAbort(c)
	if h.general || wantsWebSocket(c.r) {
		h.proxy.ServeHTTP(c.w, out)
		return
	}
	h.forward(c, out)
}
