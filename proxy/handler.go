package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

// Deps are what a Handler needs besides its configuration.
type Deps struct {
	Log *slog.Logger
	// Unreachable is told each time that a backend refused a connection, hung or
	// died with a request in its hands. It is called on the request's goroutine and
	// must not block. Nil is fine.
	Unreachable func(backend string)
	// Availability tells what is known of a backend. It is asked for every request
	// and must not block. If it is nil, every backend is presumed to be up, and one
	// that refuses connections is tried again every now and then.
	Availability func(backend string) Availability
	// Count is told of requests that had to wait for their backend and of those that
	// failed because of it. It must not block. Nil is fine.
	Count func(backend string, held, failed int64)
}

func (d Deps) availabilityOf(backend string) func() Availability {
	if d.Availability == nil {
		return presumedUp
	}
	return func() Availability { return d.Availability(backend) }
}

func (d Deps) unreachable(backend string) {
	if d.Unreachable != nil {
		d.Unreachable(backend)
	}
}

func (d Deps) count(backend string, held, failed int64) {
	if d.Count != nil {
		d.Count(backend, held, failed)
	}
}

// Handler answers requests: it finds the site and the route, refuses what must
// not reach a backend, serves files and redirects, and passes the rest on.
type Handler struct {
	deps      Deps
	limits    Limits
	timeouts  Timeouts
	sites     *siteTable
	upstreams map[string]*upstream
	trusted   trustedProxies
	pages     *pages
	gatherer  gatherer
	proxy     *httputil.ReverseProxy
	general   bool // everything goes through proxy
	buffers   *buffers

	watchdogs    watchdogs
	lateFlushers lateFlushers
}

// NewHandler builds the handler of one configuration, which must have been
// found valid. It reads the pages for errors that the configuration names, and
// opens nothing.
func NewHandler(cfg Config, deps Deps) (*Handler, error) { return newHandler(cfg, deps, nil) }

// newHandler takes over what it can of the upstreams of the handler before.
func newHandler(cfg Config, deps Deps, before map[string]*upstream) (*Handler, error) {
	trusted, err := parseNetworks(cfg.TrustedProxies)
	if err != nil {
		return nil, err
	}
	upstreams := map[string]*upstream{}
	for _, b := range cfg.Backends {
		if upstreams[b.Name], err = upstreamOf(b, cfg.Timeouts, deps, before[b.Name]); err != nil {
			return nil, err
		}
	}
	sites, err := newSiteTable(cfg, upstreams)
	if err != nil {
		return nil, err
	}
	pages, err := newPages()
	if err != nil {
		return nil, err
	}
	h := &Handler{deps: deps, limits: cfg.Limits, timeouts: cfg.Timeouts, sites: sites, upstreams: upstreams, trusted: trustedProxies{trusted}, pages: pages, buffers: newBuffers()}
	h.gatherer.largest = int64(cfg.Limits.Buffer)
	h.proxy = h.reverseProxy()
	return h, nil
}

// reverseProxy is for what forward does not take.
func (h *Handler) reverseProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite:        h.rewrite,
		Transport:      backends{},
		FlushInterval:  flushAfter,
		ModifyResponse: h.mapBack,
		ErrorHandler:   h.failed,
		ErrorLog:       log.New(io.Discard, "", 0), // each failure is logged once, by fail or abort
		BufferPool:     h.buffers,
	}
}

// Close drops the idle connections to the backends. Requests in flight go on.
func (h *Handler) Close() {
	for _, u := range h.upstreams {
		u.dropIdle()
	}
}

// Drain keeps new requests from a backend that is about to be stopped, and
// returns when those that it has are answered, or with an error when ctx ends.
// From its return on, no request reaches the backend before there is news of it
// from Deps.Availability, which should not call the backend up while Drain runs.
// WebSockets are not waited for: they end with the backend. A stream of events
// is, until ctx ends.
func (h *Handler) Drain(ctx context.Context, backend string) error {
	u := h.upstreams[backend]
	if u == nil {
		return fmt.Errorf("there is no backend %q to drain", backend)
	}
	if err := u.drain(ctx); err != nil {
		return fmt.Errorf("backend %q still has requests in flight (%d): %w", backend, u.inFlight(), err)
	}
	return nil
}

