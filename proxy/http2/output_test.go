package http2

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// unitLab is a connection over a pipe: a read that has room for all takes just
// what one write has brought.
type unitLab struct {
	t      *testing.T
	client net.Conn
	conn   *Conn
	ended  chan error
}

// unitStart serves h, and takes the server's preface.
func unitStart(t *testing.T, h http.HandlerFunc) *unitLab {
	ours, theirs := net.Pipe()
	server := NewServer(Options{
		Handler: h, MaxStreams: 10, MaxHeaderList: 10 << 10, Date: func() string { return "now" },
		HeaderTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: time.Hour,
	})
	lab := &unitLab{t: t, client: theirs, conn: server.NewConn(ours, drainOwner{}), ended: make(chan error, 1)}
	go func() { lab.ended <- lab.conn.Serve(context.Background()) }()
	lab.read()
	lab.send(func(f *http2.Framer) { _ = f.WriteSettings() }, http2.ClientPreface)
	lab.read()
	return lab
}

// read takes what one write has brought.
func (l *unitLab) read() (kinds []frameKind) {
	l.t.Helper()
	buffer := make([]byte, 1<<20)
	n, err := l.client.Read(buffer)
	if err != nil {
		l.t.Fatal(err)
	}
	for p := buffer[:n]; len(p) > 0; {
		f := parseFrame(p)
		kinds = append(kinds, f.kind)
		p = p[frameHeaderSize+f.length:]
	}
	return kinds
}

func (l *unitLab) send(write func(f *http2.Framer), before string) {
	l.t.Helper()
	frames := bytes.NewBufferString(before)
	write(http2.NewFramer(frames, nil))
	if _, err := l.client.Write(frames.Bytes()); err != nil {
		l.t.Fatal(err)
	}
}

// get opens streams by one write.
func (l *unitLab) get(ids ...uint32) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	l.send(func(f *http2.Framer) {
		for _, id := range ids {
			block.Reset()
			for _, field := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}} {
				_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
			}
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: bytes.Clone(block.Bytes()), EndHeaders: true, EndStream: true})
		}
	}, "")
}

func (l *unitLab) end() {
	_ = l.client.Close()
	if err := <-l.ended; err == nil {
		l.t.Error("no reason")
	}
}

func unitSame(t *testing.T, got []frameKind, want ...frameKind) {
	t.Helper()
	if string(unitBytes(got)) != string(unitBytes(want)) {
		t.Errorf("frames %v, want %v", got, want)
	}
}

func unitBytes(kinds []frameKind) (b []byte) {
	for _, k := range kinds {
		b = append(b, byte(k))
	}
	return b
}

func TestConn_SendsHeadAndBodyOfAResponseTogether(t *testing.T) {
	for name, size := range map[string]int{"small": 10, "large": 12 << 10} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := make(chan bool)
				lab := unitStart(t, func(w http.ResponseWriter, _ *http.Request) {
					<-begin
					_, _ = io.WriteString(w, strings.Repeat("x", size))
				})
				lab.get(1)
				synctest.Wait() // before it waits, who reads has what there is written
				close(begin)
				unitSame(t, lab.read(), frameHeaders, frameData)
				lab.end()
			})
		})
	}
}

func TestConn_WritesTogetherWhatCameDuringAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan bool)
		lab := unitStart(t, func(w http.ResponseWriter, _ *http.Request) {
			<-release
			_, _ = io.WriteString(w, "hello")
		})
		lab.get(1, 3, 5)
		release <- true
		synctest.Wait() // it is being written, and nobody reads
		release <- true
		release <- true
		synctest.Wait()
		unitSame(t, lab.read(), frameHeaders, frameData)
		unitSame(t, lab.read(), frameHeaders, frameData, frameHeaders, frameData)
		lab.end()
	})
}

func TestConn_KeepsNothingBackThatIsFlushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := make(chan bool)
		lab := unitStart(t, func(w http.ResponseWriter, _ *http.Request) {
			<-begin
			for range 3 {
				_, _ = io.WriteString(w, "event")
				_ = http.NewResponseController(w).Flush()
			}
		})
		lab.get(1)
		synctest.Wait() // before it waits, who reads has what there is written
		close(begin)
		unitSame(t, lab.read(), frameHeaders, frameData)
		unitSame(t, append(lab.read(), lab.read()...), frameData, frameData)
		unitSame(t, lab.read(), frameData) // which ends the stream
		lab.end()
	})
}

func TestConn_EndsWhenItsClientTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		failed := make(chan error, 1)
		lab := unitStart(t, func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					failed <- err
					return
				}
			}
		})
		lab.get(1)
		<-lab.ended
		if took := time.Since(began); took < time.Minute || took > 2*time.Minute {
			t.Errorf("it took %v", took)
		}
		if err := <-failed; err == nil {
			t.Error("the handler was told nothing")
		}
	})
}

func TestConn_HoldsNoBufferWhileItIdles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := unitStart(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
		for id := range uint32(3) {
			lab.get(2*id + 1)
			lab.read()
		}
		synctest.Wait()
		if c := lab.conn; c.out.buffer != nil || c.in.buffer() != nil || len(c.streams) != 0 || c.running != 0 {
			t.Errorf("it holds %d streams and %d handlers, and buffers", len(c.streams), c.running)
		}
		lab.end()
	})
}

func TestConn_ABodyIsReadAsItComesAndNotAfterItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bodies, pieces := make(chan io.Reader, 1), make(chan string)
		lab := unitStart(t, func(_ http.ResponseWriter, r *http.Request) {
			buffer := make([]byte, 100)
			for range 2 {
				n, _ := r.Body.Read(buffer)
				pieces <- string(buffer[:n])
			}
			bodies <- r.Body
		})
		var block bytes.Buffer
		encoder := hpack.NewEncoder(&block)
		for _, field := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}} {
			_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
		}
		lab.send(func(f *http2.Framer) {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
			_ = f.WriteData(1, false, []byte("one"))
		}, "")
		if got := <-pieces; got != "one" {
			t.Errorf("%q came first", got)
		}
		lab.send(func(f *http2.Framer) { _ = f.WriteData(1, false, []byte("two")) }, "")
		if got := <-pieces; got != "two" {
			t.Errorf("%q came next", got)
		}
		unitSame(t, lab.read(), frameHeaders)
		unitSame(t, lab.read(), frameReset)
		if n, err := (<-bodies).Read(make([]byte, 10)); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("%d bytes, %v", n, err)
		}
		lab.end()
	})
}
