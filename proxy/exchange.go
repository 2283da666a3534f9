package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"
)

// conn is what a listener knows of a client's connection. The server makes one
// for every connection and puts it in the context of its requests.
type conn struct {
	settings *settings
	endpoint string               // as Endpoint.String writes it: ":443", "http://:80"
	local    net.Addr             // where the client arrived
	remote   net.Addr             // who it is, before trusted_proxies are looked at
	tls      *tls.ConnectionState // nil for plain HTTP
	received atomic.Int64         // bytes of HTTP (not of TLS) read from the client so far
	sent     atomic.Int64         // bytes of HTTP written to the client so far
	refused  atomic.Pointer[refusal]
	arrival  atomic.Pointer[arrival] // nil before the first request
	account  account                 // kept by the access log
	wire     *wireGuard              // nil for HTTP/2 and in tests without a server
}

// refusal is why the wire guard refused what a client sent. The guard hands
// net/http a harmless request in its place, so that the answer comes in order
// and is logged like every other.
type refusal struct {
	status int    // 400, 408, 413, 414, 431, 501, 505
	line   string // the request line as it was sent, for the access log
	reason string // for the client and the error log; never echoes what was sent
}

// exchange is what is known of one request while it is served. The outermost
// handler makes it, inner ones fill it in, the access log prints it at the end.
// Only the goroutine that serves the request touches it.
type exchange struct {
	conn      *conn // nil in tests that call a handler without a server
	start     time.Time
	id        string // X-Request-Id, made or kept
	line      string // the request line as it was sent, when it differs from what net/http tells
	client    string // address of the client, trusted_proxies taken into account
	user      string // who has logged in; "" for nobody
	site      string // canonical name of the site that answered; "" before it is known
	backend   string // name of the backend that answered
	held      time.Duration
	tries     int // how often the request was sent to the backend
	firstByte time.Duration
	failure   string // why gateway answered in the backend's place; "" if it did not
	call      *call  // what the handler makes of it; nil before
}

type contextKey int

const (
	connKey contextKey = iota
	exchangeKey
	workspaceKey
)

func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey).(*conn)
	return c
}

// EndpointOf returns the endpoint that a client came to, as Endpoint.String
// writes it, from the context of its TLS handshake or of one of its requests; ""
// if the context is of neither.
func EndpointOf(ctx context.Context) string {
	if c := connOf(ctx); c != nil {
		return c.endpoint
	}
	return ""
}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey).(*exchange)
	return x
}
