package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	idleConnections = 256 // kept open to one backend; a small team's backend never sees so many at once
	idleTimeout     = 90 * time.Second
	// idleTimeoutUnsafe is for requests that must not be sent twice. Backends close
	// idle connections after 2 s (gunicorn), 5 s (Node, uvicorn, Apache) or more,
	// and a request that crosses such a close on the wire may or may not have been
	// acted upon. A connection this young is not about to be closed.
	idleTimeoutUnsafe = time.Second
	// continueTimeout is how long the body of a request with Expect: 100-continue
	// waits for the backend's word. Many backends never say it.
	continueTimeout  = time.Second
	responseHeadSize = 1 << 20
)

// errBackendBusy ends the wait for one of the connections that [[backend]]
// connections allows.
var errBackendBusy = errors.New("every connection that is allowed to the backend was busy")

// upstream is one backend as requests meet it: its address and the connections
// to it, with the gate before them.
type upstream struct {
	name         string
	preserveHost bool
	scheme       string    // "http" or "https"
	host         string    // Host of requests if the client's is not preserved
	dialed       string    // host of request URLs; names the connection pool
	path         string    // path of the backend's URL, as written
	authority    authority // of the backend's URL, for mapping back

	safe     *http.Transport // for requests that may be sent again
	unsafe   *http.Transport // for the others; the same as safe if connections are limited
	limited  bool
	patience time.Duration // for a connection to become free, if they are limited

	recipe  recipe
	elders  []*upstream // of the same name before a reload, that had requests left then
	retired atomic.Bool // another one has taken its place

	gate      *gate
	suspicion suspicion
	hold      time.Duration // how long a request waits for the backend in all
	deps      Deps
}

func newUpstream(b Backend, timeouts Timeouts, deps Deps) (*upstream, error) {
	address, err := parseBackendURL(b.URL)
	if err != nil {
		return nil, fmt.Errorf("backend %q: %w", b.Name, err)
	}
	u := &upstream{name: b.Name, preserveHost: b.PreservesHost(), scheme: address.url.Scheme, host: address.url.Host,
		dialed: address.url.Host, path: address.url.EscapedPath(), patience: b.FirstByteOr(timeouts.FirstByte),
		hold: b.HoldFor(), deps: deps}
	u.gate = newGate(deps.availabilityOf(b.Name), bounds{time: u.hold, requests: b.HoldsRequests(), bytes: int64(b.HoldsBytes())})
	u.authority, _ = parseAuthority(address.url.Host)
	u.safe = newTransport(b, timeouts, address, idleTimeout)
	u.unsafe = newTransport(b, timeouts, address, idleTimeoutUnsafe)
	if b.Connections > 0 {
		// Two pools would allow twice the number, so there is one, with the shorter
		// idle time.
		u.limited, u.safe = true, u.unsafe
	}
	return u, nil
}

// newTransport speaks HTTP/1.1 and keeps what it sends and receives as it is. It
// takes no proxy from the environment: that one is for the way out.
func newTransport(b Backend, timeouts Timeouts, address backendAddress, idle time.Duration) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		DialContext:            address.dialer(timeouts.Connect, b.FirstByteOr(timeouts.FirstByte)),
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    timeouts.Connect,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    idleConnections,
		MaxConnsPerHost:        b.Connections,
		IdleConnTimeout:        idle,
		ResponseHeaderTimeout:  b.FirstByteOr(timeouts.FirstByte),
		ExpectContinueTimeout:  continueTimeout,
		MaxResponseHeaderBytes: responseHeadSize,
		Protocols:              &protocols,
	}
}

// send sends a request once.
func (u *upstream) send(r *http.Request, a *attempt) (*http.Response, error) {
	transport := u.unsafe
	if isSafe(r.Method) {
		transport = u.safe
	}
	if u.limited {
		a.limit(u.patience)
	}
	r.Close = u.retired.Load()
	res, err := transport.RoundTrip(r)
	if err != nil {
		return nil, a.end(r.Context(), err)
	}
	return res, nil
}

// dropIdle closes the connections that nobody uses: where one was closed by the
// backend, the others are likely to be.
func (u *upstream) dropIdle() {
	u.safe.CloseIdleConnections()
	u.unsafe.CloseIdleConnections()
}

// isSafe reports methods that change nothing, so that net/http may send them
// again after a kept-alive connection turned out to be closed (RFC 9110, section
// 9.2.1).
func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}
