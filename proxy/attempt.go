package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"time"
)

// errUnanswered is a connection that ended after a request was sent on it.
var errUnanswered = errors.New("the backend closed the connection before it answered")

// attempt is one try to send a request. It knows whether a byte was written, and
// keeps http.Transport from a second try on its own account once one was:
// whether to send a request again is decided in one place, see journey.
type attempt struct {
	cancel context.CancelCauseFunc
	probe  bool        // look at the connection before anything is written
	timer  *time.Timer // ends the wait for a free connection; nil: there is no limit

	conn   *backendConn // the latest; nil before there was one
	before int64        // what had been written to it for earlier requests
	reused bool
	sent   bool // a byte was written, to an earlier one
}

// newAttempt gives back the request to send in place of r. onSent, which may be
// nil, is called when it was written.
func newAttempt(r *http.Request, body *clientBody, onSent func()) (*attempt, *http.Request) {
	a := &attempt{probe: !isSafe(r.Method)}
	var ctx context.Context
	ctx, a.cancel = context.WithCancelCause(r.Context())
	trace := &httptrace.ClientTrace{GotConn: a.gotConn}
	if onSent != nil {
		trace.WroteRequest = func(httptrace.WroteRequestInfo) { onSent() }
	}
	out := r.WithContext(httptrace.WithClientTrace(ctx, trace))
	switch {
	case r.Body == nil || r.Body == http.NoBody:
	case r.GetBody != nil:
		out.Body, _ = r.GetBody() // from memory
	default:
		out.Body = &attemptBody{body, a}
	}
	return a, out
}

// gotConn is called by http.Transport before it writes the request, and again
// when it begins anew on another connection.
func (a *attempt) gotConn(info httptrace.GotConnInfo) {
	if a.timer != nil {
		a.timer.Stop()
	}
	conn, ok := rawConn(info.Conn).(*backendConn)
	if !ok {
		return
	}
	if a.wrote() {
		a.sent = true
		conn.unfit.Store(true)
		a.cancel(errUnanswered)
		return
	}
	a.conn, a.before, a.reused = conn, conn.written.Load(), info.Reused
	conn.probe.Store(a.probe)
}

// wrote reports whether anything of the request was written to the backend. It
// is for when http.Transport does not write any more.
func (a *attempt) wrote() bool {
	return a.sent || a.conn != nil && a.conn.written.Load() != a.before
}

// limit ends a try that gets no connection in time.
func (a *attempt) limit(patience time.Duration) {
	a.timer = time.AfterFunc(patience, func() { a.cancel(errBackendBusy) })
}

// end releases what a failed attempt holds, and says why it failed if that was
// the attempt's own doing.
func (a *attempt) end(ctx context.Context, err error) error {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.cancel(nil)
	if own := context.Cause(ctx); errors.Is(own, errBackendBusy) || errors.Is(own, errUnanswered) {
		return own
	}
	return err
}

// attemptBody is a request body that is streamed. Nothing is taken from the
// client for a connection that has turned out to be closed.
type attemptBody struct {
	*clientBody
	attempt *attempt
}

func (b *attemptBody) Read(p []byte) (int, error) {
	if b.untouched() && b.attempt.conn != nil && !b.attempt.conn.fit() {
		return 0, errPeerGone
	}
	return b.clientBody.Read(p)
}
