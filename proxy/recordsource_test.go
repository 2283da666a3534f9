package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// sourceHeld is a client whose records are on the wire only when send is called.
type sourceHeld struct {
	net.Conn
	holds   atomic.Bool
	records bytes.Buffer
}

func (c *sourceHeld) Write(p []byte) (int, error) {
	if c.holds.Load() {
		return c.records.Write(p)
	}
	return c.Conn.Write(p)
}

// send sends so many bytes of what was held, and returns when they have arrived.
func (c *sourceHeld) send(t *testing.T, n int, server *recordConn) {
	t.Helper()
	before := sourceArrived(t, server, 0)
	if _, err := c.Conn.Write(c.records.Next(n)); err != nil {
		t.Fatal(err)
	}
	sourceArrived(t, server, before+n)
}

// sourceArrived waits until so many bytes can be read, and returns how many can.
func sourceArrived(t *testing.T, server *recordConn, least int) (n int) {
	t.Helper()
	system, err := server.source.socket.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	waiting := make([]byte, 256<<10)
	if err := system.Read(func(fd uintptr) bool {
		n, _, _ = syscall.Recvfrom(int(fd), waiting, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		n = max(n, 0)
		return n >= least
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// sourcePair is a server's TLS connection above a socket, after its handshake, and
// its client, which holds its records back.
func sourcePair(t *testing.T) (*recordConn, *tls.Conn, *sourceHeld) {
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
	held := &sourceHeld{Conn: raw}
	theirs := tls.Client(held, &tls.Config{RootCAs: roots, ServerName: "example.com"})
	shaken := make(chan error)
	go func() { shaken <- theirs.Handshake() }()
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close(); accepted.Close() })
	first, err := sniff((&client{raw: accepted}).socket(), new(headBuffers))
	if err != nil {
		t.Fatal(err)
	}
	server := newRecordConn(first, &tls.Config{Certificates: []tls.Certificate{certificate}}, new(recordBuffers))
	if err := errors.Join(server.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	held.holds.Store(true)
	return server, theirs, held
}

func TestRecordConn_ReadsAllRecordsThatAreThere(t *testing.T) {
	server, client, held := sourcePair(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 96<<10/16)
	if _, err := client.Write(sent); err != nil {
		t.Fatal(err)
	}
	all := held.records.Len()
	held.send(t, all-10_000, server) // the last record is not whole
	got := make([]byte, largePiece)
	n, err := server.Read(got)
	if n != len(got) || err != nil {
		t.Fatalf("a read of %d bytes gave %d: %v", len(got), n, err)
	}
	more := make([]byte, largePiece)
	n, err = server.Read(more)
	if n >= 96<<10-largePiece || n == 0 || err != nil {
		t.Fatalf("what is left but for the record that is not whole: %d bytes, %v", n, err)
	}
	held.send(t, held.records.Len(), server)
	if _, err := io.ReadFull(server, more[n:96<<10-largePiece]); err != nil || !bytes.Equal(append(got, more[:96<<10-largePiece]...), sent) {
		t.Errorf("error %v, or other bytes", err)
	}
}

func TestRecordConn_WaitsForNothingButTheFirstRecord(t *testing.T) {
	server, client, held := sourcePair(t)
	p := make([]byte, largePiece)
	for _, size := range []int{1, 5000, 1, 20_000} {
		if _, err := client.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		held.send(t, held.records.Len(), server)
		for got := 0; got < size; {
			n, err := server.Read(p)
			if err != nil {
				t.Fatal(err)
			}
			got += n
		}
	}
}

func TestRecordConn_GivesWhatCameBeforeTheEnd(t *testing.T) {
	for name, end := range map[string]func(*tls.Conn, *sourceHeld){
		"a goodbye":       func(c *tls.Conn, _ *sourceHeld) { _ = c.CloseWrite() },
		"no goodbye":      func(*tls.Conn, *sourceHeld) {},
		"a broken record": func(_ *tls.Conn, held *sourceHeld) { held.records.Write(make([]byte, 100)) },
	} {
		t.Run(name, func(t *testing.T) {
			server, client, held := sourcePair(t)
			_, _ = client.Write(make([]byte, 40_000))
			end(client, held)
			_ = held.SetWriteDeadline(time.Time{}) // which the goodbye has set
			held.send(t, held.records.Len(), server)
			_ = closeWrite(held.Conn)
			got, p := 0, make([]byte, largePiece)
			for {
				n, err := server.Read(p)
				if got += n; err == nil {
					continue
				}
				if got != 40_000 || errors.Is(err, io.EOF) != (name != "a broken record") {
					t.Errorf("%d bytes, then %v", got, err)
				}
				break
			}
			if _, again := server.Read(p); again == nil {
				t.Error("the end does not last")
			}
		})
	}
}
