package proxy

import (
	"net"
	"sync/atomic"
)

// wireGuard stands between a client and net/http on an HTTP/1 connection. It
// reads the connection's bytes first, follows the framing of every message
// strictly, and lets a request head pass only when all of it is there and sound.
// So what could be read in two ways never reaches a handler, let alone a backend.
//
// In place of a head that it refuses it hands on a harmless request and nothing
// after that; the server finds the reason in conn.refused and answers with it.
//
// One goroutine at a time reads: net/http's, or its background reader's.
type wireGuard struct {
	net.Conn
	conn     *conn
	client   *client
	limits   Limits
	timeouts Timeouts
	draining *atomic.Bool
	buffers  *headBuffers
	deadline readDeadline

	phase      guardPhase
	in         []byte // read from the client and not yet passed on; nil when empty
	buffer     *headBuffer
	first      [1]byte // of a head, until there is a buffer
	cleared    int     // so many bytes of in may be passed on
	head       *head
	headLength int // of the bytes that head stands for
	scan       headScan
	leading    int // empty lines before the present head
	left       int64
	chunks     chunkedBody
	upgrade    bool // the present request asks to leave HTTP
	heads      int  // heads passed on
	answered   int  // requests that were answered
	served     int  // requests that reached the server's handler
	failed     error

	refusal atomic.Pointer[refusedHead]
	unread  atomic.Bool // the client may still be sending: close with care
	aborted atomic.Bool // the response is cut short: close without a goodbye
}

// refusedHead is a refusal and the number of sound heads before it: pipelined
// requests in front of a bad one get their own answers.
type refusedHead struct {
	refusal
	after int
}

type guardPhase uint8

const (
	phaseHead    guardPhase = iota
	phaseFixed              // a body of left bytes
	phaseChunked            // a body whose framing chunks follows
	phaseUpgrade            // what comes next is HTTP or not, as the answer will tell
	phaseOpen               // the connection left HTTP
	phaseRefused            // what comes next is thrown away
)

const (
	// maxLeadingLines are tolerated before a request line (RFC 9112, 2.2).
	maxLeadingLines = 2

	// maxEarly bytes may come after a request for an upgrade before its answer.
	maxEarly = 16 << 10

	// maxDiscarded bytes are read from a client that is being refused.
	maxDiscarded = 256 << 10
)

// substitute is what net/http gets to see in place of a refused head. It means
// nothing by itself: only the server knows, by counting, which request it is.
const substitute = "GET / HTTP/1.1\r\nHost: refused.invalid\r\nConnection: close\r\n\r\n"

const errEarlyBytes = malformedBody("the client sent too much before its upgrade was answered")

// newWireGuard guards c, which speaks HTTP/1 above TLS if there is TLS.
func (s *Server) newWireGuard(c net.Conn, of *client, as *conn) *wireGuard {
	g := &wireGuard{Conn: c, conn: as, client: of, limits: as.settings.limits, timeouts: as.settings.timeouts, draining: &s.draining, buffers: &s.buffers}
	g.deadline.conn = c
	as.wire = g
	as.account.deferred = true // finished and Close call answered
	return g
}

// Read passes on bytes of at most one message, and of a head only when it is sound.
func (g *wireGuard) Read(p []byte) (n int, err error) {
	for n == 0 && err == nil && len(p) > 0 {
		switch {
		case g.cleared > 0:
			n = g.pass(p)
		case g.failed != nil:
			err = g.failed
		default:
			n, err = g.advance(p)
		}
	}
	g.conn.received.Add(int64(n))
	return n, err
}

// advance reads on from the client: into p if that is safe, else into g.in.
func (g *wireGuard) advance(p []byte) (int, error) {
	switch g.phase {
	case phaseHead:
		return 0, g.readHead()
	case phaseFixed:
		n, err := g.deadline.Read(p[:min(int64(len(p)), g.left)])
		g.left -= int64(n)
		g.endBody(g.left == 0)
		return n, err
	case phaseChunked:
		return g.readChunked(p)
	case phaseUpgrade:
		return 0, g.readEarly()
	case phaseOpen:
		return g.deadline.Read(p)
	default:
		return 0, g.discard()
	}
}

// pass moves cleared bytes from g.in to p.
func (g *wireGuard) pass(p []byte) int {
	g.head = nil // it goes out as bytes
	n := copy(p, g.in[:g.cleared])
	g.cleared -= n
	g.consume(n)
	return n
}
