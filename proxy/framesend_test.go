package proxy

import (
	"bytes"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

// frameSink takes down each write.
type frameSink struct {
	net.Conn
	mu     sync.Mutex
	writes [][]byte
}

func (s *frameSink) sent() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.writes)
}

func (s *frameSink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, bytes.Clone(p))
	return len(p), nil
}

func (s *frameSink) SetWriteDeadline(time.Time) error { return nil }

// frameSending has frames written through a guard, one by one, and gives back the
// writes that came of it: at once, and after a while.
func frameSending(t *testing.T, frames ...[]byte) (atOnce, later [][]byte) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sink := &frameSink{}
		g := &frameGuard{Conn: sink, conn: &conn{settings: &settings{timeouts: DefaultTimeouts()}}, calm: newCalmness()}
		for _, frame := range frames {
			if n, err := g.Write(frame); n != len(frame) || err != nil {
				t.Errorf("wrote %d of %d: %v", n, len(frame), err)
			}
		}
		atOnce = sink.sent()
		time.Sleep(headPatience)
		synctest.Wait()
		later = sink.sent()
		if sent := g.conn.sent.Load(); sent != int64(len(slices.Concat(frames...))) {
			t.Errorf("%d bytes were counted", sent)
		}
	})
	if all := slices.Concat(later...); !bytes.Equal(all, slices.Concat(frames...)) {
		t.Errorf("%q was sent", all)
	}
	return atOnce, later
}

func frameOf(write func(f *http2.Framer) error) []byte {
	var b bytes.Buffer
	_ = write(http2.NewFramer(&b, nil))
	return b.Bytes()
}

func frameHead(end bool) []byte {
	return frameOf(func(f *http2.Framer) error {
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x88}, EndHeaders: true, EndStream: end})
	})
}

func frameBody(size int) []byte {
	return frameOf(func(f *http2.Framer) error { return f.WriteData(1, true, make([]byte, size)) })
}

func TestFrameGuard_SendsTheHeadOfAResponseWithItsBody(t *testing.T) {
	if atOnce, later := frameSending(t, frameHead(false), frameBody(1024)); len(atOnce) != 1 || len(later) != 1 {
		t.Errorf("%d and then %d writes", len(atOnce), len(later))
	}
	if atOnce, _ := frameSending(t, frameHead(false), frameHead(false), frameBody(10), frameHead(true)); len(atOnce) != 2 {
		t.Errorf("%d writes", len(atOnce))
	}
}

func TestFrameGuard_SendsAHeadWhoseBodyDoesNotComeSoon(t *testing.T) {
	if atOnce, later := frameSending(t, frameHead(false)); len(atOnce) != 0 || len(later) != 1 {
		t.Errorf("%d and then %d writes", len(atOnce), len(later))
	}
}

func TestFrameGuard_KeepsNothingElseBack(t *testing.T) {
	large := frameBody(16 << 10)
	for name, frames := range map[string][][]byte{
		"a response without body": {frameHead(true)},
		"a body":                  {frameBody(10)},
		"half a frame":            {frameHead(false)[:5]},
		"a large body":            {frameHead(false), large},
	} {
		t.Run(name, func(t *testing.T) {
			if atOnce, _ := frameSending(t, frames...); len(atOnce) != len(frames) {
				t.Errorf("%d writes", len(atOnce))
			}
		})
	}
}
