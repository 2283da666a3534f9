package proxy

import (
	"sync"
	"time"
)

const (
	// gatherFor is how long lines are gathered after a write. Nobody who follows
	// the log sees the delay, and a busy log costs 50 system calls a second and
	// not one a request.
	gatherFor = 20 * time.Millisecond
	// batchBytes of gathered lines are written at once.
	batchBytes = 32 << 10
	// queueBytes is how much may wait for the disk. Whoever adds a line beyond it
	// waits until the writer comes: a slow disk slows the clients down, and no line
	// is lost. A disk that refuses (full, gone) does not block, see lineWriter.
	queueBytes = 256 << 10
)

// lineQueue is where many goroutines leave their lines for one writer. A line
// costs a copy under a lock. The writer is woken only when there is reason: by
// the first line after it found none, and by one that makes a batch complete.
// For those between it comes by itself, gatherFor after its last visit.
type lineQueue struct {
	ready chan struct{} // wakes the writer

	mu     sync.Mutex
	taken  sync.Cond // told when lines were taken, and at the end
	lines  []byte
	wakeAt int // the writer is woken when lines are this long
	closed bool
}

func newLineQueue() *lineQueue {
	q := &lineQueue{ready: make(chan struct{}, 1), wakeAt: 1}
	q.taken.L = &q.mu
	return q
}

// add leaves a line, with its line end. It blocks while more than queueBytes
// wait for the writer, and does nothing after close.
func (q *lineQueue) add(line []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	before := len(q.lines)
	q.lines = append(q.lines, line...)
	if before < q.wakeAt && len(q.lines) >= q.wakeAt {
		q.wake()
	}
	if len(q.lines) > queueBytes {
		q.taken.Wait() // no loop: what ends it has taken this line too
	}
}

func (q *lineQueue) wake() {
	select {
	case q.ready <- struct{}{}:
	default: // the writer is about to come
	}
}

// take returns the lines that were added since the last call, and uses the
// memory of spare for the next ones. If there are none, the next line wakes the writer.
func (q *lineQueue) take(spare []byte) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	lines := q.lines
	q.lines = spare[:0]
	q.wakeAt = batchBytes
	if len(lines) == 0 {
		q.wakeAt = 1
	}
	q.taken.Broadcast()
	return lines
}

// close returns the last lines. Those that come later are dropped.
func (q *lineQueue) close() []byte {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	return q.take(nil)
}
