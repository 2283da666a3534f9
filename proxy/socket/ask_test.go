package socket

import (
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

// askPeer answers each request of one byte as answer says, until the connection
// ends.
func askPeer(t *testing.T, peer net.Conn, answer func(request byte)) *sync.WaitGroup {
	t.Helper()
	answering := new(sync.WaitGroup)
	answering.Go(func() {
		var request [1]byte
		for {
			if _, err := peer.Read(request[:]); err != nil {
				return
			}
			answer(request[0])
		}
	})
	t.Cleanup(func() { peer.Close(); answering.Wait() })
	return answering
}

func TestConn_AskLosesNoAnswerHoweverEarlyItComes(t *testing.T) {
	const rounds = 1000
	var pairs sync.WaitGroup
	for range 4 {
		c, peer := pair(t)
		askPeer(t, peer, func(request byte) { _, _ = peer.Write([]byte{request, request}) })
		pairs.Go(func() {
			answer := make([]byte, 8)
			for i := range rounds {
				sent, received, err := c.Ask([]byte{byte(i)}, answer)
				if sent != 1 || received != 2 || answer[0] != byte(i) || err != nil {
					t.Errorf("round %d: %d sent, %d received: %v", i, sent, received, err)
					return
				}
			}
		})
	}
	pairs.Wait()
}

func TestConn_AskLeavesNothingBehindOfAnAnswerInPieces(t *testing.T) {
	c, peer := pair(t)
	askPeer(t, peer, func(byte) {
		_, _ = io.WriteString(peer, "one")
		_, _ = io.WriteString(peer, "two")
	})
	for i := range 200 {
		answer := make([]byte, 6)
		_, received, err := c.Ask([]byte("?"), answer)
		if err == nil {
			_, err = io.ReadFull(c, answer[received:])
		}
		if string(answer) != "onetwo" || err != nil {
			t.Fatalf("round %d: %q %v", i, answer, err)
		}
	}
}

func TestConn_AskBesideInputThatNobodyAskedForEitherSendsNothingOrReadsIt(t *testing.T) {
	c, peer := pair(t)
	asked, came := 0, 0
	answering := askPeer(t, peer, func(byte) { came++ })
	speak, spoken := make(chan bool), make(chan error)
	go func() {
		for range speak {
			_, err := peer.Write([]byte("!"))
			spoken <- err
		}
	}()
	defer close(speak)
	input := make([]byte, 1)
	for i := range 1000 {
		speak <- true
		sent, received, err := c.Ask([]byte("?"), input)
		if errors.Is(err, ErrUnasked) {
			received, err = c.Read(input)
		}
		if asked += sent; received != 1 || err != nil {
			t.Fatalf("round %d: %d sent, %d received: %v", i, sent, received, err)
		}
		if err := <-spoken; err != nil {
			t.Fatal(err)
		}
	}
	_ = c.CloseWrite()
	answering.Wait()
	if asked != came {
		t.Errorf("%d requests were sent, by what Ask says, and %d came", asked, came)
	}
}

func TestConn_AskSendsNothingWhereSomethingIsToBeRead(t *testing.T) {
	for name, before := range map[string]func(c *Conn, peer *net.TCPConn){
		"data":        func(_ *Conn, peer *net.TCPConn) { _, _ = io.WriteString(peer, "x") },
		"end":         func(_ *Conn, peer *net.TCPConn) { _ = peer.CloseWrite() },
		"reset":       func(_ *Conn, peer *net.TCPConn) { _ = peer.SetLinger(0); _ = peer.Close() },
		"closed here": func(c *Conn, _ *net.TCPConn) { _ = c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			c, peer := pair(t)
			before(c, peer)
			if name != "closed here" {
				awaitPending(t, c)
			}
			if sent, received, err := c.Ask([]byte("?"), make([]byte, 8)); sent != 0 || received != 0 || !errors.Is(err, ErrUnasked) {
				t.Errorf("%d sent, %d received: %v", sent, received, err)
			}
			if _ = c.Close(); name == "reset" {
				return
			}
			if got, _ := io.ReadAll(peer); len(got) > 0 {
				t.Errorf("the peer got %q", got)
			}
		})
	}
}

func TestConn_AskEndsWithWhatEndsTheWait(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(c *Conn, peer *net.TCPConn)
		want error
	}{
		"end":      {func(_ *Conn, peer *net.TCPConn) { _ = peer.CloseWrite() }, io.EOF},
		"reset":    {func(_ *Conn, peer *net.TCPConn) { _ = peer.SetLinger(0); _ = peer.Close() }, syscall.ECONNRESET},
		"close":    {func(c *Conn, _ *net.TCPConn) { _ = c.Close() }, net.ErrClosed},
		"deadline": {func(c *Conn, _ *net.TCPConn) { _ = c.SetReadDeadline(time.Now()) }, os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			asking, peer := pair(t)
			askPeer(t, peer, func(byte) { c.end(asking, peer) })
			sent, received, err := asking.Ask([]byte("?"), make([]byte, 8))
			if sent != 1 || received != 0 || !errors.Is(err, c.want) {
				t.Errorf("%d sent, %d received: %v", sent, received, err)
			}
			if failed, ok := errors.AsType[*net.OpError](err); err != io.EOF && (!ok || failed.Op != "read") {
				t.Errorf("%v is no error of a read", err)
			}
		})
	}
}

func TestConn_AnswerAfterTheDeadlineOfAskCanBeRead(t *testing.T) {
	c, peer := pair(t)
	askPeer(t, peer, func(byte) { _ = c.SetReadDeadline(time.Now()) })
	if _, _, err := c.Ask([]byte("?"), make([]byte, 8)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Time{})
	_, _ = io.WriteString(peer, "late")
	got := make([]byte, 4)
	if _, err := io.ReadFull(c, got); string(got) != "late" || err != nil {
		t.Errorf("%q %v", got, err)
	}
}

func TestConn_AskDoesNotWaitToSend(t *testing.T) {
	c, peer := pair(t)
	request := []byte(strings.Repeat("x", 64<<20))
	sent, received, err := c.Ask(request, make([]byte, 8))
	if sent == 0 || sent == len(request) || received != 0 || err != nil {
		t.Fatalf("%d sent, %d received: %v", sent, received, err)
	}
	for err == nil { // the peer's side may still have had room
		_, err = c.TryWrite(request)
	}
	if sent, received, err := c.Ask(request, make([]byte, 8)); received != 0 || err != nil {
		t.Errorf("without room: %d sent, %d received: %v", sent, received, err)
	}
	_ = c.Close()
	if n, err := io.Copy(io.Discard, peer); n < int64(sent) || err != nil {
		t.Errorf("%d bytes of %d came: %v", n, sent, err)
	}
}

func TestConn_AskTellsWhyItCannotSend(t *testing.T) {
	c, _ := pair(t)
	_ = c.CloseWrite()
	sent, received, err := c.Ask([]byte("?"), make([]byte, 8))
	if failed, ok := errors.AsType[*net.OpError](err); sent != 0 || received != 0 || !errors.Is(err, syscall.EPIPE) || !ok || failed.Op != "write" {
		t.Errorf("%d sent, %d received: %v", sent, received, err)
	}
}

func TestConn_AskAllocatesNothing(t *testing.T) {
	c, peer := pair(t)
	echo := make([]byte, 1)
	askPeer(t, peer, func(request byte) { echo[0] = request; _, _ = peer.Write(echo) })
	p := []byte("?")
	if allocated := testing.AllocsPerRun(100, func() { _, _, _ = c.Ask(p, p) }); allocated > 0 {
		t.Errorf("%v allocations", allocated)
	}
}
