package http2

import (
	"errors"
	"fmt"
	"io"
	"net/http"
)

// connError is a fault of the client that ends its connection (RFC 9113, 5.4.1).
type connError struct {
	code   code
	reason string
}

func (e connError) Error() string { return fmt.Sprintf("HTTP/2 error %d: %s", e.code, e.reason) }

// streamError is a fault of the client that ends a stream (RFC 9113, 5.4.2).
type streamError struct {
	stream uint32
	code   code
}

func (e streamError) Error() string {
	return fmt.Sprintf("HTTP/2 stream %d ends with error %d", e.stream, e.code)
}

// cutError ends the connection of a client that does harm. It is the reason, for the log.
type cutError string

func (e cutError) Error() string { return "the HTTP/2 connection was cut: " + string(e) }

// Why a connection is cut, in words for the log.
const (
	cutResets  cutError = "it opens requests and gives them up, or breaks the rules, again and again"
	cutControl cutError = "it floods the connection with frames that carry nothing"
	cutHead    cutError = "it sends a request head without end"
	cutSlow    cutError = "it takes too long over a frame"
)

var (
	// ErrStreamReset is what a handler gets whose client has given the request up.
	ErrStreamReset = fmt.Errorf("the client has given the HTTP/2 request up: %w", io.ErrUnexpectedEOF)
	// ErrDisconnected is what a handler gets whose client is gone.
	ErrDisconnected = fmt.Errorf("the HTTP/2 connection has ended: %w", io.ErrUnexpectedEOF)

	errDrained     = errors.New("the HTTP/2 connection has ended after its last request")
	errIdle        = errors.New("the HTTP/2 connection was idle for too long")
	errHandlerDone = fmt.Errorf("the HTTP/2 request is over: %w", http.ErrBodyReadAfterClose)
	errBodyLength  = errors.New("the request body is not as long as its Content-Length says")
)
