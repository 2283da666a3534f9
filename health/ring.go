package health

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
)

// ringSize is how much of a backend's output is kept in memory.
const ringSize = 64 << 10

// ring keeps the last ringSize bytes of a stream. Readers follow it by absolute
// position, so that a slow one costs no memory: it is told what it missed.
type ring struct {
	mu      sync.Mutex
	data    []byte        // guarded by mu; a circle once it is full
	total   int64         // guarded by mu; bytes ever written
	changed chan struct{} // guarded by mu; closed at the next write
}

func newRing() *ring { return &ring{changed: make(chan struct{})} }

func (r *ring) write(p []byte) {
	if len(p) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := p[max(0, len(p)-ringSize):]
	at := int((r.total + int64(len(p)-len(kept))) % ringSize)
	r.total += int64(len(p))
	if len(r.data) < ringSize {
		r.grow(int(min(r.total, ringSize)))
	}
	n := copy(r.data[at:min(at+len(kept), len(r.data))], kept)
	copy(r.data, kept[n:])
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *ring) grow(size int) {
	if cap(r.data) < size {
		r.data = append(make([]byte, 0, ringSize), r.data...)
	}
	r.data = r.data[:size]
}

// since returns what was written after the position, at most the last
// ringSize bytes; the position after it; and a channel that is closed at the
// next write.
func (r *ring) since(position int64) ([]byte, int64, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := max(0, r.total-ringSize)
	from := min(max(position, oldest), r.total)
	out := make([]byte, 0, r.total-from)
	for at := from; at < r.total; {
		begin := int(at % ringSize)
		end := min(len(r.data), begin+int(r.total-at))
		out = append(out, r.data[begin:end]...)
		at += int64(end - begin)
	}
	return out, r.total, r.changed
}

// tail returns the last whole lines: at most lines of them; 0: all that is kept.
func (r *ring) tail(lines int) ([]byte, int64) {
	text, position, _ := r.since(0)
	if position > ringSize { // the first line is cut
		if at := bytes.IndexByte(text, '\n'); at >= 0 && at+1 < len(text) {
			text = text[at+1:]
		}
	}
	return lastLines(text, lines), position
}

func lastLines(text []byte, lines int) []byte {
	if lines <= 0 {
		return text
	}
	at := len(bytes.TrimSuffix(text, []byte("\n")))
	for range lines {
		at = bytes.LastIndexByte(text[:at], '\n')
		if at < 0 {
			return text
		}
	}
	return text[at+1:]
}

// follow copies the last lines to w, and then what is written, until ctx ends
// or w fails.
func (r *ring) follow(ctx context.Context, lines int, w io.Writer) error {
	text, position := r.tail(lines)
	for {
		if _, err := w.Write(text); err != nil {
			return err
		}
		next, end, changed := r.since(position)
		if missed := end - position - int64(len(next)); missed > 0 {
			next = append(fmt.Appendf(nil, "\n[%d bytes were written too fast to be shown]\n", missed), next...)
		}
		text, position = next, end
		if len(next) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}
