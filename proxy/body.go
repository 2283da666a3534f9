package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

var (
	errBodyTooLarge  = errors.New("the request body is larger than allowed")
	errBodyTooSlow   = errors.New("the client sent the request body too slowly")
	errBodyMalformed = errors.New("the request body is not what its head announced")
	errBodyCutShort  = errors.New("the client went away while it sent the request body")
	errBodyClosed    = errors.New("the request body was read after its request had ended")
)

// clientBody is a request body on its way from the client: counted against the
// limit, watched for its pace, and remembered for how it ended, because an error
// in it comes out of the backend's RoundTrip and must not be blamed on the backend.
type clientBody struct {
	source   io.ReadCloser
	ctx      context.Context
	limit    int64 // 0: none
	pace     pace
	expects  bool // the client sends nothing before it is told to
	trailers func()

	mu     sync.Mutex
	read   int64
	failed error // how it ended, if badly
	ended  bool  // the whole body was read
	begun  bool
	closed bool
}

// init is for a body that is part of a call, whose answer goes to w.
func (b *clientBody) init(r *http.Request, w *pacedWriter, patience time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.source, b.ctx, b.limit, b.trailers = r.Body, r.Context(), 0, nil
	b.read, b.failed, b.begun, b.closed = 0, nil, false, false
	b.ended = r.Body == nil || r.Body == http.NoBody
	b.expects = !b.ended && wantsContinue(r)
	b.pace.init(patience, readDeadlineOf{&w.controller}, w.pace.watchdogs)
}

// Read is called by one goroutine at a time, which may outlive the handler.
func (b *clientBody) Read(p []byte) (int, error) {
	room, err := b.open()
	if err != nil {
		return 0, err
	}
	if b.limit > 0 && int64(len(p)) > room+1 {
		p = p[:room+1] // one more byte than allowed tells that there is more
	}
	b.pace.begin()
	n, err := b.source.Read(p)
	b.pace.end(n)
	return b.account(n, err)
}

// open gives the number of bytes that are left of the limit.
func (b *clientBody) open() (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.failed != nil:
		return 0, b.failed
	case b.closed:
		return 0, errBodyClosed
	}
	b.begun = true
	return b.limit - b.read, nil
}

func (b *clientBody) account(n int, err error) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.read += int64(n)
	switch {
	case b.limit > 0 && b.read > b.limit:
		b.failed = errBodyTooLarge
		return 0, b.failed
	case errors.Is(err, io.EOF):
		b.ended = true
		if b.trailers != nil {
			b.trailers()
		}
	case err != nil:
		b.failed = b.explain(err)
		return n, b.failed
	}
	return n, err
}

// explain gives an error of the client's connection its meaning. What neither
// the clock nor the end of the connection accounts for is a malformed body.
func (b *clientBody) explain(err error) error {
	switch {
	case b.pace.hasExpired():
		return errBodyTooSlow
	case b.ctx.Err() != nil, errors.Is(err, io.ErrUnexpectedEOF), isConnectionLost(err):
		return errBodyCutShort
	default:
		return errors.Join(errBodyMalformed, err)
	}
}

// Close does nothing: the server owns the client's body, and closing it would
// wait for the client.
func (b *clientBody) Close() error { return nil }

// shut makes the backend's goroutine stop reading, once the handler is done.
func (b *clientBody) shut() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.pace.stop()
}

// untouched reports that nothing of the body was asked for yet, or that there is
// nothing of it.
func (b *clientBody) untouched() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.begun || b.ended && b.read == 0
}

// failure is how the body ended, if badly. A client that was too slow ends its
// request's context too, and whoever hears of that may come here before the read
// has returned.
func (b *clientBody) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed == nil && b.pace.hasExpired() {
		return errBodyTooSlow
	}
	return b.failed
}

// remainder tells what there is of a body that was not read to its end, and
// whether the client may be sending it: not if the body is broken, and not if the
// client waits for "100 Continue", which reading on would send.
func (b *clientBody) remainder() (unread, sending bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	sound := b.failed == nil || errors.Is(b.failed, errBodyTooLarge)
	return !b.ended, !b.ended && sound && (b.begun || !b.expects)
}

// carryTrailers copies the client's trailers to the backend's request, which
// must announce them before the body and gets their values after it: they are
// known when the body has been read, and http.Transport writes them right after.
func (b *clientBody) carryTrailers(out, in *http.Request) {
	out.Trailer = nil
	for name := range in.Trailer {
		if !mayTrail(name) {
			continue
		}
		if out.Trailer == nil {
			out.Trailer = http.Header{}
		}
		out.Trailer[name] = nil
	}
	if out.Trailer == nil {
		return
	}
	out.ContentLength = -1 // only a chunked body can be followed by trailers
	announced := out.Trailer
	b.atEnd(func() {
		for name := range announced {
			announced[name] = in.Trailer[name]
		}
	})
}

// atEnd calls f when the body was read to its end, which may be now.
func (b *clientBody) atEnd(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trailers = f
	if b.ended {
		f()
	}
}

// isConnectionLost reports that the other end is gone.
func isConnectionLost(err error) bool {
	return isReset(err) || errors.Is(err, io.EOF)
}
