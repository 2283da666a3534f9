package http1

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// emptyWithin is how long the first bytes of a body are waited for that is likely
// to have none.
const emptyWithin = 200 * time.Millisecond

// mayBeEmpty reports a body of unknown length in a request that seldom has one. A
// client of HTTP/2 may send a GET and say only afterwards that this was all, and
// there are backends to which a GET in chunks is strange.
func mayBeEmpty(r *http.Request) bool {
	if bodyLength(r) != unknownLength || len(r.Trailer) > 0 || hasOption(r.Header["Expect"], "100-continue") {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete:
		return true
	}
	return false
}

// withoutEmptyBody gives a request that has no body instead of one that turns out
// to be empty at once.
func withoutEmptyBody(r *http.Request) *http.Request {
	first := &firstRead{ReadCloser: r.Body, done: make(chan struct{})}
	go first.run()
	timer := time.NewTimer(emptyWithin)
	defer timer.Stop()
	again := new(http.Request)
	*again = *r
	again.Body = first
	select {
	case <-first.done:
		if len(first.data) == 0 && errors.Is(first.err, io.EOF) {
			_ = r.Body.Close()
			again.Body, again.ContentLength = http.NoBody, 0
		}
	case <-timer.C:
	}
	return again
}

// firstRead is a body of which the first piece is read ahead.
type firstRead struct {
	io.ReadCloser
	done chan struct{} // closed when data and err are set
	data []byte
	err  error
}

func (f *firstRead) run() {
	defer close(f.done)
	p := make([]byte, 4<<10)
	n, err := f.ReadCloser.Read(p)
	f.data, f.err = p[:n], err
}

func (f *firstRead) Read(p []byte) (int, error) {
	<-f.done
	if len(f.data) > 0 {
		n := copy(p, f.data)
		f.data = f.data[n:]
		return n, nil
	}
	if f.err != nil {
		return 0, f.err
	}
	return f.ReadCloser.Read(p)
}
