//go:build nethttp

package proxy

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

func TestBackendConn_WritesNothingToAPeerThatHasClosed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn := &backendConn{Conn: c, stall: time.Second, over: make(chan struct{})}
	conn.probe.Store(true)
	if n, err := conn.Write([]byte("one")); n != 3 || err != nil {
		t.Fatalf("%d %v while the peer is there", n, err)
	}
	_, _ = io.ReadFull(peer, make([]byte, 3))
	peer.Close()
	conn.probe.Store(true)
	if n, err := conn.Write([]byte("two")); n != 0 || !errors.Is(err, errPeerGone) || conn.written.Load() != 3 {
		t.Errorf("%d %v, %d bytes written in all", n, err, conn.written.Load())
	}
}
