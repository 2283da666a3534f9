package proxy

// x/net/http2 marks its server as deprecated in favour of net/http's, which takes
// HTTP/2 from a *tls.Conn only: the frames could not be looked at before.
//
//lint:file-ignore SA1019 ServeConn is the way in for a connection behind a guard

import (
	"context"
	"log/slog"
	"net/http"

	"golang.org/x/net/http2"
)

// maxFrame is the largest frame a client may send, in bytes; RFC 9113's least.
// A connection keeps a buffer of this size.
const maxFrame = 16 << 10

// http2Server serves the connections on which TLS chose HTTP/2.
type http2Server struct {
	server *http2.Server
	base   *http.Server // what http2 takes its settings and its shutdown from
	usage               // by connections
}

func newHTTP2Server(s *Server, limits Limits, timeouts Timeouts) *http2Server {
	h := &http2Server{
		server: &http2.Server{
			MaxConcurrentStreams: uint32(limits.Streams),
			MaxReadFrameSize:     maxFrame,
			IdleTimeout:          timeouts.Idle,
			WriteByteTimeout:     timeouts.Write,
		},
		base: &http.Server{
			Handler:        http.HandlerFunc(s.serveStream),
			ConnState:      connState,
			MaxHeaderBytes: maxHeaderList(limits),
			ErrorLog:       slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug),
		},
	}
	if err := http2.ConfigureServer(h.base, h.server); err != nil {
		panic(err) // it fails only for a TLS configuration, and base has none
	}
	return h
}

// serveStream serves a request in the new goroutine that http2 has for it. Its
// stack is made large enough while there is little on it to copy.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request) {
	_ = growStack(r.ProtoMajor)
	s.serveRequest(w, r)
}

// streamStack is about what a request to a backend takes, in bytes.
const streamStack = 8 << 10

// growStack has a frame of this size, which must depend on something that the
// compiler does not know.
//
//go:noinline
func growStack(at int) byte {
	var room [streamStack]byte
	room[at]++
	return room[at/2]
}

// headBeyond is by how many bytes a request head may exceed its limit and still
// be answered with 431 on HTTP/2, so that a browser with too many cookies shows
// why. To go on after a head, HTTP/2 must decode all of it; a larger one ends the
// connection.
const headBeyond = 192 << 10

// maxHeaderList lets header lists through to refusalOf, which counts as for
// HTTP/1 and logs: HTTP/2 counts 32 bytes more for every line (RFC 9113, 6.5.2).
func maxHeaderList(l Limits) int { return int(l.Header) + headBeyond + 32*(l.HeaderLines+16) }

// serve serves a connection until it ends.
func (h *http2Server) serve(ctx context.Context, g *frameGuard) {
	g.server.enlist(h)
	defer h.end()
	ctx = context.WithValue(ctx, connKey, g.conn)
	h.server.ServeConn(g, &http2.ServeConnOpts{Context: ctx, BaseConfig: h.base})
	g.grown()
	g.end()
}

// drain sends GOAWAY on every connection; each ends after its last stream.
func (h *http2Server) drain() {
	_ = h.base.Shutdown(context.Background()) // base has no listener of its own to wait for
}
