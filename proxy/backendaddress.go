package proxy

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// backendAddress is where a backend listens.
type backendAddress struct {
	url    *url.URL
	socket string // path of a unix socket, "" for TCP
}

// parseBackendURL reads http://host[:port][/path], https://... or unix:/path.
func parseBackendURL(written string) (backendAddress, error) {
	if socket, found := strings.CutPrefix(written, "unix:"); found {
		if !strings.HasPrefix(socket, "/") || strings.HasPrefix(socket, "//") {
			return backendAddress{}, fmt.Errorf("%q names no absolute path", written)
		}
		return backendAddress{&url.URL{Scheme: "http", Host: "localhost"}, socket}, nil
	}
	parsed, err := url.Parse(written)
	if err != nil {
		return backendAddress{}, fmt.Errorf("%q is not a URL", written) // the parser's error repeats a password
	}
	if parsed.Scheme != "http" && parsed.Scheme != "https" {
		return backendAddress{}, fmt.Errorf("%q has no scheme that gateway speaks to a backend", written)
	}
	if _, ok := parseAuthority(parsed.Host); !ok {
		return backendAddress{}, fmt.Errorf("%q has no valid host and port", parsed.Redacted())
	}
	if parsed.User != nil || parsed.RawQuery != "" || parsed.ForceQuery || parsed.Fragment != "" {
		return backendAddress{}, fmt.Errorf("%q holds more than scheme, host, port and path", parsed.Redacted())
	}
	return backendAddress{parsed, ""}, nil
}

// endpoints is where a listener would sit in the backend's place. It is empty for
// a unix socket and for host names other than localhost, which is not looked up.
func (a backendAddress) endpoints() []Endpoint {
	named, _ := parseAuthority(a.url.Host)
	hosts := []string{named.name}
	switch {
	case a.socket != "":
		return nil
	case named.name == "localhost":
		hosts = []string{"127.0.0.1", "::1"}
	}
	var all []Endpoint
	for _, host := range hosts {
		if e, err := ParseEndpoint(net.JoinHostPort(host, named.portOr(a.url.Scheme))); err == nil {
			all = append(all, e)
		}
	}
	return all
}

// unreachableError marks a connection that could not be made. Whatever the method
// of the request, it is safe to send it again.
type unreachableError struct{ cause error }

func (e *unreachableError) Error() string { return e.cause.Error() }
func (e *unreachableError) Unwrap() error { return e.cause }

// dialer connects within the time given.
func (a backendAddress) dialer(within time.Duration) func(context.Context) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: within}
	network, address := "unix", a.socket
	if a.socket == "" {
		named, _ := parseAuthority(a.url.Host)
		network, address = "tcp", net.JoinHostPort(named.name, named.portOr(a.url.Scheme))
	}
	return func(ctx context.Context) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, &unreachableError{err}
		}
		return c, nil
	}
}
