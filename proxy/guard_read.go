package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// await reads until a head is there, sound or refused. While none comes, nothing
// is spent on the connection but what TLS keeps.
func (g *wireGuard) await() error {
	for g.cleared == 0 {
		if err := g.readHead(); err != nil {
			return err
		}
	}
	return nil
}

// takeHead takes the head that await has found sound, so that Read begins with
// the body. It is nil for a head that was refused.
func (g *wireGuard) takeHead() *head {
	h := g.head
	if h == nil {
		return nil
	}
	g.head = nil
	g.cleared -= g.headLength
	g.consume(g.headLength)
	g.conn.received.Add(int64(g.headLength))
	return h
}

// readHead reads from the client until a head can be passed on.
func (g *wireGuard) readHead() error {
	for {
		g.skipLeadingLines()
		end, refused := g.scan.next(g.in, g.limits)
		if refused == nil && end > 0 {
			refused = g.accept(end)
		}
		if refused != nil {
			g.refuse(refused)
		}
		if refused != nil || end > 0 {
			return nil
		}
		if err := g.fillHead(); err != nil {
			return err
		}
	}
}

// skipLeadingLines drops the empty lines that old clients send after a body.
func (g *wireGuard) skipLeadingLines() {
	for g.leading < maxLeadingLines && len(g.in) > 1 && g.in[0] == '\r' && g.in[1] == '\n' {
		g.leading++
		g.scan = headScan{}
		g.consume(2)
	}
}

// fillHead reads more of a head. It returns an error only if there is no head to
// pass on or refuse.
func (g *wireGuard) fillHead() error {
	into := g.first[:] // an idle connection has no buffer
	if len(g.in) > 0 {
		g.grow()
		into = g.in[len(g.in):cap(g.in)]
	}
	n, err := g.deadline.Read(into)
	if n > 0 {
		g.took(into[:n])
		return nil
	}
	return g.headEnds(err)
}

// took adds what was read to g.in. The clock of a head starts with its first
// byte, or, if that came while another request was served, after that one.
func (g *wireGuard) took(p []byte) {
	if len(g.in) > 0 {
		g.in = g.in[:len(g.in)+len(p)]
		return
	}
	g.buffer = g.buffers.get()
	g.in = append(g.buffer[:0], p...)
	if g.heads == g.answered {
		g.deadline.setGuard(time.Now().Add(g.timeouts.Header), false)
	}
}

func (g *wireGuard) grow() {
	if len(g.in) < cap(g.in) {
		return
	}
	larger := make([]byte, len(g.in), 2*len(g.in))
	copy(larger, g.in)
	g.release()
	g.in = larger
}

// consume drops the first n bytes of g.in, and its memory with the last.
func (g *wireGuard) consume(n int) {
	if g.in = g.in[n:]; len(g.in) == 0 {
		g.release()
	}
}

func (g *wireGuard) release() {
	if g.buffer != nil {
		g.buffers.put(g.buffer)
	}
	g.in, g.buffer = nil, nil
}

// headBuffer holds nearly every head. Idle connections have none.
type headBuffer [4 << 10]byte

type headBuffers struct{ pool sync.Pool }

func (b *headBuffers) get() *headBuffer {
	if buffer, ok := b.pool.Get().(*headBuffer); ok {
		return buffer
	}
	return new(headBuffer)
}

func (b *headBuffers) put(buffer *headBuffer) { b.pool.Put(buffer) }

// headEnds decides what a read error means for a head that is not complete.
func (g *wireGuard) headEnds(err error) error {
	late := errors.Is(err, os.ErrDeadlineExceeded) && g.deadline.passed(time.Now())
	if late && len(g.in) > 0 {
		g.refuse(&refusal{status: http.StatusRequestTimeout, reason: "the request head took too long"})
		return nil
	}
	return err
}

// accept clears a head of so many bytes, and of its body what came along. If
// there is something wrong with that, the backend need not even see the head.
func (g *wireGuard) accept(end int) *refusal {
	f, refused := parseHead(string(g.in[:end]), g.scan.lines)
	if refused != nil {
		return refused
	}
	body, chunks := g.in[end:], chunkedBody{}
	if f.chunked {
		n, err := chunks.next(body)
		if err != nil {
			return malformed(err.Error())
		}
		body = body[:n]
	} else {
		body = body[:min(int64(len(body)), f.length)]
	}
	g.cleared, g.head, g.headLength = end+len(body), f, end
	g.scan, g.leading, g.upgrade = headScan{}, 0, f.upgrade
	g.beginBody(f.framing, int64(len(body)), chunks)
	g.inFlight()
	return nil
}

func (g *wireGuard) beginBody(f framing, have int64, chunks chunkedBody) {
	g.unread.Store(true)
	g.phase, g.left = phaseFixed, f.length-have
	if f.chunked {
		g.phase, g.chunks = phaseChunked, chunks
		g.endBody(g.chunks.done())
		return
	}
	g.endBody(g.left == 0)
}

// endBody goes on to what follows a body, if it is over.
func (g *wireGuard) endBody(over bool) {
	if !over {
		return
	}
	g.unread.Store(false)
	g.phase = phaseHead
	if g.upgrade {
		g.phase = phaseUpgrade
	}
}

// inFlight counts a request that was passed on.
func (g *wireGuard) inFlight() {
	g.heads++
	g.deadline.setGuard(time.Time{}, false)
	g.client.is(clientBusy)
}

// readChunked reads of a chunked body what its framing allows.
func (g *wireGuard) readChunked(p []byte) (int, error) {
	n, err := g.deadline.Read(p)
	body, wrong := g.chunks.next(p[:n])
	if wrong != nil {
		g.failed = wrong
		return body, nil
	}
	if body < n { // the next head came along
		g.in = bytes.Clone(p[body:n])
	}
	g.endBody(g.chunks.done())
	return body, err
}

// readEarly reads what the client sends before its upgrade is answered. Which
// protocol that is, nobody can say yet.
func (g *wireGuard) readEarly() error {
	if len(g.in) >= maxEarly {
		return errEarlyBytes
	}
	return g.fillHead()
}

// discard reads on from a client that is being refused, until it is gone, so that
// the answer arrives: the kernel resets a connection that is closed with data unread.
func (g *wireGuard) discard() error {
	scratch := g.buffers.get()
	defer g.buffers.put(scratch)
	for range maxDiscarded / len(scratch) {
		if _, err := g.deadline.Read(scratch[:]); err != nil {
			return err
		}
	}
	return io.EOF
}

// refuse puts a harmless request in the place of everything that is still to come.
func (g *wireGuard) refuse(r *refusal) {
	line := g.in[:min(len(g.in), maxRequestLine)]
	if end := bytes.IndexAny(line, "\r\n"); end >= 0 {
		line = line[:end]
	}
	r.line = string(line)
	g.refusal.Store(&refusedHead{refusal: *r, after: g.heads})
	g.conn.received.Add(int64(len(g.in) - len(substitute)))
	g.release()
	g.in, g.cleared, g.head = []byte(substitute), len(substitute), nil
	g.phase = phaseRefused
	g.unread.Store(true)
	g.inFlight()
}
