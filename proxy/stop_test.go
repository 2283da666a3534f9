package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestStop_LetsRequestsInFlightEnd(t *testing.T) {
	entered, leave := make(chan bool, 3), make(chan bool)
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		entered <- true
		<-leave
		_, _ = io.WriteString(w, "done")
	})
	type answer struct {
		body string
		err  error
	}
	answers := make(chan answer)
	for _, http2 := range []bool{true, false} {
		go func() {
			res, err := lab.client(http2).Get("https://" + lab.addr(wireTLS))
			if err != nil {
				answers <- answer{err: err}
				return
			}
			body, err := io.ReadAll(res.Body)
			answers <- answer{string(body), err}
		}()
		<-entered
	}
	lab.cancel()
	wireUntil(t, func() bool { return lab.server.draining.Load() })
	if c, err := net.Dial("tcp", lab.addr(wireTLS)); err == nil {
		t.Error("a new connection was accepted")
		_ = c.Close()
	}
	close(leave)
	for range 2 {
		if a := <-answers; a.err != nil || a.body != "done" {
			t.Errorf("%q, %v", a.body, a.err)
		}
	}
	if err := lab.stopped(); err != nil {
		t.Error(err)
	}
}

func TestStop_AnswersARequestThatWasOnItsWayAndEndsTheConnection(t *testing.T) {
	lab := wireStart(t, wireEcho)
	c := lab.dial(wirePlain)
	r := bufio.NewReader(c)
	request := func() *http.Response {
		wireSend(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		return res
	}
	if request().Close {
		t.Error("the connection was not kept")
	}
	lab.cancel()
	wireUntil(t, func() bool { return lab.server.draining.Load() })
	if !request().Close {
		t.Error("the answer does not say that the connection ends")
	}
	if err := lab.stopped(); err != nil {
		t.Error(err)
	}
}

func TestStop_EndsIdleConnectionsSoon(t *testing.T) {
	lab := wireStart(t, wireEcho)
	idle := []net.Conn{lab.dialTLS("http/1.1"), lab.dialTLS("h2"), lab.dial(wirePlain)}
	wireSend(t, idle[1], "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	wireSend(t, idle[2], "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	started := time.Now()
	if err := lab.stopped(); err != nil {
		t.Error(err)
	}
	// A second for the first request of HTTP/2, one after GOAWAY, and lingerQuiet.
	if took := time.Since(started); took > 20*time.Second {
		t.Errorf("stopping took %v", took)
	}
}

// Nobody waits for the end of a server that has been taken over from, and a client
// that closes an idle connection itself loses no request to it.
func TestStop_AfterAHandoverIdleConnectionsKeepTheirTime(t *testing.T) {
	lab := wireStart(t, wireEcho)
	c := lab.dialTLS("http/1.1")
	r := bufio.NewReader(c)
	answered := func() *http.Response {
		wireSend(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok")
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		return response
	}
	answered()
	timeouts := lab.server.opts.Timeouts
	timeouts.Handover = time.Minute
	lab.server.Configure(lab.server.opts.Limits, timeouts.HandedOver())
	lab.cancel()
	wireUntil(t, func() bool { return lab.server.draining.Load() })
	<-time.After(2 * drainIdle)
	if response := answered(); !response.Close {
		t.Error("the answer does not say that the connection ends")
	}
	if err := lab.stopped(); err != nil {
		t.Error(err)
	}
}

func TestTimeouts_OfAServerThatWasTakenOverFrom(t *testing.T) {
	before := Timeouts{Idle: 1, Drain: 2, Upgraded: 3, Handover: 4}
	after := before.HandedOver()
	if after.Drain != 4 || after.Upgraded != 4 || after.Idle != 1 || after.farewell() != 1 || before.farewell() != drainIdle {
		t.Errorf("%+v", after)
	}
}

func TestStop_EndsAConnectionWhoseHandshakeComesLate(t *testing.T) {
	for _, protocol := range []string{"h2", "http/1.1"} {
		lab := wireStart(t, wireEcho)
		raw := lab.dial(wireTLS)
		wireUntil(t, func() bool {
			lab.server.clients.mu.Lock()
			defer lab.server.clients.mu.Unlock()
			return len(lab.server.clients.open) == 1
		})
		lab.cancel()
		wireUntil(t, func() bool { return lab.server.draining.Load() })
		c := tls.Client(raw, &tls.Config{RootCAs: lab.roots, ServerName: "example.com", NextProtos: []string{protocol}})
		if protocol == "h2" {
			wireSend(t, c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
		} else if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := lab.stopped(); err != nil {
			t.Errorf("%s: %v", protocol, err)
		}
	}
}

func TestStop_CutsRequestsOffWhenTheTimeIsOver(t *testing.T) {
	entered := make(chan bool)
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		entered <- true
		<-r.Context().Done()
		if !errors.Is(context.Cause(r.Context()), ErrDraining) {
			t.Errorf("cause %v", context.Cause(r.Context()))
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}, func(o *Options) { o.Timeouts.Drain = 50 * time.Millisecond })
	result := make(chan int, 2)
	for _, http2 := range []bool{true, false} {
		go func() {
			res, err := lab.client(http2).Get("https://" + lab.addr(wireTLS))
			if err != nil {
				t.Error(err)
				result <- 0
				return
			}
			result <- res.StatusCode
		}()
		<-entered
	}
	if err := lab.stopped(); !errors.Is(err, errDrain) {
		t.Errorf("error %v", err)
	}
	for range 2 {
		if status := <-result; status != http.StatusServiceUnavailable {
			t.Errorf("status %d", status)
		}
	}
}

// wireUpgrade leaves HTTP and echoes until the connection ends.
func wireUpgrade(w http.ResponseWriter, _ *http.Request) {
	c, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	if n := buffered.Reader.Buffered(); n != 0 {
		panic("net/http holds bytes that are not its own")
	}
	_, _ = io.Copy(c, c)
}

func wireUpgraded(t *testing.T, c net.Conn, early string) *bufio.Reader {
	t.Helper()
	wireSend(t, c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"+early)
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", res, err)
	}
	return r
}

func TestUpgraded_ConnectionsCarryAnyBytes(t *testing.T) {
	lab := wireStart(t, wireUpgrade)
	for name, c := range map[string]net.Conn{"plain": lab.dial(wirePlain), "TLS": lab.dialTLS("http/1.1")} {
		early := "\x81\x00\r\n\r\nearly"
		r := wireUpgraded(t, c, early)
		wireSend(t, c, "\x00later\n")
		want := early + "\x00later\n"
		got := make([]byte, len(want))
		if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
			t.Errorf("%s: %q %v, want %q", name, got, err, want)
		}
	}
}

func TestUpgraded_ConnectionsEndAfterTheirOwnGrace(t *testing.T) {
	lab := wireStart(t, wireUpgrade, func(o *Options) { o.Timeouts.Upgraded = 2 * time.Second })
	c := lab.dial(wirePlain)
	r := wireUpgraded(t, c, "")
	lab.cancel()
	wireUntil(t, func() bool { return lab.server.draining.Load() })
	wireSend(t, c, "x")
	if b, err := r.ReadByte(); err != nil || b != 'x' {
		t.Errorf("the connection was cut before its grace was over: %v", err)
	}
	if err := lab.stopped(); err != nil {
		t.Error(err)
	}
	if _, err := r.ReadByte(); err == nil {
		t.Error("the connection outlived the server")
	}
}

func TestUpgraded_ARequestThatIsNotGrantedLeavesHTTPGuarded(t *testing.T) {
	lab := wireStart(t, wireEcho)
	c := lab.dial(wirePlain)
	wireSend(t, c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\nGET /bad HTTP/1.1\r\n\r\n")
	if statuses, bodies := wireAnswers(t, c); len(statuses) != 3 || statuses[1] != 200 || bodies[1] != "GET /next " || statuses[2] != 400 {
		t.Errorf("answers %v %q", statuses, bodies)
	}
}

func TestClose_EndsEverythingAtOnce(t *testing.T) {
	entered := make(chan bool)
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			wireUpgrade(w, r)
			return
		}
		entered <- true
		<-r.Context().Done()
	}, func(o *Options) { o.Timeouts.Drain, o.Timeouts.Upgraded = time.Hour, time.Hour })
	wireUpgraded(t, lab.dial(wirePlain), "")
	for _, http2 := range []bool{true, false} {
		go func() { _, _ = lab.client(http2).Get("https://" + lab.addr(wireTLS)) }()
		<-entered
	}
	lab.cancel()
	wireUntil(t, func() bool { return lab.server.draining.Load() })
	started := time.Now()
	lab.server.Close()
	if err := lab.stopped(); err == nil || !strings.Contains(err.Error(), "at once") {
		t.Errorf("error %v", err)
	}
	if took := time.Since(started); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

// wireUntil waits for something that has no channel.
func wireUntil(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(end) {
			t.Fatal("it did not happen")
		}
		time.Sleep(time.Millisecond)
	}
}
