package proxy

import "net/http"

// leg is the way to one backend. Builds with the tag nethttp have one made of
// net/http's Transport in place of our own, to compare the two.
type leg interface {
	// Send sends a request once, and calls sent, which may be nil, when nothing
	// more of it will be written. The error is an *http1.Error.
	Send(r *http.Request, sent func()) (*http.Response, error)
	CloseIdleConnections()
}
