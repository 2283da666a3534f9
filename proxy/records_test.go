package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// recordsCounted counts the writes that reach the system.
type recordsCounted struct {
	net.Conn
	writes atomic.Int64
}

func (c *recordsCounted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// recordsPair is a TLS connection on loopback, after its handshake.
func recordsPair(t *testing.T) (*recordConn, *recordsCounted, *tls.Conn) {
	t.Helper()
	certificate, roots := wireCertificate(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	raw, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close(); accepted.Close() })
	counted := &recordsCounted{Conn: accepted}
	server := newRecordConn(counted, &tls.Config{Certificates: []tls.Certificate{certificate}}, new(recordBuffers))
	client := tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: "example.com"})
	shaken := make(chan error)
	go func() { shaken <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	counted.writes.Store(0)
	return server, counted, client
}

func TestRecordConn_SendsALargeWriteAtOnceAndWhole(t *testing.T) {
	server, counted, client := recordsPair(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), largePiece/16)
	for _, size := range []int{10 << 10, largePiece} {
		before := counted.writes.Load()
		wrote := make(chan error)
		go func() { _, err := server.Write(sent[:size]); wrote <- err }()
		got := make([]byte, size)
		if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, sent[:size]) {
			t.Errorf("%d bytes: error %v, or other bytes", size, err)
		}
		if err := <-wrote; err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		if n := counted.writes.Load() - before; n != 1 {
			t.Errorf("%d bytes took %d writes, want 1", size, n)
		}
	}
}

func TestRecordConn_CarriesAWriteThatIsLargerThanItsBuffer(t *testing.T) {
	server, counted, client := recordsPair(t)
	sent := bytes.Repeat([]byte("fedcba9876543210"), 1<<20/16)
	go func() { _, _ = server.Write(sent) }()
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("error %v, or other bytes", err)
	}
	if n := counted.writes.Load(); n > 20 {
		t.Errorf("1 MiB took %d writes, want one for each 64 KiB or so", n)
	}
}

func TestRecordConn_IsUselessAfterAWriteThatFailed(t *testing.T) {
	server, _, _ := recordsPair(t)
	_ = server.SetWriteDeadline(time.Unix(1, 0))
	n, err := server.Write(make([]byte, largePiece))
	if !errors.Is(err, os.ErrDeadlineExceeded) || n != 0 {
		t.Errorf("%d bytes, %v: want none, and the deadline", n, err)
	}
	_ = server.SetWriteDeadline(time.Time{})
	for _, size := range []int{1, largePiece} {
		if n, err := server.Write(make([]byte, size)); err == nil || n != 0 {
			t.Errorf("%d of %d bytes were sent after a gap", n, size)
		}
	}
}

func TestRecordConn_TellsAboutWhatAClientThatStopsReadingHasTaken(t *testing.T) {
	server, _, client := recordsPair(t)
	_ = server.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	wrote := 0
	for {
		n, err := server.Write(make([]byte, largePiece))
		if wrote += n; err != nil {
			break
		}
	}
	_ = server.sink.Conn.Close()
	arrived, _ := io.Copy(io.Discard, client)
	if arrived > int64(wrote) || int64(wrote) > arrived+largePiece {
		t.Errorf("told of %d bytes, and %d could be read", wrote, arrived)
	}
}
