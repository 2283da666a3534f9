package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// maxContinuations frames may follow a HEADERS frame (CVE-2024-27316). With
// frames of 16 KiB they carry more than a request head may hold.
const maxContinuations = 16

// clientPreface is the length of what an HTTP/2 client sends first (RFC 9113, 3.4).
const clientPreface = len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

// Why a connection is cut, in words for the log.
const (
	cutResets  = "it opens requests and gives them up, or breaks the rules, again and again"
	cutControl = "it floods the connection with frames that carry nothing"
	cutHead    = "it sends a request head without end"
	cutSlow    = "it takes too long over a frame"
)

// errCut is the error of using a connection that was cut.
const errCut = malformedBody("the HTTP/2 connection was cut because of what the client sent")

// frameGuard stands between a client and http2. It watches the frames of both
// directions and cuts the connection when the client makes the server work for
// nothing, or takes too long over a request head. What the frames mean it leaves
// to http2.
type frameGuard struct {
	net.Conn
	conn     *conn
	client   *client
	server   *Server
	deadline readDeadline
	last     atomic.Uint32 // the highest stream that the client opened
	cutOff   atomic.Bool   // nothing is read or written any more
	goodbye  atomic.Bool   // and the client has been told
	asked    atomic.Bool   // the first request is with the server
	active   int           // how often http2 has called the connection active; of its goroutine
	calm     calmness

	// Of the goroutine that reads.
	preface       int // bytes of the client's preface
	in            frameReader
	openHead      bool // a header block goes on in the next frame
	headerBytes   int  // of the present header block
	continuations int
	pacing        bool // the deadline of a slow frame is set

	writing sync.Mutex
	out     frameReader
	head    headroom
	payload []byte // of the short frame that is being written, see wantsPayload
}

func newFrameGuard(s *Server, c *tls.Conn, of *client, as *conn) *frameGuard {
	g := &frameGuard{Conn: c, conn: as, client: of, server: s, calm: newCalmness()}
	g.deadline.conn = c
	s.young.Add(1)
	return g
}

// grown is called when the first request of the connection is with the server,
// and when the connection ends without one. From then on GOAWAY tells the client
// what was served; before, it would refuse a request that is on its way.
func (g *frameGuard) grown() {
	if !g.asked.Swap(true) && g.server.young.Add(-1) == 0 && g.server.draining.Load() {
		g.server.clients.recount()
	}
}

// ConnectionState lets http2 fill in Request.TLS and check the cipher suite.
func (g *frameGuard) ConnectionState() tls.ConnectionState { return *g.conn.tls }

// Read passes on what the client sends after a look at its frames.
func (g *frameGuard) Read(p []byte) (int, error) {
	read := g.deadline.Read
	if g.atSettings(len(p)) {
		read = g.readSettings
	}
	n, err := read(p)
	g.conn.received.Add(int64(n))
	reason := g.watch(p[:n])
	if errors.Is(err, os.ErrDeadlineExceeded) && g.deadline.passed(time.Now()) {
		reason = cutSlow
	}
	if reason != "" {
		g.cut(reason)
	}
	if g.cutOff.Load() {
		return 0, errCut
	}
	return n, err
}

// atSettings reports whether a read of size bytes is for the whole payload of a
// SETTINGS frame. http2 reads that way.
func (g *frameGuard) atSettings(size int) bool {
	return g.in.inPayload(frameSettings) && g.in.left == g.in.frame.length && g.in.left == size
}

// readSettings reads a SETTINGS payload so that http2 takes it: http2 hangs up
// when a setting is given twice, where the last one counts (RFC 9113, 6.5.3).
func (g *frameGuard) readSettings(p []byte) (int, error) {
	n, err := io.ReadFull(&g.deadline, p)
	voidRepeatedSettings(p[:n])
	return n, err
}

// watch follows what was read, and returns why the connection must be cut, or "".
func (g *frameGuard) watch(p []byte) (reason string) {
	skip := min(len(p), clientPreface-g.preface)
	g.preface += skip
	for p = p[skip:]; len(p) > 0; {
		n, begun := g.in.next(p)
		if p = p[n:]; !begun {
			continue
		}
		if reason := g.begins(g.in.frame); reason != "" {
			return reason
		}
	}
	g.pace()
	return ""
}

// begins judges a frame of the client by its header.
func (g *frameGuard) begins(f frame) (reason string) {
	switch f.kind {
	case frameHeaders:
		g.headerBytes, g.continuations = f.length, 0
		g.openHead = !f.has(flagEndHeaders)
		if f.stream > g.last.Load() {
			g.last.Store(f.stream)
			g.calm.opened()
		}
	case frameContinuation:
		g.headerBytes, g.continuations = g.headerBytes+f.length, g.continuations+1
		g.openHead = !f.has(flagEndHeaders)
	default:
		return g.calm.received(f, time.Now())
	}
	if g.continuations > maxContinuations || g.headerBytes > maxHeaderList(g.conn.settings.limits) {
		return cutHead
	}
	return ""
}

// pace bounds the time for a request head, and for every frame but DATA, which
// has the pace of a request body. Between frames a connection is idle or waits
// for answers; http2 watches that.
func (g *frameGuard) pace() {
	slow := g.openHead || !g.in.between() && !g.in.inPayload(frameData)
	switch {
	case slow && !g.pacing:
		g.deadline.setGuard(time.Now().Add(g.conn.settings.timeouts.Header), false)
	case !slow && g.pacing:
		g.deadline.setGuard(time.Time{}, false)
	}
	g.pacing = slow
}

// Write counts what is sent and watches for answers and resets. The head of a
// response is kept back for its body, see headroom.
func (g *frameGuard) Write(p []byte) (int, error) {
	g.writing.Lock()
	defer g.writing.Unlock()
	if g.cutOff.Load() {
		return 0, errCut
	}
	malformed, reason := g.wrote(p)
	if reason == "" && len(malformed) == 0 && g.out.endedWithOpenHead() && g.head.keep(p, g.release) {
		return len(p), nil
	}
	n, err := g.send(p)
	switch {
	case err != nil:
		return n, err
	case reason != "":
		g.cutWriting(reason)
		return n, errCut
	case len(malformed) > 0 && g.out.between():
		_, err = g.send(malformed)
	}
	return n, err
}

// wrote follows what was written. What the server has to reset because the
// client broke a rule counts like what the client resets. malformed are frames
// that must follow.
func (g *frameGuard) wrote(p []byte) (malformed []byte, reason string) {
	for len(p) > 0 && reason == "" {
		n, begun := g.out.next(p)
		if begun {
			g.payload = g.payload[:0]
			g.calm.sent(g.out.frame)
		} else if wantsPayload(g.out.frame) {
			g.payload = append(g.payload, p[:n]...)
		}
		if p = p[n:]; !g.out.between() || !wantsPayload(g.out.frame) {
			continue
		}
		if isMalformedNotice(g.out.frame, g.payload) {
			malformed = append(malformed, resetFrame(g.out.frame.stream, errorProtocol)...)
		}
		if blamesClient(g.out.frame, g.payload) {
			reason = g.calm.blamed(time.Now())
		}
	}
	return malformed, reason
}
