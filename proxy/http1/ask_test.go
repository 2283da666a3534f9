package http1

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// askSecond is a backend that answers the first request on each connection, and
// leaves the second to then. It says when it is done with a connection.
func askSecond(t *testing.T, then func(c *net.TCPConn, in *bufio.Reader)) (address string, done <-chan bool) {
	t.Helper()
	ended := make(chan bool, 100)
	return transportRaw(t, func(c *net.TCPConn, in *bufio.Reader) {
		defer func() { ended <- true }()
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		then(c, in)
	}), ended
}

// askedBefore is a Transport that keeps a connection to the address.
func askedBefore(t *testing.T, address string, change ...func(*Options)) *Transport {
	t.Helper()
	transport := transportFor(t, address, change...)
	if _, _, err := transportDo(t, transport, "GET", nil); err != nil {
		t.Fatal(err)
	}
	return transport
}

// awaitUnfit waits until the end of the connection that is kept has arrived.
func awaitUnfit(t *testing.T, transport *Transport) {
	t.Helper()
	kept := transport.idle[0].wire
	system, err := kept.socket.NetConn().(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := system.Read(func(uintptr) bool { return kept.pending() }); err != nil {
		t.Fatal(err)
	}
}

// swallow reads a request, and to its end what comes behind.
func swallow(in *bufio.Reader) {
	_, _ = http.ReadRequest(in)
	_, _ = io.Copy(io.Discard, in)
}

func TestTransport_ErrorOnAKeptConnectionSaysWhatTheBackendMayHaveSeen(t *testing.T) {
	for name, c := range map[string]struct {
		second func(c *net.TCPConn, in *bufio.Reader)
		change func(*Options)
		err    error
	}{
		"closed": {func(_ *net.TCPConn, in *bufio.Reader) { _, _ = http.ReadRequest(in) }, func(*Options) {}, ErrClosed},
		"reset":  {func(c *net.TCPConn, in *bufio.Reader) { _, _ = http.ReadRequest(in); _ = c.SetLinger(0) }, func(*Options) {}, ErrClosed},
		"silent": {func(_ *net.TCPConn, in *bufio.Reader) { swallow(in) }, func(o *Options) { o.ResponseHeaderTimeout = time.Millisecond }, ErrHeaderTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			address, done := askSecond(t, c.second)
			transport := askedBefore(t, address, c.change)
			_, _, err := transportDo(t, transport, "POST", strings.NewReader("body"))
			failed, ok := errors.AsType[*Error](err)
			if !ok || !failed.Wrote || !failed.Reused || !errors.Is(err, c.err) {
				t.Errorf("%+v", err)
			}
			transportWait(t, done, "end of the connection")
		})
	}
}

