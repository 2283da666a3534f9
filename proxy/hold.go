package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"gateway/proxy/http1"
)

// A process that dies closes its connections one after the other, and the one
// that accepts others may be the last: a second try that comes too early is
// swallowed by the same death. So the second try waits for word of it. Without
// any the backend lives; it only closed a connection.
const replayPause = 250 * time.Millisecond

// RoundTrip sends a request to the backend: now, or when the backend is back. It
// sends it again if that is safe, and notes in its exchange what came of it.
func (u *upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	c := callOf(r.Context())
	c.exchange.backend = u.name
	j := &c.parts.journey
	*j = journey{upstream: u, request: r, call: c}
	for {
		if err := j.avoidDeath(); err != nil {
			return nil, err
		}
		if err := j.admit(); err != nil {
			return nil, err
		}
		res, err := j.try()
		if err == nil {
			return res, nil
		}
		if err = j.retry(err); err != nil {
			return nil, err
		}
	}
}

// journey is the way of one request to its backend.
//
// A request of which nothing was written is sent again, whatever its method, as
// long as its body can be had again. One that was written but not answered is
// sent a second time if the backend may carry it out twice: its method says so
// (RFC 9110, section 9.2.2), or its Idempotency-Key. It is never sent a third
// time, and not again after a timeout: the backend may still be working on it.
type journey struct {
	*upstream
	request *http.Request
	call    *call
	ticket  *ticket // nil if it never had to queue
	failed  error   // what the latest try came to
	tries   int
	sent    int  // how often it was written, if only in part
	stale   bool // it met a connection that had been closed
	counted bool // as held
}

// admit passes the gate.
func (j *journey) admit() error {
	if j.ticket == nil {
		if j.gate.enter() {
			j.call.gate = j.gate
			return nil
		}
		j.ticket = &ticket{bytes: j.gathered()}
	}
	began := time.Now()
	j.ticket.until = began.Add(j.hold - j.call.exchange.held)
	err := j.gate.wait(j.request.Context(), j.ticket)
	j.noteHeld(time.Since(began))
	if err == nil {
		j.call.gate = j.gate
		return nil
	}
	if away, ok := errors.AsType[*awayError](err); ok {
		away.cause = j.failed
	}
	return err
}

func (j *journey) gathered() int64 {
	if j.request.GetBody == nil {
		return 0
	}
	return j.request.ContentLength
}

// heldAtLeast is the least wait that makes a request a held one.
const heldAtLeast = time.Millisecond

func (j *journey) noteHeld(d time.Duration) {
	j.call.exchange.held += d
	if !j.counted && j.call.exchange.held >= heldAtLeast {
		j.counted = true
		j.deps.count(j.name, 1, 0)
	}
}

// try sends the request.
func (j *journey) try() (*http.Response, error) {
	var onSent func()
	if j.ticket != nil {
		onSent = func() { j.gate.sent(j.ticket) }
	}
	out := j.outgoing()
	j.tries++
	j.call.sent = time.Now()
	res, err := j.leg.Send(out, onSent)
	sent := err == nil || wrote(err)
	if sent {
		j.sent++
		j.call.exchange.tries++
	}
	if j.ticket != nil {
		j.gate.answered(j.ticket, sent)
	}
	if err != nil || res.StatusCode == http.StatusSwitchingProtocols {
		j.call.leave()
	}
	return res, err
}

// outgoing is the request with its body from the beginning. ReverseProxy wraps a
// body that is streamed, and what is wrapped can't be read any more once a try
// has failed. A connection to a backend that another process may stop is not
// kept.
func (j *journey) outgoing() *http.Request {
	r := j.request
	body, retired := j.body(), j.retired.Load()
	if body == r.Body && !retired {
		return r
	}
	out := new(http.Request)
	*out = *r
	out.Body, out.Close = body, retired
	return out
}

// body is the body for the next try.
func (j *journey) body() io.ReadCloser {
	r := j.request
	switch {
	case r.Body == nil || r.Body == http.NoBody || r.GetBody != nil && j.tries == 0:
		return r.Body
	case r.GetBody != nil:
		body, _ := r.GetBody() // from memory
		return body
	default:
		return j.call.body
	}
}

// wrote reports whether the backend may have seen anything of a request that
// failed so.
func wrote(err error) bool {
	failed, ok := errors.AsType[*http1.Error](err)
	return ok && failed.Wrote
}

// reused reports whether a request failed so on a connection that had been kept.
func reused(err error) bool {
	failed, ok := errors.AsType[*http1.Error](err)
	return ok && failed.Reused
}

// retry decides whether a request whose try has failed is to be sent again; nil:
// it is, when the gate lets it pass. Otherwise it is the error to answer with.
func (j *journey) retry(err error) error {
	j.failed = err
	lost := isUnreachable(err) || isClosed(err)
	wrote := wrote(err)
	if wrote && isClosed(err) {
		j.suspicion.raise(time.Now())
	}
	switch {
	case !lost || isTimeout(err) && wrote || !j.isRepeatable() || j.request.Context().Err() != nil:
		return err
	case !wrote && !j.stale && reused(err):
		// The connection was closed while nobody used it, which says little of the
		// backend.
		j.stale = true
		j.dropIdle()
		return nil
	case !wrote:
		return j.retryUnsent(err)
	case j.sent == 1 && mayRepeat(j.request):
		j.deps.unreachable(j.name)
		j.dropIdle()
		return j.awaitWord(replayPause)
	}
	return err
}

// retryUnsent is for a request that the backend has seen nothing of.
func (j *journey) retryUnsent(err error) error {
	j.deps.unreachable(j.name)
	switch {
	case j.gate.refused():
		return nil
	case j.hold == 0:
		return err
	}
	e := away("the backend has been away for long")
	e.cause = err
	return e
}

// awaitWord waits, outside the queue, for word that the backend is away, for so
// long at most.
func (j *journey) awaitWord(pause time.Duration) error {
	began := time.Now()
	defer func() { j.noteHeld(time.Since(began)) }()
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		a := j.gate.ask()
		if !a.Up {
			return nil
		}
		select {
		case <-a.Changed:
		case <-timer.C:
			return nil
		case <-j.request.Context().Done():
			return context.Cause(j.request.Context())
		}
	}
}

// avoidDeath keeps a request that must not be sent twice from a backend that has
// just dropped another one without an answer: it may be dying, and what a dying
// process is sent is lost. A request that may be repeated takes the risk.
func (j *journey) avoidDeath() error {
	left := j.suspicion.left(time.Now())
	if left <= 0 || mayRepeat(j.request) {
		return nil
	}
	return j.awaitWord(left)
}

// isRepeatable reports whether the body can be had from its beginning.
func (j *journey) isRepeatable() bool {
	r := j.request
	return r.Body == nil || r.Body == http.NoBody || r.GetBody != nil || j.call.body.untouched()
}

// mayRepeat reports whether the backend may carry the request out twice.
func mayRepeat(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return r.Header.Get("Idempotency-Key") != ""
}
