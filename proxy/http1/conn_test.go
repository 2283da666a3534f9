package http1

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// transportRaw is a backend that answers each connection by hand.
func transportRaw(t *testing.T, serve func(c *net.TCPConn, in *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				serve(c.(*net.TCPConn), bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return l.Addr().String()
}

// transportDo sends a request and gives what came of it.
func transportDo(t *testing.T, transport *Transport, method string, body io.Reader, change ...func(*http.Request)) (*http.Response, string, error) {
	t.Helper()
	r, err := http.NewRequest(method, "http://backend/path", body)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(r)
	}
	res, err := transport.RoundTrip(r)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	return res, string(content), err
}

// transportEcho answers with the body, and not before all of it has come: from
// then on, net/http's server reads no more.
func transportEcho(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, _ = w.Write(body)
}

func transportWait[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(time.Minute):
		t.Fatal("no " + what)
		panic("unreachable")
	}
}

// streamed hides that a body is in memory.
func streamed(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) }

func TestTransport_OneConnectionCarriesOneRequestAfterTheOther(t *testing.T) {
	addresses := make(chan string, 100)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addresses <- r.RemoteAddr
		w.Header().Set("Trailer", "X-Sum")
		transportEcho(w, r)
		w.Header().Set("X-Sum", "1")
	}))
	defer backend.Close()
	transport := transportFor(t, backend.Listener.Addr().String())
	for _, body := range []string{"", "small", strings.Repeat("large", 100_000)} {
		for _, reader := range []io.Reader{strings.NewReader(body), streamed(body)} {
			if res, got, err := transportDo(t, transport, "POST", reader); err != nil || got != body || res.Trailer.Get("X-Sum") != "1" {
				t.Fatalf("%d bytes: %d %v", len(body), len(got), err)
			}
		}
	}
	first := <-addresses
	for len(addresses) > 0 {
		if next := <-addresses; next != first {
			t.Errorf("a request came over %s, the first over %s", next, first)
		}
	}
}

func TestTransport_TakesNoConnectionThatTheBackendHasClosed(t *testing.T) {
	closed := make(chan bool, 1)
	address := transportRaw(t, func(c *net.TCPConn, in *bufio.Reader) {
		if _, err := http.ReadRequest(in); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
		c.Close()
		closed <- true
	})
	transport := transportFor(t, address)
	for range 50 {
		if _, body, err := transportDo(t, transport, "POST", nil); body != "ok" || err != nil {
			t.Fatalf("%q %v", body, err)
		}
		transportWait(t, closed, "close")
	}
}

func TestTransport_TakesNoConnectionOnWhichSomethingCameUnasked(t *testing.T) {
	sent := make(chan bool, 1)
	address := transportRaw(t, func(c *net.TCPConn, in *bufio.Reader) {
		for {
			if _, err := http.ReadRequest(in); err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			_, _ = io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
			sent <- true
		}
	})
	transport := transportFor(t, address)
	for range 20 {
		if res, body, err := transportDo(t, transport, "GET", nil); body != "ok" || err != nil {
			t.Fatalf("%v %q %v", res, body, err)
		}
		transportWait(t, sent, "answer")
	}
}

func TestTransport_ErrorSaysWhatTheBackendMayHaveSeen(t *testing.T) {
	swallows := transportRaw(t, func(c *net.TCPConn, in *bufio.Reader) { _, _ = http.ReadRequest(in) })
	refusing := errors.New("refused")
	for name, c := range map[string]struct {
		transport *Transport
		wrote     bool
		err       error
	}{
		"swallowed": {transportFor(t, swallows), true, ErrClosed},
		"refused":   {transportFor(t, "", func(o *Options) { o.Dial = func(context.Context) (net.Conn, error) { return nil, refusing } }), false, refusing},
	} {
		_, _, err := transportDo(t, c.transport, "POST", strings.NewReader("body"))
		failed, ok := errors.AsType[*Error](err)
		if !ok || failed.Wrote != c.wrote || failed.Reused || !errors.Is(err, c.err) {
			t.Errorf("%s: %+v", name, err)
		}
	}
}

func TestTransport_UnsafeRequestsTakeOnlyYoungConnections(t *testing.T) {
	addresses := make(chan string, 10)
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { addresses <- r.RemoteAddr }))
	defer backend.Close()
	transport := transportFor(t, backend.Listener.Addr().String(), func(o *Options) { o.IdleTimeoutUnsafe, o.MaxConns = time.Nanosecond, 1 })
	var came []string
	for _, method := range []string{"GET", "GET", "POST"} {
		if _, _, err := transportDo(t, transport, method, nil); err != nil {
			t.Fatal(err)
		}
		came = append(came, <-addresses)
	}
	if came[0] != came[1] || came[2] == came[1] {
		t.Errorf("GET, GET, POST came over %v", came)
	}
}

