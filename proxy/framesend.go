package proxy

import "time"

// headroom keeps the head of an HTTP/2 response back for its body. http2 flushes
// the head of even the smallest response before the body: that is two TLS records
// and two system calls in the place of one, which is most of what a small response
// costs. The body is mostly there within microseconds.
type headroom struct {
	frames  []byte // kept back
	timer   *time.Timer
	waiting bool // the timer is set
}

const (
	headPatience = time.Millisecond // for a body that does not come, as of a stream of events
	headMost     = 4 << 10          // bytes; http2's own buffer, which is written through at this size
)

// keep takes frames, and has release called if nothing follows them soon.
func (h *headroom) keep(p []byte, release func()) bool {
	if len(h.frames)+len(p) > headMost {
		return false
	}
	h.frames = append(h.frames, p...)
	switch {
	case h.waiting: // for the first of them
	case h.timer == nil:
		h.timer = time.AfterFunc(headPatience, release)
	default:
		h.timer.Reset(headPatience)
	}
	h.waiting = true
	return true
}

// take gives back what was kept.
func (h *headroom) take() []byte {
	if !h.waiting {
		return nil
	}
	h.timer.Stop()
	h.waiting = false
	kept := h.frames
	h.frames = nil
	return kept
}

// headSpare is the largest memory, in bytes, that a connection keeps for the next
// head.
const headSpare = 2 << 10

func (h *headroom) reuse(frames []byte) {
	if cap(frames) <= headSpare {
		h.frames = frames[:0]
	}
}

// send writes p behind what was kept back, together if it is short; g.writing is
// held.
func (g *frameGuard) send(p []byte) (int, error) {
	kept := g.head.take()
	switch {
	case len(kept) == 0:
		return g.pass(p)
	case len(p) > headMost:
		if _, err := g.pass(kept); err != nil {
			return 0, err
		}
		g.head.reuse(kept)
		return g.pass(p)
	}
	kept = append(kept, p...)
	if _, err := g.pass(kept); err != nil {
		return 0, err
	}
	g.head.reuse(kept)
	return len(p), nil
}

func (g *frameGuard) pass(p []byte) (int, error) {
	n, err := g.Conn.Write(p)
	g.conn.sent.Add(int64(n))
	return n, err
}

// release sends a head whose body has not come.
func (g *frameGuard) release() {
	g.writing.Lock()
	defer g.writing.Unlock()
	if !g.head.waiting || g.cutOff.Load() {
		return
	}
	_ = g.SetWriteDeadline(time.Now().Add(g.conn.settings.timeouts.Write)) // http2 sets its own before it writes
	_, _ = g.send(nil)                                                     // if it fails, so does the next one
}
