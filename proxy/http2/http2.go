// Package http2 is the server's side of HTTP/2 (RFC 9113) on the wire, for a
// proxy that would rather not pay for what net/http does for everybody else. It
// knows nothing of gateway.
//
// One goroutine reads a connection and hands each request to a goroutine of its
// own. While nothing comes but one large body, the goroutine that wants that reads
// the connection itself. Whoever has frames to send appends them to the connection's output under
// its lock; the one who finds nobody writing writes until nothing is left, so
// that what others add meanwhile leaves with it. No frame passes a channel.
//
// A connection without a request holds no buffers.
package http2

import (
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Options are what all connections of a Server go by.
type Options struct {
	// Handler serves the requests. http.ErrAbortHandler is the only panic that it
	// may let through.
	Handler http.Handler
	// MaxStreams is how many requests a client may have under way on one connection.
	MaxStreams int
	// MaxHeaderList is the largest head of a request, in bytes, as RFC 9113, 6.5.2,
	// counts them. A larger one is answered with 431, or ends the connection.
	MaxHeaderList int

	HeaderTimeout time.Duration // for a head, and for every frame that is no DATA
	WriteTimeout  time.Duration // of a connection to which nothing can be written
	IdleTimeout   time.Duration // of a connection without a request

	// ParseURL makes a URL of a target. Nil means url.ParseRequestURI.
	ParseURL func(target string) (*url.URL, error)
	// Date is the Date field of a response (RFC 9110, 6.6.1) for now. Nil formats
	// it for each.
	Date func() string
	// Go runs a task at once, in another goroutine. Nil is the go statement.
	Go func(task func())
}

// Owner is who has accepted a connection. It is told in turn, and must not call
// the connection back.
type Owner interface {
	// Busy tells that there is a request where there was none.
	Busy()
	// Idle tells that the last of the requests is over.
	Idle()
	// Cut tells that the connection is about to be ended because of what its client does.
	Cut(reason string)
}

// Server is what connections share. It holds no goroutine.
type Server struct {
	options Options
	streams sync.Pool // of *stream
	outputs sync.Pool // of *outputBuffer

	leadAfter int64 // bytes of a body, after which its reader may read the connection

	smallInputs, largeInputs sync.Pool // of *smallInput and *largeInput
	smallChunks, largeChunks sync.Pool // of *smallChunk and *largeChunk
}

// NewServer makes a server.
func NewServer(o Options) *Server {
	if o.ParseURL == nil {
		o.ParseURL = url.ParseRequestURI
	}
	if o.Date == nil {
		o.Date = func() string { return time.Now().UTC().Format(http.TimeFormat) }
	}
	if o.Go == nil {
		o.Go = func(task func()) { go task() }
	}
	return &Server{
		options: o,
		streams: sync.Pool{New: func() any { return newStream() }},
		outputs: sync.Pool{New: func() any { return new(outputBuffer) }},

		leadAfter: leadAfter,

		smallInputs: sync.Pool{New: func() any { return new(smallInput) }},
		largeInputs: sync.Pool{New: func() any { return new(largeInput) }},
		smallChunks: sync.Pool{New: func() any { return new(smallChunk) }},
		largeChunks: sync.Pool{New: func() any { return new(largeChunk) }},
	}
}
