package http1

import (
	"bytes"
	"errors"
	"net/http"
)

// upgraded is a connection that speaks another protocol from here on. One
// goroutine may read while another one writes.
type upgraded struct {
	conn  *conn
	early []byte // what the backend sent right behind the head
}

// upgrade hands the connection over to the reader of the response.
func (c *conn) upgrade(res *http.Response) (*http.Response, error) {
	if res.Request.Header.Get("Upgrade") == "" || res.Header.Get("Upgrade") == "" || !hasOption(res.Header["Connection"], "upgrade") {
		return nil, errors.New("the backend's response is malformed: it switches protocols without being asked")
	}
	res.Body = &upgraded{c, bytes.Clone(c.in.buffered())}
	c.giveBack()
	c.transport.handOver(c)
	return res, nil
}

// handOver forgets a connection that goes on without the transport.
func (t *Transport) handOver(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lookAway(c)
	t.vacate()
}

func (u *upgraded) Read(p []byte) (int, error) {
	if len(u.early) > 0 {
		n := copy(p, u.early)
		u.early = u.early[n:]
		return n, nil
	}
	return u.conn.net.Read(p)
}

func (u *upgraded) Write(p []byte) (int, error) { return u.conn.net.Write(p) }
func (u *upgraded) Close() error                { return u.conn.net.Close() }

// CloseWrite tells the backend that nothing more will come.
func (u *upgraded) CloseWrite() error {
	if half, ok := u.conn.net.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
