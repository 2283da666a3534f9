package http2

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// leadPost opens a stream for a body.
func (l *unitLab) leadPost(id uint32) {
	l.t.Helper()
	l.send(func(f *http2.Framer) { leadHead(f, id, "POST", false) }, "")
}

func leadHead(f *http2.Framer, id uint32, method string, end bool) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{{":method", method}, {":scheme", "https"}, {":authority", "a"}, {":path", fmt.Sprintf("/%d", id)}} {
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end})
}

// leadData sends so many frames of a body, each as large as can be.
func (l *unitLab) leadData(id uint32, frames int, end bool) {
	l.t.Helper()
	for i := range frames {
		l.send(func(f *http2.Framer) { _ = f.WriteData(id, end && i == frames-1, make([]byte, maxFrame)) }, "")
		synctest.Wait()
	}
}

func (l *unitLab) ping() {
	l.t.Helper()
	l.send(func(f *http2.Framer) { _ = f.WritePing(false, [8]byte{1}) }, "")
}

func (l *unitLab) mustLead(whether bool) {
	l.t.Helper()
	l.conn.mu.Lock()
	defer l.conn.mu.Unlock()
	if leads := l.conn.lead.to != nil && l.conn.lead.reading; leads != whether {
		l.t.Fatalf("a reader of a body reads the connection: %v", leads)
	}
}

// leadStart has a handler read a body that is so large that its reader reads the
// connection.
func leadStart(t *testing.T, h http.HandlerFunc) *unitLab {
	t.Helper()
	lab := unitStart(t, h)
	lab.leadPost(1)
	lab.leadData(1, 6, false)
	return lab
}

func TestLead_TheReaderOfALargeBodyReadsTheConnectionUntilItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bodies := make(chan int64, 1)
		lab := leadStart(t, func(_ http.ResponseWriter, r *http.Request) {
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Body, make([]byte, 64<<10))
			if err != nil {
				t.Error(err)
			}
			bodies <- n
		})
		lab.mustLead(true)
		lab.leadData(1, 5, false)
		lab.mustLead(true)
		lab.leadData(1, 1, true)
		if n := <-bodies; n != 12*maxFrame {
			t.Errorf("%d bytes", n)
		}
		unitSame(t, lab.read(), frameHeaders)
		synctest.Wait()
		lab.mustLead(false)
		lab.get(3)
		lab.end()
	})
}

func TestLead_IsNotForSmallBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := unitStart(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
		lab.leadPost(1)
		lab.leadData(1, 3, false)
		lab.mustLead(false)
		lab.end()
	})
}

func TestLead_OtherFramesAreTakenAtOnceWhileABodyIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := leadStart(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
		began := time.Now()
		lab.mustLead(true)
		lab.ping()
		unitSame(t, lab.read(), framePing)
		lab.get(3)
		unitSame(t, lab.read(), frameHeaders)
		lab.leadData(1, 1, false)
		lab.mustLead(true)
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %v", took)
		}
		lab.end()
	})
}

// A backend that takes nothing keeps the reader of a body away from reading.
func TestLead_OtherFramesAreTakenSoonWhileABodyIsOnItsWayToSomebodySlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan bool)
		lab := leadStart(t, func(w http.ResponseWriter, r *http.Request) {
			buffer := make([]byte, 64<<10)
			for range 8 {
				_, _ = r.Body.Read(buffer)
			}
			<-release
			_, _ = io.Copy(io.Discard, r.Body)
		})
		lab.leadData(1, 2, false)
		lab.conn.mu.Lock()
		if lab.conn.lead.to == nil || lab.conn.lead.reading {
			t.Error("the reader has not left with the lead")
		}
		lab.conn.mu.Unlock()
		began := time.Now()
		lab.ping()
		unitSame(t, lab.read(), framePing)
		if took := time.Since(began); took > 2*leadTime {
			t.Errorf("it took %v", took)
		}
		lab.leadData(1, 6, false)
		lab.mustLead(false)
		close(release)
		synctest.Wait()
		lab.leadData(1, 1, false)
		lab.mustLead(true)
		lab.end()
	})
}

