package http1

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// ResponseWriters lends out ResponseWriters, and keeps what they share.
type ResponseWriters struct {
	writers sync.Pool // of *ResponseWriter
	buffers sync.Pool // of *buffer
	dated   atomic.Pointer[datedLine]
	now     func() time.Time
	retired atomic.Bool
}

// datedLine is the Date field of one second.
type datedLine struct {
	second int64 // since 1970
	value  string
}

// NewResponseWriters makes a lender of writers.
func NewResponseWriters() *ResponseWriters {
	return &ResponseWriters{
		writers: sync.Pool{New: func() any { return &ResponseWriter{header: http.Header{}, pending: make([]byte, 0, smallBody)} }},
		buffers: sync.Pool{New: func() any { return new(buffer) }},
		now:     time.Now,
	}
}

// Retire has every connection end after the response whose head is written next,
// which says so.
func (l *ResponseWriters) Retire() { l.retired.Store(true) }

// Get lends a writer for the response to r.
func (l *ResponseWriters) Get(conn Conn, r *http.Request) *ResponseWriter {
	w := l.writers.Get().(*ResponseWriter)
	w.lender, w.conn, w.request, w.declared = l, conn, r, -1
	return w
}

// Put takes a writer back that nobody holds any more: not after a panic of its
// handler, whose goroutines may still run. The header of the response is gone then.
func (l *ResponseWriters) Put(w *ResponseWriter) {
	clear(w.header)
	clear(w.keys)
	*w = ResponseWriter{header: w.header, keys: w.keys[:0], pending: w.pending[:0]}
	l.writers.Put(w)
}

// Date is the value of the Date field for now (RFC 9110, 6.6.1).
func (l *ResponseWriters) Date() string {
	now := l.now()
	if d := l.dated.Load(); d != nil && d.second == now.Unix() {
		return d.value
	}
	d := &datedLine{second: now.Unix(), value: now.UTC().Format(http.TimeFormat)}
	l.dated.Store(d)
	return d.value
}
