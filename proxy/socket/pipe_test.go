package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"
)

func testPipe(t *testing.T) *Pipe {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has splice")
	}
	p, err := NewPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestPipe_MovesAllBytesFromOneSocketToAnother(t *testing.T) {
	p := testPipe(t)
	from, source := pair(t)
	to, sink := pair(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 4<<20/16)
	go func() { _, _ = source.Write(sent); _ = source.CloseWrite() }()
	moved := make(chan error)
	go func() {
		for {
			n, err := p.Fill(from, 64<<10)
			if errors.Is(err, io.EOF) {
				_ = to.CloseWrite()
				moved <- nil
				return
			}
			if m, failed := to.ReadFrom(p); err != nil || failed != nil || int(m) != n || p.Len() != 0 {
				moved <- errors.Join(errors.New("not all was moved"), err, failed)
				return
			}
		}
	}()
	got, err := io.ReadAll(sink)
	if err := errors.Join(err, <-moved); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came through: %v", len(got), len(sent), err)
	}
}

func TestPipe_TakesNoMoreThanItIsAskedTo(t *testing.T) {
	p := testPipe(t)
	from, source := pair(t)
	if _, err := io.WriteString(source, "hello, world"); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Fill(from, 5); n != 5 || err != nil || p.Len() != 5 {
		t.Fatalf("%d %v, %d held", n, err, p.Len())
	}
	if got, err := io.ReadAll(p); string(got) != "hello" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	rest := make([]byte, 7)
	if _, err := io.ReadFull(from, rest); string(rest) != ", world" || err != nil {
		t.Errorf("%q %v", rest, err)
	}
}

func TestPipe_FailsAsReadsAndWritesDo(t *testing.T) {
	p := testPipe(t)
	from, source := pair(t)
	to, _ := pair(t)
	_ = from.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := p.Fill(from, 5); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, want the deadline", err)
	}
	_ = from.SetReadDeadline(time.Time{})
	go func() {
		for err := error(nil); err == nil; {
			_, err = source.Write(make([]byte, 64<<10))
		}
	}()
	_ = to.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	var failed error
	for failed == nil { // until the peer, which reads nothing, has no room
		if _, err := p.Fill(from, 64<<10); err != nil {
			t.Fatal(err)
		}
		_, failed = to.ReadFrom(p)
	}
	var named *net.OpError
	if !errors.Is(failed, os.ErrDeadlineExceeded) || !errors.As(failed, &named) || named.Op != "write" {
		t.Errorf("%v, want the deadline of a write", failed)
	}
	_ = from.Close()
	if _, err := p.Fill(from, 5); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, want that it is closed", err)
	}
}

func TestConn_ReadFromOtherSourcesCopies(t *testing.T) {
	c, peer := pair(t)
	if n, err := c.ReadFrom(bytes.NewReader([]byte("hello"))); n != 5 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	_ = c.CloseWrite()
	if got, err := io.ReadAll(peer); string(got) != "hello" || err != nil {
		t.Errorf("%q %v", got, err)
	}
}