func TestLead_AResponseThatWaitsForItsWindowIsToldOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := make(chan time.Duration, 1)
		lab := leadStart(t, func(w http.ResponseWriter, r *http.Request) {
			buffer := make([]byte, 64<<10)
			for range 8 {
				_, _ = r.Body.Read(buffer)
			}
			began := time.Now()
			_, _ = w.Write(make([]byte, firstWindow+1))
			sent <- time.Since(began)
		})
		lab.leadData(1, 2, false)
		go func() { _, _ = io.Copy(io.Discard, lab.client) }()
		synctest.Wait()
		lab.send(func(f *http2.Framer) { _ = f.WriteWindowUpdate(1, 1); _ = f.WriteWindowUpdate(0, 1) }, "")
		if took := <-sent; took > 0 {
			t.Errorf("it took %v", took)
		}
		lab.end()
	})
}

func TestLead_ComesBackFromAReaderWhoseRequestIsOver(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(w http.ResponseWriter, r *http.Request)
		want error
	}{
		"by its handler":        {func(http.ResponseWriter, *http.Request) {}, http.ErrBodyReadAfterClose},
		"by closing it":         {func(_ http.ResponseWriter, r *http.Request) { _ = r.Body.Close() }, http.ErrBodyReadAfterClose},
		"by a deadline to come": {leadDeadline(time.Second), os.ErrDeadlineExceeded},
		"by one that is over":   {leadDeadline(-time.Second), os.ErrDeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				over, ended := make(chan bool), make(chan error, 1)
				lab := leadStart(t, func(w http.ResponseWriter, r *http.Request) {
					if r.Method == "GET" {
						return
					}
					go func() {
						_, err := io.Copy(io.Discard, r.Body)
						ended <- err
					}()
					<-over
					test.end(w, r)
				})
				lab.mustLead(true)
				over <- true
				if err := <-ended; !errors.Is(err, test.want) {
					t.Errorf("the reader was told %v", err)
				}
				lab.mustLead(false)
				unitSame(t, lab.read(), frameHeaders)
				lab.get(3)
				unitSame(t, lab.read(), frameHeaders)
				lab.end()
			})
		})
	}
}

// leadDeadline has reading end after a while.
func leadDeadline(after time.Duration) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(after))
		<-time.After(2 * time.Second)
	}
}

func TestLead_AClientThatGoesAwayEndsTheReaderAndTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		lab := leadStart(t, func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			ended <- err
		})
		lab.mustLead(true)
		lab.end()
		if err := <-ended; !errors.Is(err, ErrDisconnected) {
			t.Errorf("the reader was told %v", err)
		}
	})
}

func TestLead_AFaultThatTheReaderOfABodyMeetsEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lab := leadStart(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
		lab.mustLead(true)
		lab.send(func(f *http2.Framer) { _ = f.WriteData(99, false, make([]byte, 10)) }, "")
		unitSame(t, lab.read(), frameGoAway)
		if err, ok := errors.AsType[connError](<-lab.ended); !ok || err.code != codeProtocol {
			t.Errorf("it ends with %v", err)
		}
	})
}

// A DATA frame may come as slowly as its stream allows, wherever it is cut.
func TestConn_TheTimeForAFrameDoesNotBoundTheDataOfABody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bodies := make(chan string, 1)
		lab := unitStart(t, func(_ http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			bodies <- fmt.Sprint(string(b), err)
		})
		lab.leadPost(1)
		for _, part := range []string{"\x00\x00", "\x05\x00\x01\x00\x00\x00\x01", "he", "llo"} {
			if _, err := io.WriteString(lab.client, part); err != nil {
				t.Fatal(err)
			}
			if part != "\x00\x00" && part != "llo" {
				<-time.After(2 * time.Minute)
			}
		}
		if got := <-bodies; got != "hello<nil>" {
			t.Error(got)
		}
		unitSame(t, lab.read(), frameHeaders)
		lab.end()
	})
}

// leadScript is what a client sends, and in which pieces.
type leadScript struct {
	wire []byte
	cuts *rand.Rand
}

