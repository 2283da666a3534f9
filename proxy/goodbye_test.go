package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func TestStop_AnHTTP2ConnectionMaySendItsFirstRequest(t *testing.T) {
	lab := wireStart(t, wireEcho)
	c := lab.dialTLS("h2")
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	wireSend(t, c, http2.ClientPreface)
	framer := http2.NewFramer(c, c)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	for settled := false; !settled; { // the server knows the connection
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		settings, ok := frame.(*http2.SettingsFrame)
		settled = ok && settings.IsAck()
	}
	lab.cancel()
	goodbyeAwaitRefused(t, lab.addr(wirePlain))

	var head bytes.Buffer
	encoder := hpack.NewEncoder(&head)
	for _, field := range []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"}, {Name: ":path", Value: "/late"}, {Name: ":authority", Value: "a"}} {
		_ = encoder.WriteField(field)
	}
	if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head.Bytes(), EndHeaders: true, EndStream: true}); err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	var last uint32
	for {
		frame, err := framer.ReadFrame()
		if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch f := frame.(type) {
		case *http2.DataFrame:
			body.Write(f.Data())
		case *http2.GoAwayFrame:
			last = f.LastStreamID
		}
	}
	if body.String() != "GET /late " || last != 1 {
		t.Errorf("answer %q, last stream %d", body.String(), last)
	}
}

// A client that reads slowly, and asks on because it has not read GOAWAY yet, gets
// the whole of its last answer and then GOAWAY: closing while something of it is
// unread would make the kernel throw away what is still to be sent.
func TestStop_AnHTTP2ClientThatReadsLateGetsItsAnswerAndGOAWAY(t *testing.T) {
	big := strings.Repeat("x", 60<<10) // fits into the window that a client opens with
	lab := wireStart(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, big) })
	h := lab.dialH2()
	if err := h.open(1, true); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- lab.stopped() }()
	goodbyeAwaitRefused(t, lab.addr(wirePlain))
	for over := time.After(2 * drainIdle); ; { // beyond the end of the server's patience
		select {
		case <-over:
		case <-time.After(20 * time.Millisecond):
			if err := h.WritePing(false, [8]byte{}); err == nil {
				continue
			}
			t.Error("the server has hung up")
		}
		break
	}
	received, last := 0, uint32(0)
	for {
		frame, err := h.ReadFrame()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Errorf("the connection ends with %v", err)
			}
			break
		}
		switch f := frame.(type) {
		case *http2.DataFrame:
			received += len(f.Data())
		case *http2.GoAwayFrame:
			last = f.LastStreamID
		}
	}
	_ = h.c.Close()
	if received != len(big) || last != 1 {
		t.Errorf("%d bytes of %d, and GOAWAY after stream %d", received, len(big), last)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// goodbyeAwaitRefused waits until nobody listens any more.
func goodbyeAwaitRefused(t *testing.T, address string) {
	t.Helper()
	logTestEventually(t, "the address is closed", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}
