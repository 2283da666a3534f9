package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// requestBody is the body of a request that a loop serves. It may be read by a
// goroutine that outlives the handler, which then gets an error.
type requestBody struct {
	guard *wireGuard
	watch *watch

	mu     sync.Mutex
	left   int64 // bytes still to come
	closed bool
}

// Read reads from the client. It gives io.EOF with the last bytes.
func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.read(p)
}

// read is Read for who holds b.mu.
func (b *requestBody) read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.guard.Read(p)
	b.left -= int64(n)
	switch {
	case b.left == 0:
		b.watch.bodyEnded()
		return n, io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close ends reading for the handler. What is left is the loop's to skip.
func (b *requestBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// skip reads and throws away what the handler has left of the body, if it is not
// much. It reports whether the body is over: behind it comes the next request.
func (b *requestBody) skip() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left == 0 {
		return true
	}
	if b.left > leftoverSize || b.guard.deadline.bound(time.Now().Add(leftoverTime)) != nil {
		return false
	}
	buffer := b.guard.buffers.get()
	defer b.guard.buffers.put(buffer)
	for b.left > 0 {
		if _, err := b.read(buffer[:]); err != nil && !errors.Is(err, io.EOF) {
			return false
		}
	}
	return true
}

// shut makes every later read fail: the connection goes on without it.
func (b *requestBody) shut() {
	if b != nil {
		_ = b.Close()
	}
}