func TestTransport_OneOverTheLimitWaitsAndThenGivesUp(t *testing.T) {
	release := make(chan struct{})
	asked := make(chan struct{}, 10)
	backend := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{}; <-release }))
	defer backend.Close()
	patience := 20 * time.Millisecond
	transport := transportFor(t, backend.Listener.Addr().String(), func(o *Options) { o.MaxConns, o.MaxConnsWait = 1, patience })
	results := make(chan error, 2)
	do := func() { _, _, err := transportDo(t, transport, "GET", nil); results <- err }
	go do()
	transportWait(t, asked, "first request")
	if _, _, err := transportDo(t, transport, "GET", nil); !errors.Is(err, ErrBusy) {
		t.Errorf("error %v", err)
	}
	transport.options.MaxConnsWait = time.Minute
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := transportDo(t, transport, "GET", nil, func(r *http.Request) { *r = *r.WithContext(ctx) }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	go do()
	close(release)
	for range 2 {
		if err := transportWait(t, results, "answer"); err != nil {
			t.Error(err)
		}
	}
}

func TestTransport_EndsWhatTakesTooLong(t *testing.T) {
	silent := transportRaw(t, func(_ *net.TCPConn, in *bufio.Reader) { _, _ = io.Copy(io.Discard, in) })
	over := make(chan struct{})
	deaf := transportRaw(t, func(*net.TCPConn, *bufio.Reader) { <-over })
	t.Cleanup(func() { close(over) })
	body := func() io.Reader { return io.LimitReader(zeros{}, 1<<30) }
	for name, c := range map[string]struct {
		address string
		body    io.Reader
		change  func(*Options)
		err     error
	}{
		"head":   {silent, nil, func(o *Options) { o.ResponseHeaderTimeout = time.Millisecond }, ErrHeaderTimeout},
		"upload": {deaf, body(), func(o *Options) { o.WriteTimeout = 50 * time.Millisecond }, ErrStalled},
	} {
		_, _, err := transportDo(t, transportFor(t, c.address, c.change), "POST", c.body)
		if failed, _ := errors.AsType[*Error](err); !errors.Is(err, c.err) || !failed.Wrote {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestTransport_EndsWithItsContext(t *testing.T) {
	gone := make(chan bool, 10)
	asked := make(chan bool, 10)
	address := transportRaw(t, func(c *net.TCPConn, in *bufio.Reader) {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if r.Method == "GET" {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12")
		}
		asked <- true
		_, _ = io.Copy(io.Discard, in)
		gone <- true
	})
	why := errors.New("the client is gone")
	for _, method := range []string{"GET", "POST"} {
		ctx, cancel := context.WithCancelCause(context.Background())
		go func() { <-asked; cancel(why) }()
		_, _, err := transportDo(t, transportFor(t, address), method, nil, func(r *http.Request) { *r = *r.WithContext(ctx) })
		if !errors.Is(err, why) {
			t.Errorf("%s: %v", method, err)
		}
		transportWait(t, gone, "end of the connection")
	}
}

func TestTransport_AnswerToAnUploadThatIsNotWantedArrives(t *testing.T) {
	address := transportRaw(t, func(c *net.TCPConn, in *bufio.Reader) {
		if _, err := http.ReadRequest(in); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
		}
	})
	for range 20 {
		if res, body, err := transportDo(t, transportFor(t, address), "PUT", io.LimitReader(zeros{}, 20<<20)); err != nil || res.StatusCode != 413 || body != "no" {
			t.Fatalf("%v %q %v", res, body, err)
		}
	}
}

func TestTransport_BodyIsSentWhenTheBackendAsksForItOrSaysNothing(t *testing.T) {
	address := transportRaw(t, func(c *net.TCPConn, in *bufio.Reader) {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		switch r.Header.Get("X-Say") {
		case "continue":
			_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
		case "no":
			_, _ = io.WriteString(c, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
			rest, _ := io.ReadAll(in)
			if len(rest) > 0 {
				t.Errorf("%q was sent", rest)
			}
			return
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+string(body))
	})
	for say, want := range map[string]int{"continue": 200, "nothing": 200, "no": 401} {
		patience := time.Minute
		if say == "nothing" {
			patience = time.Millisecond
		}
		transport := transportFor(t, address, func(o *Options) { o.ExpectContinueTimeout = patience })
		res, body, err := transportDo(t, transport, "POST", strings.NewReader("body"), func(r *http.Request) {
			r.Header.Set("Expect", "100-continue")
			r.Header.Set("X-Say", say)
		})
		if err != nil || res.StatusCode != want || want == 200 && body != "body" {
			t.Errorf("%s: %v %q %v", say, res, body, err)
		}
	}
}

func TestTransport_ABodyThatTurnsOutToBeEmptyIsNotSentInChunks(t *testing.T) {
	seen := make(chan []string, 1)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.TransferEncoding
		transportEcho(w, r)
	}))
	defer backend.Close()
	for _, c := range []struct {
		method, body string
		chunked      bool
	}{{"GET", "", false}, {"DELETE", "", false}, {"POST", "", true}, {"GET", "body", true}} {
		_, body, err := transportDo(t, transportFor(t, backend.Listener.Addr().String()), c.method, streamed(c.body))
		if codings := <-seen; err != nil || body != c.body || (len(codings) > 0) != c.chunked {
			t.Errorf("%s with body %q: %v %q %v", c.method, c.body, codings, body, err)
		}
	}
}