// failed is ReverseProxy's exit for every error before a response was begun.
func (h *Handler) failed(_ http.ResponseWriter, r *http.Request, err error) {
	c := callOf(r.Context())
	if c.w.hijacked {
		c.exchange.failure = "connection was lost while the protocol was switched"
		return
	}
	h.fail(c, failureOf(err, c.circumstances()))
}

// fail answers in the backend's place and logs why.
func (h *Handler) fail(c *call, f failure) {
	c.exchange.failure = f.reason
	h.note(c, f)
	if f.status == statusClientGone {
		c.aborted = true
		c.w.WriteHeader(statusClientGone) // for the access log; the panic keeps it from being sent
		panic(http.ErrAbortHandler)
	}
	if c.r.ProtoMajor == 2 && f.status == http.StatusRequestEntityTooLarge {
		f.close = false // HTTP/2 ends the stream and keeps the other requests of the connection
	}
	h.pages.write(c.w, c.r, f, c.exchange.id, c.ownPages()[f.status])
}

// watchAbort explains a response that broke off. ReverseProxy reports it as a
// panic, which makes the server reset the stream or the connection, so that what
// was sent can't be taken for the whole.
func (h *Handler) watchAbort(c *call) {
	abort := recover()
	if abort == nil {
		return
	}
	c.aborted = true
	if abort != http.ErrAbortHandler || c.exchange.failure != "" {
		panic(abort)
	}
	f := abortOf(c.sourceFailure, c.w.pace.hasExpired(), c.circumstances())
	c.exchange.failure = f.reason
	h.note(c, f)
	panic(abort)
}

// note writes the one line of a failure to the error log and tells whoever
// watches the backend.
func (h *Handler) note(c *call, f failure) {
	if f.backendBad {
		h.deps.unreachable(c.exchange.backend)
		h.deps.count(c.exchange.backend, 0, 1)
	}
	if !h.deps.Log.Enabled(c.r.Context(), f.level) {
		return
	}
	h.deps.Log.LogAttrs(c.r.Context(), f.level, f.reason, f.attributes(c)...)
}

// mapBack is call.mapBack for ReverseProxy.
func (h *Handler) mapBack(res *http.Response) error {
	callOf(res.Request.Context()).mapBack(res)
	return nil
}

// mapBack makes a backend's response the site's.
func (c *call) mapBack(res *http.Response) {
	c.exchange.firstByte = time.Since(c.sent)
	c.reversal().apply(res.Header)
	res.Header["X-Request-Id"] = []string{c.exchange.id} // which HTTP/2 may read once more when the workspace is somebody else's
	if res.Header["Content-Type"] == nil {
		c.w.Header()["Content-Type"] = nil // else net/http guesses one from the body
	}
	if own := c.route.pages[res.StatusCode]; own != nil && own.override {
		c.leave()
		own.replace(res)
		return
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		c.parts.source = backendBody{res.Body, c}
		res.Body = &c.parts.source
	}
}

// backendBody remembers how reading a backend's response failed.
type backendBody struct {
	io.ReadCloser
	call *call
}

func (b *backendBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.note(err)
	return n, err
}

// note is told how a read ended.
func (b *backendBody) note(err error) {
	if err == nil {
		return
	}
	b.call.leave() // the client may take its time to read the rest
	if !errors.Is(err, io.EOF) {
		b.call.sourceFailure = err
	}
}

// Ready reports whether a Read would return at once, if that is known.
func (b *backendBody) Ready() bool { return isReady(b.ReadCloser) }

// backends sends each request to the backend of its route.
type backends struct{}

func (backends) RoundTrip(r *http.Request) (*http.Response, error) {
	return callOf(r.Context()).route.upstream.RoundTrip(r)
}

// buffers lends out the buffers that response bodies are copied through.
type buffers struct{ pool sync.Pool }

const copyBuffer = largePiece

func newBuffers() *buffers {
	return &buffers{sync.Pool{New: func() any { return new([copyBuffer]byte) }}}
}

func (b *buffers) Get() []byte  { return b.pool.Get().(*[copyBuffer]byte)[:] }
func (b *buffers) Put(p []byte) { b.pool.Put((*[copyBuffer]byte)(p)) }
