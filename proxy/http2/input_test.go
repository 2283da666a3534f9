package http2

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"golang.org/x/net/http2"
)

// unitFrame is a frame as it was read.
type unitFrame struct {
	frame
	payload string
}

// However the bytes are cut, the input must have the frames that x/net reads.
func FuzzInput_HasTheFramesThatXNetReads(f *testing.F) {
	f.Add([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 'x'}, uint64(3))
	f.Add(bytes.Repeat([]byte{0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, 40), uint64(1))
	f.Fuzz(func(t *testing.T, raw []byte, cut uint64) {
		var want []unitFrame
		from := bytes.NewReader(raw)
		framer := http2.NewFramer(io.Discard, from)
		framer.AllowIllegalReads = true // their order is not the input's
		framer.SetMaxReadFrameSize(maxFrame)
		for {
			h, err := framer.ReadFrameHeader()
			if err != nil || int(h.Length) > from.Len() {
				break
			}
			payload := make([]byte, h.Length)
			_, _ = io.ReadFull(from, payload)
			want = append(want, unitFrame{frame{int(h.Length), frameKind(h.Type), uint8(h.Flags), h.StreamID}, string(payload)})
		}
		got := unitRead(t, raw, cut)
		if len(got) != len(want) {
			t.Fatalf("%d frames, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("frame %d: %v, want %v", i, got[i], want[i])
			}
		}
	})
}

// unitRead reads frames, the payloads by next and by some in turn.
func unitRead(t *testing.T, raw []byte, cut uint64) (frames []unitFrame) {
	random := rand.New(rand.NewPCG(cut, 0))
	from := io.Reader(bytes.NewReader(raw))
	if cut%2 == 1 {
		from = iotest.OneByteReader(from)
	}
	in := input{from: unitCut{from, random}, server: NewServer(Options{}), wait: unitWait}
	for {
		if len(in.data) == 0 {
			in.release()
		}
		h, err := in.next(frameHeaderSize)
		if err != nil {
			return frames
		}
		f := unitFrame{frame: parseFrame(h)}
		if f.length > maxFrame {
			return frames
		}
		for left := f.length; left > 0; left = f.length - len(f.payload) {
			read := in.next
			if random.IntN(2) == 0 {
				read = in.some
			}
			p, err := read(left)
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatal(err)
				}
				return frames
			}
			f.payload += string(p)
		}
		frames = append(frames, f)
	}
}

func unitWait(bool) error { return nil }

// unitCut reads less than it could.
type unitCut struct {
	io.Reader
	random *rand.Rand
}

func (c unitCut) Read(p []byte) (int, error) {
	return c.Reader.Read(p[:1+c.random.IntN(len(p))])
}

func TestInput_HasNoBufferWhileNothingIsThere(t *testing.T) {
	raw := append([]byte{0, 0, 20, 1, 0, 0, 0, 0, 1}, make([]byte, 20)...)
	in := input{from: bytes.NewReader(raw), server: NewServer(Options{}), wait: unitWait}
	if _, err := in.next(frameHeaderSize); err != nil || in.buffer() != nil {
		t.Errorf("%v; a buffer for a header", err)
	}
	if _, err := in.next(20); err != nil || in.buffer() == nil {
		t.Errorf("%v; no buffer for a payload", err)
	}
	if in.release(); in.buffer() != nil {
		t.Error("a buffer for nothing")
	}
}

func TestChunks_GiveWhatTheyWereGiven(t *testing.T) {
	random, server := rand.New(rand.NewPCG(1, 2)), NewServer(Options{})
	var q chunks
	var given, taken []byte
	for range 2000 {
		p := make([]byte, random.IntN(1<<random.IntN(16)))
		for i := range p {
			p[i] = byte(random.Uint32())
		}
		if random.IntN(2) == 0 {
			q.add(p, server)
			given = append(given, p...)
		} else {
			n := q.take(p, server)
			taken = append(taken, p[:n]...)
		}
		if q.size != len(given)-len(taken) {
			t.Fatalf("%d bytes, want %d", q.size, len(given)-len(taken))
		}
	}
	if !bytes.HasPrefix(given, taken) || len(taken) == 0 {
		t.Error("other bytes")
	}
}

func TestInflow_TellsTheClientWhenHalfIsUsedUp(t *testing.T) {
	f := inflow{left: 1000, size: 1000}
	if !f.take(1000) || f.left != 0 {
		t.Fatal("the window is not what it says")
	}
	if got := f.back(499); got != 0 {
		t.Errorf("an update of %d", got)
	}
	if got := f.back(1); got != 500 || f.left != 500 {
		t.Errorf("an update of %d, %d are left", got, f.left)
	}
	if f.take(501) {
		t.Error("more than the window was taken")
	}
}