func TestTransport_TellsOfInterimResponses(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a>")
		w.WriteHeader(http.StatusEarlyHints)
	}))
	defer backend.Close()
	var links []string
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		links = append(links, h.Get("Link"))
		return nil
	}}
	res, _, err := transportDo(t, transportFor(t, backend.Listener.Addr().String()), "GET", nil, func(r *http.Request) {
		*r = *r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
	})
	if err != nil || res.StatusCode != 200 || len(links) != 1 || links[0] != "</a>" {
		t.Errorf("%v %v %v", res, links, err)
	}
}

func TestTransport_UpgradeGivesBothDirections(t *testing.T) {
	address := transportRaw(t, func(c *net.TCPConn, in *bufio.Reader) {
		if _, err := http.ReadRequest(in); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly ")
			_, _ = io.Copy(c, in)
		}
	})
	r, _ := http.NewRequest("GET", "http://backend/", nil)
	r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"echo"}}
	res, err := transportFor(t, address).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	both := res.Body.(io.ReadWriter)
	_, _ = io.WriteString(both, "late")
	if err := both.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Error(err)
	}
	if all, err := io.ReadAll(both); string(all) != "early late" || err != nil {
		t.Errorf("%q %v", all, err)
	}
}

func TestTransport_SpeaksTLSAndTakesItsMessagesForNoAnswer(t *testing.T) {
	addresses := make(chan string, 100)
	backend := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addresses <- r.RemoteAddr
		transportEcho(w, r)
	}))
	defer backend.Close()
	trusted := backend.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	transport := transportFor(t, backend.Listener.Addr().String(), func(o *Options) {
		o.TLS, o.TLSHandshakeTimeout = &tls.Config{RootCAs: trusted, ServerName: "example.com"}, time.Minute
	})
	large := string(bytes.Repeat([]byte("x"), 1<<20))
	for _, body := range []string{"small", large, "small"} { // behind the first come session tickets
		if res, got, err := transportDo(t, transport, "POST", strings.NewReader(body)); err != nil || got != body || res.TLS == nil {
			t.Fatalf("%d bytes: %d %v", len(body), len(got), err)
		}
	}
	if a, b, c := <-addresses, <-addresses, <-addresses; a != b || b != c {
		t.Errorf("requests came over %s, %s, %s", a, b, c)
	}
	backend.CloseClientConnections()
	if _, _, err := transportDo(t, transport, "POST", strings.NewReader("again")); err != nil {
		t.Error(err)
	}
}

func TestTransport_LeavesNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	backend := httptest.NewServer(http.HandlerFunc(transportEcho))
	defer backend.Close()
	transport := transportFor(t, backend.Listener.Addr().String())
	for range 3 {
		if _, _, err := transportDo(t, transport, "POST", streamed(strings.Repeat("x", 100_000))); err != nil {
			t.Error(err)
		}
	}
	transport.Close()
	if _, _, err := transportDo(t, transport, "GET", nil); err != nil {
		t.Error("a closed transport sends requests still, but keeps no connection:", err)
	}
	if transport.open != 0 || len(transport.idle) != 0 || len(transport.busy) != 0 {
		t.Errorf("%d connections are open, %d idle, %d busy", transport.open, len(transport.idle), len(transport.busy))
	}
}
