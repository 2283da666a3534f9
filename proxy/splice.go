package proxy

import (
	"cmp"
	"errors"
	"io"
	"net/http"

	"gateway/proxy/socket"
)

// spliceSize is from which length on a body is worth a pipe.
const spliceSize = 256 << 10

// spliceBody is copyBody for a large body on its way from plain HTTP to plain HTTP:
// the system moves it from one socket to the other. It reports false, with nothing
// done, for all others.
func (h *Handler) spliceBody(c *call, res *http.Response, buffer []byte) (done bool, err error) {
	if res.ContentLength < spliceSize || c.conn == nil || c.conn.tls != nil || c.conn.wire == nil {
		return false, nil
	}
	source, ok := res.Body.(*backendBody)
	if !ok || !source.canSplice() {
		return false, nil
	}
	pipe, err := socket.NewPipe()
	if err != nil {
		return false, nil // as where there are too few descriptors
	}
	defer pipe.Close()
	return true, spliceThrough(c.w, source, pipe, buffer)
}

// spliceThrough moves a body piece by piece, and lets none wait for the next.
func spliceThrough(w *pacedWriter, source *backendBody, pipe *socket.Pipe, buffer []byte) error {
	if err := w.FlushError(); err != nil {
		return err
	}
	for {
		err := splicePiece(w, source, pipe, buffer)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// splicePiece moves what comes next, or copies it if it can't be moved. The error
// is io.EOF, or the backend's or the client's.
func splicePiece(w *pacedWriter, source *backendBody, pipe *socket.Pipe, buffer []byte) error {
	_, ended := source.splice(pipe, w.most())
	if !errors.Is(ended, errors.ErrUnsupported) {
		return cmp.Or(w.relay(pipe), ended)
	}
	n, ended := source.Read(buffer)
	if _, err := w.Write(buffer[:n]); err != nil {
		return err
	}
	return cmp.Or(w.FlushError(), ended)
}

// splicer is a body that can be moved into a pipe, as package http1's.
type splicer interface {
	Splice(into *socket.Pipe, most int) (int, error)
}

func (b *backendBody) canSplice() bool {
	_, ok := b.ReadCloser.(splicer)
	return ok
}

// splice moves what comes next into a pipe, or tells that it must be read.
func (b *backendBody) splice(into *socket.Pipe, most int) (int, error) {
	n, err := b.ReadCloser.(splicer).Splice(into, most)
	if !errors.Is(err, errors.ErrUnsupported) {
		b.note(err)
	}
	return n, err
}