func TestTransport_ARequestOnAKeptConnectionEndsWithItsContext(t *testing.T) {
	asked := make(chan bool, 1)
	address, done := askSecond(t, func(_ *net.TCPConn, in *bufio.Reader) {
		_, _ = http.ReadRequest(in)
		asked <- true
		_, _ = io.Copy(io.Discard, in)
	})
	transport := askedBefore(t, address)
	why := errors.New("the client is gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-asked; cancel(why) }()
	_, _, err := transportDo(t, transport, "GET", nil, func(r *http.Request) { *r = *r.WithContext(ctx) })
	if failed, _ := errors.AsType[*Error](err); !errors.Is(err, why) || !failed.Wrote || !failed.Reused {
		t.Errorf("%+v", err)
	}
	transportWait(t, done, "end of the connection")
}

func TestTransport_AKeptConnectionThatIsClosedCountsForNothing(t *testing.T) {
	address, _ := askSecond(t, func(*net.TCPConn, *bufio.Reader) {})
	var refusing atomic.Bool
	refused := errors.New("refused")
	transport := askedBefore(t, address, func(o *Options) {
		dial := o.Dial
		o.Dial = func(ctx context.Context) (net.Conn, error) {
			if refusing.Load() {
				return nil, refused
			}
			return dial(ctx)
		}
	})
	awaitUnfit(t, transport)
	var closed atomic.Int32
	body := func(r *http.Request) { r.Body = &askBody{*strings.NewReader("body"), &closed} }
	if _, _, err := transportDo(t, transport, "POST", strings.NewReader("body"), body); err != nil {
		t.Error("there is no other connection:", err)
	}
	awaitUnfit(t, transport)
	refusing.Store(true)
	_, _, err := transportDo(t, transport, "POST", strings.NewReader("body"), body)
	if failed, _ := errors.AsType[*Error](err); !errors.Is(err, refused) || failed.Wrote {
		t.Errorf("without another connection: %+v", err)
	}
	if n := closed.Load(); n != 2 {
		t.Errorf("two bodies were closed %d times", n)
	}
}

// askBody is a body in memory that counts how often it is closed.
type askBody struct {
	strings.Reader
	closed *atomic.Int32
}

func (b *askBody) Close() error { b.closed.Add(1); return nil }

func TestTransport_ARequestThatTheSystemDoesNotTakeAtOnceIsSentWhole(t *testing.T) {
	long := strings.Repeat("x", 16<<20)
	address, _ := askSecond(t, func(c *net.TCPConn, in *bufio.Reader) {
		r, err := http.ReadRequest(in)
		if err == nil && r.Header.Get("X-Long") == long {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	transport := askedBefore(t, address)
	res, body, err := transportDo(t, transport, "GET", nil, func(r *http.Request) { r.Header.Set("X-Long", long) })
	if err != nil || body != "ok" {
		t.Errorf("%v %q %v", res, body, err)
	}
}

func TestTransport_AKeptConnectionThatTakesNoMoreOfARequestIsGivenUp(t *testing.T) {
	over := make(chan struct{})
	address, _ := askSecond(t, func(*net.TCPConn, *bufio.Reader) { <-over })
	t.Cleanup(func() { close(over) })
	transport := askedBefore(t, address, func(o *Options) { o.WriteTimeout = 50 * time.Millisecond })
	_, _, err := transportDo(t, transport, "GET", nil, func(r *http.Request) { r.Header.Set("X-Long", strings.Repeat("x", 64<<20)) })
	if failed, _ := errors.AsType[*Error](err); !errors.Is(err, ErrStalled) || !failed.Wrote || !failed.Reused {
		t.Errorf("%+v", err)
	}
}

func TestTransport_SendTellsThatARequestIsSentBeforeItIsAnswered(t *testing.T) {
	told := make(chan bool, 1)
	address, _ := askSecond(t, func(c *net.TCPConn, in *bufio.Reader) {
		_, _ = http.ReadRequest(in)
		<-told
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
	})
	transport := askedBefore(t, address)
	t.Cleanup(func() { close(told) }) // so that a request that nobody told of ends, too
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://backend/", nil)
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := transport.Send(r, func() { told <- true })
		answered <- err
	}()
	if err := transportWait(t, answered, "answer"); err != nil {
		t.Error(err)
	}
}

func TestTransport_ManyAtATimeGetTheirOwnAnswers(t *testing.T) {
	address := transportRaw(t, func(c *net.TCPConn, in *bufio.Reader) {
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"+r.Header.Get("X-Letter"))
		}
	})
	transport := transportFor(t, address, func(o *Options) { o.MaxConns = 3 })
	failed := make(chan error, 8)
	for i := range cap(failed) {
		letter := string(rune('a' + i))
		go func() {
			for range 200 {
				_, body, err := transportDo(t, transport, "GET", nil, func(r *http.Request) { r.Header.Set("X-Letter", letter) })
				if err == nil && body != letter {
					err = errors.New("the answer is another one's: " + body)
				}
				if err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for range cap(failed) {
		if err := transportWait(t, failed, "answers"); err != nil {
			t.Error(err)
		}
	}
}
