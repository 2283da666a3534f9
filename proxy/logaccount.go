package proxy

import "sync/atomic"

// account is what the access log remembers of a connection. HTTP/1 answers one
// request of a connection after the other, so that received and sent belong to
// whoever took unlogged: mostly the goroutine that serves the connection, but a
// stopping server may close it from another one.
type account struct {
	requests       atomic.Int64 // requests begun
	received, sent int64        // bytes that are in the log already
	deferred       bool         // the server calls answered after every response
	unlogged       atomic.Pointer[transaction]
}

// take returns the bytes that went through the connection since the last call.
// What a client sends ahead of an answer counts for the request before, so that
// the sum is right.
func (a *account) take(c *conn) (received, sent int64) {
	allReceived, allSent := c.received.Load(), c.sent.Load()
	received, sent = allReceived-a.received, allSent-a.sent
	a.received, a.sent = allReceived, allSent
	return received, sent
}

// answered logs the request whose response has left. A server that sets
// deferred calls it when net/http says http.StateIdle or closes the connection:
// only then have the last bytes of the response been written and counted. It
// reports whether the request was there to be logged.
func (c *conn) answered() (logged bool) {
	t := c.account.unlogged.Swap(nil)
	if t == nil {
		return false
	}
	t.close()
	t.log.log(t)
	return true
}