// newLeadScript makes of a fuzzer's choices bodies of three streams, with other
// frames between them.
func newLeadScript(choices []byte, cut uint64) leadScript {
	var wire bytes.Buffer
	f := http2.NewFramer(&wire, nil)
	f.AllowIllegalWrites = true
	for id := range uint32(3) {
		leadHead(f, 2*id+1, "POST", false)
	}
	for i, choice := range choices[:min(len(choices), 60)] {
		id := uint32(choice%3)*2 + 1
		switch choice >> 2 % 16 {
		case 0:
			_ = f.WritePing(false, [8]byte{byte(i)})
		case 1:
			_ = f.WriteDataPadded(id, false, bytes.Repeat([]byte{choice}, int(choice)), make([]byte, choice))
		case 2:
			leadHead(f, uint32(2*i+7), "GET", true)
		case 3:
			_ = f.WriteRSTStream(id, http2.ErrCodeCancel)
		case 4:
			_ = f.WriteData(id, true, nil)
		default:
			_ = f.WriteData(id, choice > 250, bytes.Repeat([]byte{byte(i)}, int(choice)*60))
		}
	}
	return leadScript{wire.Bytes(), rand.New(rand.NewPCG(cut, 0))}
}

// leadOutcome is what came of a script.
type leadOutcome struct {
	bodies []string // as the handlers have read them
	pongs  int
	err    string // of the connection
}

// play sends the script to a server that lends the lead after so many bytes.
func (s leadScript) play(t *testing.T, leadAfter int64) (seen leadOutcome) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		var mu sync.Mutex
		server := NewServer(Options{
			Handler: leadReader(&mu, &seen), MaxStreams: 100, MaxHeaderList: 10 << 10, Date: func() string { return "now" },
			HeaderTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: time.Hour,
		})
		server.leadAfter = leadAfter
		ended := make(chan error, 1)
		go func() { ended <- server.NewConn(ours, drainOwner{}).Serve(context.Background()) }()
		var reading sync.WaitGroup
		reading.Go(func() { seen.pongs = leadPongs(theirs) })
		go func() {
			defer theirs.Close()
			for wire := append([]byte(http2.ClientPreface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"), s.wire...); len(wire) > 0; {
				n, err := theirs.Write(wire[:min(len(wire), 1+s.cuts.IntN(40<<10))])
				if err != nil {
					return
				}
				wire = wire[n:]
				if s.cuts.IntN(2) == 0 {
					synctest.Wait()
				}
			}
			<-time.After(10 * leadTime)
		}()
		seen.err = (<-ended).Error()
		reading.Wait()
		slices.Sort(seen.bodies)
	})
	return seen
}

// leadReader reads bodies to their ends, in pieces of all sizes, and answers nothing.
func leadReader(mu *sync.Mutex, seen *leadOutcome) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		sum, n := sha256.New(), 0
		for i := 0; ; i++ {
			buffer := make([]byte, 1+i*i%(80<<10))
			read, err := r.Body.Read(buffer)
			n += read
			sum.Write(buffer[:read])
			if err == nil {
				continue
			}
			mu.Lock()
			defer mu.Unlock()
			if err == io.EOF { // how much of the others is read is a matter of luck
				seen.bodies = append(seen.bodies, fmt.Sprintf("%s %s %d %x", r.Method, r.URL, n, sum.Sum(nil)))
			} else {
				seen.bodies = append(seen.bodies, fmt.Sprintf("%s %s breaks off", r.Method, r.URL))
			}
			return
		}
	}
}

func leadPongs(c net.Conn) (n int) {
	framer := http2.NewFramer(io.Discard, c)
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			return n
		}
		if ping, ok := f.(*http2.PingFrame); ok && ping.IsAck() {
			n++
		}
	}
}

// Who reads a connection must make no difference to anybody.
func FuzzLead_MakesNoDifference(f *testing.F) {
	random := rand.New(rand.NewPCG(9113, 6))
	for i := range 50 {
		choices := make([]byte, 10+random.IntN(50))
		for i := range choices {
			choices[i] = byte(random.Uint32())
		}
		f.Add(choices, uint64(i))
	}
	f.Fuzz(func(t *testing.T, choices []byte, cut uint64) {
		lent, never := newLeadScript(choices, cut).play(t, 0), newLeadScript(choices, cut).play(t, math.MaxInt64)
		if !slices.Equal(lent.bodies, never.bodies) || lent.pongs != never.pongs || lent.err != never.err {
			t.Errorf("%+v\nwithout the lead %+v", lent, never)
		}
	})
}
