package http1

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
)

// answer is a response, its body and the values of its fields, made at once.
type answer struct {
	http.Response
	body body
	few  [8]string // room for values: most heads have no more
}

// receive reads heads up to the one of the response proper.
func (c *conn) receive(r *http.Request) (*http.Response, error) {
	for {
		a, f, err := c.receiveHead(r)
		if err != nil {
			return nil, err
		}
		if a.StatusCode < 200 && a.StatusCode != http.StatusSwitchingProtocols {
			if err := c.inform(r, &a.Response); err != nil {
				return nil, err
			}
			continue
		}
		c.timing.answered()
		c.sender.proceed(false)
		return c.respond(a, f)
	}
}

func (c *conn) receiveHead(r *http.Request) (*answer, framing, error) {
	head, lines, err := c.in.head("HTTP/1.", c.transport.options.MaxResponseHeaderBytes, false)
	if err != nil {
		return nil, framing{}, headError(err)
	}
	a := &answer{Response: http.Response{Request: r, TLS: c.tls}}
	var f framing
	if err = parseHead(&a.Response, head, lines, a.few[:]); err == nil {
		f, err = frame(&a.Response, r.Method)
	}
	if err != nil {
		err = fmt.Errorf("the backend's response is malformed: %w", err)
	}
	return a, f, err
}

func headError(err error) error {
	switch {
	case errors.Is(err, errHeadTooLarge), errors.Is(err, errBegin):
		return fmt.Errorf("the backend's response is malformed: %w", err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", ErrClosed, err)
	default:
		return err
	}
}

// inform acts on an interim response (RFC 9110, section 15.2).
func (c *conn) inform(r *http.Request, res *http.Response) error {
	if res.StatusCode == http.StatusContinue {
		c.sender.proceed(true)
	}
	trace := httptrace.ContextClientTrace(r.Context())
	if trace == nil || trace.Got1xxResponse == nil {
		return nil
	}
	return trace.Got1xxResponse(res.StatusCode, textproto.MIMEHeader(res.Header))
}

// respond gives the response its body.
func (c *conn) respond(a *answer, f framing) (*http.Response, error) {
	res := &a.Response
	if res.StatusCode == http.StatusSwitchingProtocols {
		return c.upgrade(res)
	}
	keep := !res.Close && !res.Request.Close
	if f.empty || f.length == 0 {
		res.Body = http.NoBody
		c.finish(keep)
		return res, nil
	}
	a.body = body{conn: c, response: res, left: f.length, keep: keep, chunked: f.chunked, chunks: chunkReader{in: &c.in}}
	res.Body = &a.body
	return res, nil
}
