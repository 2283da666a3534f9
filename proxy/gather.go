package proxy

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"
)

// gatherTotal bounds the memory of all bodies that are being gathered. When it
// is used up, further bodies are streamed, which is slower only for the backend.
const gatherTotal = 64 << 20

// gatherer reads small request bodies before a connection to the backend is
// taken. A client that sends slowly then costs the backend nothing, a body that
// breaks off never reaches it, and one that was gathered can be sent again.
//
// Only bodies of a declared length are gathered. A client that declares none may
// be one that wants an answer before it sends more, and one with Expect:
// 100-continue wants the backend's word first.
type gatherer struct {
	largest int64 // [limits] buffer
	held    atomic.Int64
}

func (g *gatherer) suits(r *http.Request) bool {
	return r.ContentLength > 0 && r.ContentLength <= g.largest && !wantsContinue(r)
}

// gather replaces the body of r by one in memory. release gives the memory back
// when the request is over.
func (g *gatherer) gather(r *http.Request) (release func(), err error) {
	if !g.suits(r) {
		return func() {}, nil
	}
	size := r.ContentLength
	if g.held.Add(size) > gatherTotal {
		g.held.Add(-size)
		return func() {}, nil
	}
	release = func() { g.held.Add(-size) }
	var content bytes.Buffer // grows with what arrives, not with what was promised
	if _, err := content.ReadFrom(r.Body); err != nil {
		return release, err
	}
	r.GetBody = func() (io.ReadCloser, error) { return gathered{bytes.NewReader(content.Bytes())}, nil }
	r.Body, err = r.GetBody()
	return release, err
}

// gathered is a body in memory. That it has a length tells the backend's leg that
// it can be sent at once.
type gathered struct{ *bytes.Reader }

func (gathered) Close() error { return nil }
