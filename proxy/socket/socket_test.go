package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pair is a connection on loopback, with one end that is a Conn.
func pair(t *testing.T) (*Conn, *net.TCPConn) {
	t.Helper()
	ours, theirs := plainPair(t)
	c, ok := New(ours)
	if !ok {
		t.Fatal("a TCP connection is no socket")
	}
	return c, theirs
}

func plainPair(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close(); accepted.Close() })
	return accepted.(*net.TCPConn), dialed.(*net.TCPConn)
}

func TestConn_CarriesMoreThanFitsIntoTheSystem(t *testing.T) {
	c, peer := pair(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	var both sync.WaitGroup
	both.Go(func() {
		if n, err := c.Write(sent); n != len(sent) || err != nil {
			t.Errorf("wrote %d of %d: %v", n, len(sent), err)
		}
		_ = c.CloseWrite()
	})
	both.Go(func() {
		_, _ = peer.Write(sent)
		_ = peer.CloseWrite()
	})
	both.Go(func() {
		if got, err := io.ReadAll(peer); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("the peer got %d bytes of %d: %v", len(got), len(sent), err)
		}
	})
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("got %d bytes of %d: %v", len(got), len(sent), err)
	}
	both.Wait()
}

func TestConn_WritesOfSeveralGoroutinesStayWhole(t *testing.T) {
	c, peer := pair(t)
	const size = 1 << 20
	var writers sync.WaitGroup
	for _, letter := range []string{"a", "b"} {
		writers.Go(func() { _, _ = io.WriteString(c, strings.Repeat(letter, size)) })
	}
	got := make([]byte, 2*size)
	if _, err := io.ReadFull(peer, got); err != nil {
		t.Fatal(err)
	}
	writers.Wait()
	if first := bytes.Repeat(got[:1], size); !bytes.HasPrefix(got, first) || bytes.Count(got, got[:1]) != size {
		t.Error("two writes were mixed")
	}
}

// errorsOf are what reads and writes of c fail with when they would wait for ever,
// after a reset, and after Close.
func errorsOf(c net.Conn, peer *net.TCPConn) (all []error) {
	_ = c.SetDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	all = append(all, err)
	for err = nil; err == nil; {
		_, err = c.Write(make([]byte, 1<<20))
	}
	all = append(all, err)
	_ = c.SetDeadline(time.Time{})
	_ = peer.SetLinger(0)
	_ = peer.Close()
	_, err = c.Read(make([]byte, 1))
	all = append(all, err)
	_, err = c.Write(make([]byte, 1))
	all = append(all, err)
	_ = c.Close()
	_, err = c.Read(make([]byte, 1))
	all = append(all, err)
	_, err = c.Write(make([]byte, 1))
	return append(all, err)
}

func TestConn_FailsAsPackageNetDoes(t *testing.T) {
	ours, ourPeer := pair(t)
	theirs, theirPeer := plainPair(t)
	want := errorsOf(theirs, theirPeer)
	for i, err := range errorsOf(ours, ourPeer) {
		var a, b *net.OpError
		if !errors.As(err, &a) || !errors.As(want[i], &b) || a.Op != b.Op || a.Net != b.Net || a.Err.Error() != b.Err.Error() || a.Timeout() != b.Timeout() || a.Source == nil || a.Addr == nil {
			t.Errorf("%d: %v, and package net: %v", i, err, want[i])
		}
		for _, kind := range []error{os.ErrDeadlineExceeded, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE} {
			if errors.Is(err, kind) != errors.Is(want[i], kind) {
				t.Errorf("%d: %v is %v: %v", i, err, kind, errors.Is(err, kind))
			}
		}
	}
}

func TestConn_CloseEndsAReadThatWaits(t *testing.T) {
	c, _ := pair(t)
	ended := make(chan error)
	go func() { _, err := c.Read(make([]byte, 1)); ended <- err }()
	_ = c.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestConn_GivesTheEndOfTheStream(t *testing.T) {
	c, peer := pair(t)
	if n, err := c.Read(nil); n != 0 || err != nil {
		t.Errorf("%d %v for a read of nothing", n, err)
	}
	_ = peer.CloseWrite()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("%d %v, want io.EOF", n, err)
	}
	if n, err := c.TryRead(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("%d %v, want io.EOF", n, err)
	}
}

// awaitPending waits until there is something to read.
func awaitPending(t *testing.T, c *Conn) {
	t.Helper()
	if err := c.system.Read(func(uintptr) bool { return c.Pending() }); err != nil {
		t.Fatal(err)
	}
}

func TestConn_TriesWithoutWaiting(t *testing.T) {
	c, peer := pair(t)
	if _, err := c.TryRead(make([]byte, 8)); !errors.Is(err, ErrNothing) || c.Pending() {
		t.Errorf("%v, pending %v: there is nothing", err, c.Pending())
	}
	if _, err := io.WriteString(peer, "hello"); err != nil {
		t.Fatal(err)
	}
	awaitPending(t, c) // the network of one machine may take its time, too
	p := make([]byte, 8)
	if n, err := c.TryRead(p); string(p[:n]) != "hello" || err != nil {
		t.Errorf("%q %v", p[:n], err)
	}
	wrote, err := 0, error(nil)
	for n := 0; err == nil; wrote += n {
		n, err = c.TryWrite(make([]byte, 1<<20))
	}
	if !errors.Is(err, ErrNothing) || wrote == 0 {
		t.Errorf("%d bytes were written, then %v", wrote, err)
	}
	_ = c.Close()
	if _, err := c.TryWrite(p); !errors.Is(err, net.ErrClosed) || !c.Pending() {
		t.Errorf("%v, pending %v: it is closed", err, c.Pending())
	}
}

func TestConn_ErrNothingPassesByForTLS(t *testing.T) {
	_, isNet := ErrNothing.(net.Error)
	passing, ok := ErrNothing.(interface{ Temporary() bool }) // deprecated, but what crypto/tls asks for
	if !isNet || !ok || !passing.Temporary() {
		t.Error("crypto/tls would give up a connection for it")
	}
}

func TestNew_WantsASocket(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if _, ok := New(a); ok {
		t.Error("a pipe in memory is no socket")
	}
}

func TestConn_ReadsAndWritesAllocateNothing(t *testing.T) {
	c, peer := pair(t)
	p := make([]byte, 64)
	allocated := testing.AllocsPerRun(100, func() {
		_, _ = c.TryRead(p)
		_, _ = c.Write(p)
		_, _ = peer.Read(p)
		_, _ = peer.Write(p)
		_, _ = c.Read(p)
	})
	if allocated > 0 {
		t.Errorf("%v allocations", allocated)
	}
}
