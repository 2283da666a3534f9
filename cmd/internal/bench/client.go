package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// client is a TLS connection with HTTP/1.1 of the benchmark's own: it costs less
// than http.Client, and says when it resumed a session.
type client struct {
	*tls.Conn
	reader *bufio.Reader
}

// clientLimit is how long any of its steps may take.
const clientLimit = 30 * time.Second

// dial connects and shakes hands.
func dial(ctx context.Context, address string, settings *tls.Config) (*client, error) {
	ctx, cancel := context.WithTimeout(ctx, clientLimit)
	defer cancel()
	dialer := tls.Dialer{Config: settings}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &client{Conn: conn.(*tls.Conn), reader: bufio.NewReader(conn)}, nil
}

// ask sends one request and reads the answer to its end. The last one of a
// connection says so.
func (c *client) ask(size int64, last bool) error {
	if err := c.SetDeadline(time.Now().Add(clientLimit)); err != nil {
		return err
	}
	ending := ""
	if last {
		ending = "Connection: close\r\n"
	}
	if _, err := fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: %s\r\n%s\r\n", size, siteName, ending); err != nil {
		return err
	}
	return c.readAnswer(size)
}

func (c *client) readAnswer(size int64) error {
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || n != size {
		return fmt.Errorf("status %s with %d bytes in the place of 200 with %d", response.Status, n, size)
	}
	return nil
}

// newHTTPClient is for large bodies with HTTP/1.1, with buffers of their size.
func newHTTPClient(address string, settings *tls.Config) *http.Client {
	return &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{
		TLSClientConfig: settings,
		ReadBufferSize:  64 << 10,
		WriteBufferSize: 64 << 10,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
	}}
}
