package proxy

import (
	"errors"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gateway/proxy/http2"
)

// headBeyond is by how many bytes a request head may exceed its limit and still
// be answered with 431 on HTTP/2, so that a browser with too many cookies shows
// why. To go on after a head, HTTP/2 must decode all of it; a larger one ends the
// connection.
const headBeyond = 192 << 10

// maxHeaderList lets header lists through to refusalOf, which counts as for
// HTTP/1 and logs: HTTP/2 counts 32 bytes more for every line (RFC 9113, 6.5.2).
func maxHeaderList(l Limits) int { return int(l.Header) + headBeyond + 32*(l.HeaderLines+16) }

func (s *Server) newHTTP2(limits Limits, timeouts Timeouts) *http2.Server {
	return http2.NewServer(http2.Options{
		Handler:       http.HandlerFunc(s.serveStream),
		MaxStreams:    limits.Streams,
		MaxHeaderList: maxHeaderList(limits),
		HeaderTimeout: timeouts.Header,
		WriteTimeout:  timeouts.Write,
		IdleTimeout:   timeouts.Idle,
		ParseURL:      parseURL,
		Date:          s.turns.writers.Date,
		Go:            func(task func()) { s.handlers.do(task, s.stopping.Done()) },
	})
}

// serveStream serves a request of HTTP/2 in a workspace that is lent to it. It is
// not taken back after a panic, nor if the leg to the backend may still have the body.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request) {
	space := s.turns.workspaces.lend(r.Context())
	space.request = *r.WithContext(space)
	s.serveRequest(w, &space.request)
	if r.Body == http.NoBody {
		s.turns.workspaces.takeBack(space)
	}
}

// serveHTTP2 serves a connection until it ends.
func (s *Server) serveHTTP2(c net.Conn, of *client, as *conn) {
	g := &frameGuard{Conn: c, conn: as, client: of, server: s}
	g.deadline.conn = c
	served := as.settings.http2.NewConn(g, g)
	s.young.Add(1)
	s.http2s.add(served)
	if s.goingAway.Load() {
		served.Drain() // which drain may have passed by
	}
	_ = served.Serve(&loopContext{s.requests, as, s.http1})
	s.http2s.remove(served)
	g.grown()
}

// frameGuard is a client's connection below its HTTP/2. It counts what passes,
// tells the server what the client is about, and closes with care.
type frameGuard struct {
	net.Conn
	conn     *conn
	client   *client
	server   *Server
	deadline readDeadline
	asked    atomic.Bool // the first request is with the server
	gone     atomic.Bool // the client has hung up, or takes nothing any more
}

// Read reads from the client.
func (g *frameGuard) Read(p []byte) (int, error) {
	n, err := g.deadline.Read(p)
	g.conn.received.Add(int64(n))
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		g.gone.Store(true)
	}
	return n, err
}

// Write writes to the client.
func (g *frameGuard) Write(p []byte) (int, error) {
	n, err := g.Conn.Write(p)
	g.conn.sent.Add(int64(n))
	if err != nil {
		g.gone.Store(true)
	}
	return n, err
}

// SetReadDeadline bounds reading.
func (g *frameGuard) SetReadDeadline(t time.Time) error { return g.deadline.setHandler(t) }

// Busy tells that there is a request now.
func (g *frameGuard) Busy() {
	g.client.is(clientBusy)
	g.grown()
}

// Idle tells that there is none any more.
func (g *frameGuard) Idle() { g.client.is(clientWaiting) }

// Cut tells why the connection ends.
func (g *frameGuard) Cut(reason string) {
	if n, due := g.server.cutting.due(time.Now()); due {
		g.server.opts.Log.Warn("an HTTP/2 connection was cut: its client misbehaves",
			"client", g.conn.remote.String(), "reason", reason, "connections", n)
	}
}

// grown is called when the first request of the connection is with the server,
// and when the connection ends without one. A server that stops waits for that.
func (g *frameGuard) grown() {
	if !g.asked.Swap(true) && g.server.young.Add(-1) == 0 && g.server.draining.Load() {
		g.server.clients.recount()
	}
}

// Close closes the connection: if the client is still there, only after it had the
// time to read the last answers, and why there are no more.
func (g *frameGuard) Close() error {
	defer g.client.is(clientGone)
	if g.gone.Load() {
		return g.Conn.Close()
	}
	g.client.is(clientWaiting)
	linger(g.Conn, g.client.raw)
	return g.client.raw.Close()
}

// http2Conns are the HTTP/2 connections that are open.
type http2Conns struct {
	mu   sync.Mutex
	open map[*http2.Conn]struct{}
}

func newHTTP2Conns() *http2Conns { return &http2Conns{open: map[*http2.Conn]struct{}{}} }

func (s *http2Conns) add(c *http2.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c] = struct{}{}
}

func (s *http2Conns) remove(c *http2.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// drain has each of them end after its last request.
func (s *http2Conns) drain() {
	s.mu.Lock()
	all := slices.Collect(maps.Keys(s.open))
	s.mu.Unlock()
	for _, c := range all {
		c.Drain()
	}
}
