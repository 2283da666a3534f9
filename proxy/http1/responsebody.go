package http1

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
)

// body is the body of a response. It gives its connection back when its end was
// read. It is for one goroutine at a time.
type body struct {
	conn     *conn // nil when it was given back
	response *http.Response
	chunked  bool
	chunks   chunkReader
	left     int64 // if it is not chunked; unknownLength: to the end of the connection
	keep     bool  // the connection may be used again behind it
	err      error
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	n, err := b.read(p)
	if err != nil {
		b.end(err)
	}
	return n, b.err
}

func (b *body) read(p []byte) (int, error) {
	in := &b.conn.in
	switch {
	case b.chunked:
		return b.chunks.Read(p)
	case b.left == unknownLength:
		return in.Read(p)
	case int64(len(p)) > b.left:
		p = p[:b.left]
	}
	n, err := in.Read(p)
	b.left -= int64(n)
	if b.left == 0 {
		return n, io.EOF
	}
	return n, unexpected(err)
}

// end gives the connection back. Only a body that was read to its end leaves it
// in a state to be used again.
func (b *body) end(err error) {
	c := b.conn
	b.conn, b.err = nil, err
	if ctx := c.context; ctx.Err() != nil && !errors.Is(err, io.EOF) {
		b.err = context.Cause(ctx)
	}
	if b.chunks.trailer != nil {
		b.mergeTrailer(b.chunks.trailer)
	}
	c.finish(errors.Is(err, io.EOF) && b.keep)
}

func (b *body) mergeTrailer(trailer http.Header) {
	if b.response.Trailer == nil {
		b.response.Trailer = trailer
		return
	}
	maps.Copy(b.response.Trailer, trailer)
}

// Close gives up what was not read, and with it the connection, unless all of
// it has arrived already.
func (b *body) Close() error {
	if b.conn == nil {
		return nil
	}
	in := &b.conn.in
	if !b.chunked && b.left >= 0 && b.left <= int64(in.w-in.r) {
		in.r += int(b.left)
		b.end(io.EOF)
	} else {
		b.end(http.ErrBodyReadAfterClose)
	}
	b.err = http.ErrBodyReadAfterClose
	return nil
}
