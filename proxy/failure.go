package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"gateway/proxy/http1"
)

// statusClientGone is what the access log shows for a client that went away
// before it was answered, nginx's number. It is never sent.
const statusClientGone = 499

// ErrDraining is the cause with which a server cancels the requests that are
// still in flight when the time for draining is over.
var ErrDraining = errors.New("gateway is stopping")

// failure is what gateway answers in the backend's place, and what it logs.
type failure struct {
	status     int
	level      slog.Level
	reason     string        // for the logs
	page       string        // for the client; tells nothing of what is behind gateway
	close      bool          // the client's connection can't be used any further
	retryAfter time.Duration // 0: don't say
	allow      string        // the methods that are offered, with 405
	challenge  string        // how to log in, with 401
	backendBad bool          // the backend should be looked at now
	cause      error         // for the error log, may be nil
}

// circumstances are what an error of RoundTrip does not tell itself.
type circumstances struct {
	body   error // how reading the client's request body failed, nil if it did not
	client error // cause of the end of the client's request, nil while it goes on
}

const (
	pageUnavailable = "The service is not available right now. Please try again in a moment."
	pageTimeout     = "The service did not answer in time. Please try again in a moment."
	pageBadAnswer   = "The service sent an answer that could not be passed on."
	pageForbidden   = "You may not see this page."
	pageNotFound    = "There is nothing at this address."
)

// failureOf decides what an error on the way to or from the backend means. The
// client's part in it comes first: a body that breaks off shows as a failed
// write to the backend, which is not to blame for it.
func failureOf(err error, c circumstances) failure {
	f := clientFailure(c)
	if f.status == 0 {
		f = backendFailure(err)
	}
	f.cause = err
	if away, ok := errors.AsType[*awayError](err); ok {
		f.cause = away.cause // the rest of it is the reason
	}
	return f
}

func clientFailure(c circumstances) failure {
	switch {
	case errors.Is(c.body, errBodyTooLarge):
		return tooLarge()
	case errors.Is(c.body, errBodyTooSlow):
		return failure{status: http.StatusRequestTimeout, level: slog.LevelInfo, reason: "client sent the body too slowly",
			page: "The request was not received in time.", close: true}
	case errors.Is(c.body, errBodyMalformed):
		return failure{status: http.StatusBadRequest, level: slog.LevelInfo, reason: "client sent a malformed body",
			page: "The request body is malformed.", close: true}
	case errors.Is(c.client, ErrDraining):
		return failure{status: http.StatusServiceUnavailable, level: slog.LevelWarn, reason: "gateway is stopping",
			page: pageUnavailable, close: true, retryAfter: time.Second}
	case c.client != nil, errors.Is(c.body, errBodyCutShort):
		return failure{status: statusClientGone, level: slog.LevelDebug, reason: "client went away"}
	default:
		return failure{}
	}
}

func backendFailure(err error) failure {
	away, _ := errors.AsType[*awayError](err)
	switch {
	case away != nil:
		return failure{status: http.StatusServiceUnavailable, level: slog.LevelError, reason: away.reason,
			page: pageUnavailable, retryAfter: away.retryAfter, backendBad: true}
	case errors.Is(err, http1.ErrBusy):
		return failure{status: http.StatusServiceUnavailable, level: slog.LevelWarn, reason: "backend's connections are all busy",
			page: pageUnavailable, retryAfter: time.Second}
	case isUnreachable(err) && isTimeout(err):
		return failure{status: http.StatusGatewayTimeout, level: slog.LevelError, reason: "backend could not be connected to in time",
			page: pageTimeout, backendBad: true}
	case isUnreachable(err):
		return failure{status: http.StatusBadGateway, level: slog.LevelError, reason: "backend refused the connection",
			page: pageUnavailable, backendBad: true}
	case isUntrusted(err):
		return failure{status: http.StatusBadGateway, level: slog.LevelError, reason: "backend's certificate was not accepted", page: pageBadAnswer}
	case errors.Is(err, http1.ErrStalled):
		return failure{status: http.StatusGatewayTimeout, level: slog.LevelError, reason: "backend stopped reading the request",
			page: pageTimeout, backendBad: true}
	case isTimeout(err):
		return failure{status: http.StatusGatewayTimeout, level: slog.LevelError, reason: "backend did not answer in time",
			page: pageTimeout, backendBad: true}
	case isClosed(err):
		return failure{status: http.StatusBadGateway, level: slog.LevelError, reason: "backend closed the connection before it answered",
			page: pageUnavailable, backendBad: true}
	default:
		return failure{status: http.StatusBadGateway, level: slog.LevelError, reason: "backend's answer is not valid HTTP", page: pageBadAnswer}
	}
}

// attributes say in the error log whose failure it was, and how long and how
// often the request had tried.
func (f failure) attributes(c *call) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("request_id", c.exchange.id), slog.String("client", c.exchange.client), slog.String("site", c.exchange.site),
		slog.String("backend", c.exchange.backend), slog.String("method", c.r.Method), slog.String("path", c.target.path),
	}
	if f.status != 0 {
		attrs = append(attrs, slog.Int("status", f.status))
	}
	if c.exchange.held > 0 {
		attrs = append(attrs, slog.Duration("held", c.exchange.held.Round(time.Millisecond)))
	}
	if c.exchange.tries > 1 {
		attrs = append(attrs, slog.Int("tries", c.exchange.tries))
	}
	if f.cause != nil {
		attrs = append(attrs, slog.Any("error", f.cause))
	}
	return attrs
}

func tooLarge() failure {
	return failure{status: http.StatusRequestEntityTooLarge, level: slog.LevelInfo, reason: "request body is too large",
		page: "The request body is larger than this site accepts.", close: true}
}

// failureOfRefusal is for a request that was refused before any backend was asked.
func failureOfRefusal(r *refusal) failure {
	return failure{status: r.status, level: slog.LevelInfo, reason: r.reason, page: sentence(r.reason), close: true,
		allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}
}

func sentence(reason string) string {
	if reason == "" {
		return ""
	}
	return strings.ToUpper(reason[:1]) + reason[1:] + "."
}

func noSuchPath() failure {
	return failure{status: http.StatusNotFound, level: slog.LevelInfo, reason: "site has no route for this path", page: pageNotFound}
}

// abortOf decides why a response ended early whose head was already sent. There
// is no page any more, only a reason. source is how reading what was to be sent
// has failed.
func abortOf(source error, slowReader bool, c circumstances) failure {
	switch {
	case slowReader:
		return failure{level: slog.LevelInfo, reason: "client read the response too slowly"}
	case errors.Is(source, errFileRead):
		return failure{level: slog.LevelWarn, reason: "the file could not be read to its end", cause: source}
	case c.client == nil && c.body == nil && source != nil:
		return failure{level: slog.LevelError, reason: "backend cut its response short", cause: source, backendBad: true}
	case c.body != nil && !errors.Is(c.body, errBodyCutShort):
		return failure{level: slog.LevelInfo, reason: clientFailure(c).reason, cause: c.body}
	case errors.Is(c.client, ErrDraining):
		return failure{level: slog.LevelWarn, reason: "gateway stopped before the response was complete"}
	default:
		return failure{level: slog.LevelDebug, reason: "client went away"}
	}
}

func isUnreachable(err error) bool {
	var unreachable *unreachableError
	return errors.As(err, &unreachable)
}

func isUntrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	return errors.As(err, &verification)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

func isClosed(err error) bool {
	return isReset(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, http1.ErrClosed)
}
