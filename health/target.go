package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// target is where a backend listens.
type target struct {
	network, address string // as net.Dial takes them
	url              *url.URL
}

// parseTarget reads a backend's url: http://host:port[/path], https://..., or
// unix:/path/to.sock.
func parseTarget(raw string) (target, error) {
	if path, found := strings.CutPrefix(raw, "unix:"); found {
		path = strings.TrimPrefix(path, "//")
		if path == "" {
			return target{}, fmt.Errorf("%q names no socket: write unix:/run/api.sock", raw)
		}
		return target{network: "unix", address: path, url: &url.URL{Scheme: "http", Host: "localhost"}}, nil
	}
	parsed, err := url.Parse(raw)
	if err != nil {
		return target{}, err
	}
	if parsed.Hostname() == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		return target{}, fmt.Errorf("%q is not the address of a backend: write http://localhost:7878", raw)
	}
	port := parsed.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[parsed.Scheme]
	}
	return target{network: "tcp", address: net.JoinHostPort(parsed.Hostname(), port), url: parsed}, nil
}

func (t target) dial(ctx context.Context) (net.Conn, error) {
	var dialer net.Dialer
	return dialer.DialContext(ctx, t.network, t.address)
}

// served tells whether anything accepts connections at the address.
func (t target) served(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := t.dial(ctx)
	if err != nil {
		// A full accept queue times out; a free port refuses at once.
		return errors.Is(err, context.DeadlineExceeded)
	}
	conn.Close()
	return true
}

// knockInterval is how often the address of a starting backend is tried. A
// refused connection on loopback costs some 30 µs, and a request that waits for
// the backend is delayed by half of this on average.
const knockInterval = 10 * time.Millisecond

// await knocks until something listens at the address or ctx ends. Then it
// returns what the last whole knock met, which says more than that time is up.
func (t target) await(ctx context.Context) error {
	var last error
	for {
		conn, err := t.dial(ctx)
		if err == nil {
			return conn.Close()
		}
		// The dialer knows that time is up a moment before ctx does.
		if last == nil || !timedOut(err) {
			last = err
		}
		if !away(last) {
			return last
		}
		select {
		case <-ctx.Done():
			return last
		case <-time.After(knockInterval):
		}
	}
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// away tells that nothing listens: the port refuses or the socket file is missing.
func away(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT)
}
