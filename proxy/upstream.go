package proxy

import (
	"fmt"
	"sync/atomic"
	"time"

	"gateway/proxy/http1"
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

	leg     leg
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
		dialed: address.url.Host, path: address.url.EscapedPath(), hold: b.HoldFor(), deps: deps}
	u.gate = newGate(deps.availabilityOf(b.Name), bounds{time: u.hold, requests: b.HoldsRequests(), bytes: int64(b.HoldsBytes())})
	u.authority, _ = parseAuthority(address.url.Host)
	options, err := legOptions(b, timeouts, address)
	if err != nil {
		return nil, fmt.Errorf("backend %q: %w", b.Name, err)
	}
	u.leg = newLeg(options)
	return u, nil
}

// legOptions are for HTTP/1.1, spoken to the backend without a proxy between: one
// that the environment names is for the way out.
func legOptions(b Backend, timeouts Timeouts, address backendAddress) (http1.Options, error) {
	patience := b.FirstByteOr(timeouts.FirstByte)
	o := http1.Options{
		Dial:                   address.dialer(timeouts.Connect),
		MaxConns:               b.Connections,
		MaxConnsWait:           patience,
		MaxIdleConns:           idleConnections,
		IdleTimeout:            idleTimeout,
		IdleTimeoutUnsafe:      idleTimeoutUnsafe,
		ResponseHeaderTimeout:  patience,
		WriteTimeout:           patience, // a backend that has stopped reading must not keep an upload for ever
		ExpectContinueTimeout:  continueTimeout,
		MaxResponseHeaderBytes: responseHeadSize,
	}
	if address.url.Scheme != "https" {
		return o, nil
	}
	var err error
	o.TLS, err = b.tlsTo(address.url.Hostname())
	o.TLSHandshakeTimeout = timeouts.Connect
	return o, err
}

// dropIdle closes the connections that nobody uses: where one was closed by the
// backend, the others are likely to be.
func (u *upstream) dropIdle() { u.leg.CloseIdleConnections() }
