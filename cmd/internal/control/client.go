package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrNotRunning is wrapped by the error of a call when nothing answers at the socket.
var ErrNotRunning = errors.New("gateway is not running")

// RemoteError is an error that the running gateway answered with.
type RemoteError struct {
	Text string
}

func (e *RemoteError) Error() string { return e.Text }

// Client calls the gateway that serves a control socket.
type Client struct {
	path string
	http *http.Client
}

// NewClient returns a client for the socket at path. It does not connect before
// the first call; every call uses a connection of its own.
func NewClient(path string) *Client {
	return &Client{path: path, http: &http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, path) },
		DisableKeepAlives: true,
	}}}
}

// Call sends in as JSON to the handler of the name and decodes its answer into
// out; nil for either means none. It waits for as long as ctx allows. The error
// is a *RemoteError if the handler returned one; it wraps ErrNotRunning if there
// is no gateway to ask.
func (c *Client) Call(ctx context.Context, name string, in, out any) error {
	response, err := c.send(ctx, name, in)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer+1))
	switch {
	case err != nil:
		return c.interrupted(ctx, err)
	case len(text) > mostAnswer:
		return fmt.Errorf("control socket %s: the answer is larger than %d bytes", c.path, mostAnswer)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("control socket %s: the running gateway's answer is not understood, it may be another version than this command: %w", c.path, err)
	}
	return nil
}

// Stream sends in as JSON to the handler of the name and copies what it writes
// to w, until the handler returns or ctx ends.
func (c *Client) Stream(ctx context.Context, name string, in any, w io.Writer) error {
	response, err := c.send(ctx, name, in)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body := &source{Reader: response.Body}
	if _, err := io.Copy(w, body); err != nil {
		if body.err != nil {
			return c.interrupted(ctx, err)
		}
		return err // of w
	}
	// A stream without the trailer has not been ended by its handler.
	text, err := strconv.Unquote(response.Trailer.Get(errorTrailer))
	if err != nil {
		return c.interrupted(ctx, io.ErrUnexpectedEOF)
	}
	if text != "" {
		return &RemoteError{Text: text}
	}
	return nil
}

// source remembers whether reading failed, to tell it from writing.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// send makes a call and turns every answer but a good one into an error.
func (c *Client) send(ctx context.Context, name string, in any) (*http.Response, error) {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return nil, fmt.Errorf("calling %s: %w", name, err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gateway"+prefix+name, &body)
	if err != nil {
		return nil, fmt.Errorf("calling %s: %w", name, err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer func() { _ = response.Body.Close() }()
	return nil, c.refused(response)
}

func (c *Client) refused(response *http.Response) error {
	var answer failure
	if err := json.NewDecoder(io.LimitReader(response.Body, mostAnswer)).Decode(&answer); err != nil || answer.Error == "" {
		return fmt.Errorf("control socket %s: answered %q: is it gateway's?", c.path, response.Status)
	}
	return &RemoteError{Text: answer.Error}
}

// unreachable words an error of the connection for the admin.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err // the URL is made up and tells nothing
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("control socket %s: gateway did not answer: %w", c.path, context.Cause(ctx))
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w (no socket at %s): start it with `gateway run` or `systemctl start gateway`", ErrNotRunning, c.path)
	case errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("%w (nobody listens at %s any more): start it with `gateway run` or `systemctl start gateway`", ErrNotRunning, c.path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("control socket %s: permission denied: run this %s: %w", c.path, asOwner(c.path), fs.ErrPermission)
	case errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("control socket %s: gateway has too many commands waiting: try again: %w", c.path, err)
	}
	return c.interrupted(ctx, err)
}

func (c *Client) interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("control socket %s: %w", c.path, context.Cause(ctx))
	}
	return fmt.Errorf("control socket %s: gateway ended before its answer was complete: see its log: %w", c.path, err)
}

// asOwner says as whom the socket can be used: its owner, or that of the closed
// folder that hides it.
func asOwner(path string) string {
	for {
		if info, err := os.Lstat(path); err == nil {
			if uid := info.Sys().(*syscall.Stat_t).Uid; uid != 0 {
				return "as root or as user " + userName(int(uid))
			}
			return "as root"
		}
		parent := filepath.Dir(path)
		if parent == path {
			return "as root"
		}
		path = parent
	}
}
