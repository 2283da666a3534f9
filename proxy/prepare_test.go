package proxy

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// prepareChange has a running server listen on these endpoints and no others.
func prepareChange(t *testing.T, s *Server, endpoints ...string) {
	t.Helper()
	prepared, err := s.Prepare(t.Context(), endpoints)
	if err != nil {
		t.Fatal(err)
	}
	prepared.Commit()
}

// prepareAsk sends one request and returns its status, 0 if there was no answer.
func prepareAsk(c net.Conn) int {
	if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")); err != nil {
		return 0
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	return res.StatusCode
}

func TestPrepared_OpensAndClosesEndpointsWhileRequestsGoOn(t *testing.T) {
	lab := wireStart(t, wireEcho)
	old := lab.dial(wirePlain)
	if prepareAsk(old) != http.StatusOK { // it is accepted now
		t.Fatal("not served")
	}
	const added = "http://127.0.0.2:0"
	prepareChange(t, lab.server, wireTLS, added)
	if addrs := lab.server.Addrs(); len(addrs) != 2 || addrs[wirePlain] != nil {
		t.Errorf("bound %v", addrs)
	}
	for name, c := range map[string]net.Conn{"a connection of the closed endpoint": old, "a new one": lab.dial(added)} {
		if status := prepareAsk(c); status != http.StatusOK {
			t.Errorf("%s: status %d", name, status)
		}
	}
}

func TestPrepared_DiscardLeavesEverythingAsItWas(t *testing.T) {
	lab := wireStart(t, wireEcho)
	before := lab.server.Addrs()
	prepared, err := lab.server.Prepare(t.Context(), []string{"http://127.0.0.2:0"})
	if err != nil {
		t.Fatal(err)
	}
	prepared.Discard()
	if after := lab.server.Addrs(); len(after) != len(before) || after[wirePlain].String() != before[wirePlain].String() {
		t.Errorf("bound %v, was %v", after, before)
	}
	if status := prepareAsk(lab.dial(wirePlain)); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
}

func TestPrepared_NarrowsAndWidensAnAddressWithoutARefusedConnection(t *testing.T) {
	lab := wireStart(t, wireEcho)
	_, port, _ := net.SplitHostPort(lab.addr(wirePlain))
	narrow, wide := "http://127.0.0.1:"+port, "http://0.0.0.0:"+port
	lab.server.mu.Lock() // as if it had been written with its number
	lab.server.listeners[narrow] = lab.server.listeners[wirePlain]
	delete(lab.server.listeners, wirePlain)
	written, _ := ParseEndpoint(narrow)
	lab.server.listeners[narrow].endpoint.Store(&written)
	lab.server.mu.Unlock()

	var asked, failed, refused atomic.Int64
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				asked.Add(1)
				c, err := net.Dial("tcp", "127.0.0.1:"+port)
				if err != nil {
					failed.Add(1)
					if errors.Is(err, syscall.ECONNREFUSED) {
						refused.Add(1)
					}
					continue
				}
				if prepareAsk(c) != http.StatusOK {
					failed.Add(1)
				}
				c.Close()
			}
		})
	}
	for range 10 {
		prepareChange(t, lab.server, wireTLS, wide)
		prepareChange(t, lab.server, wireTLS, narrow)
	}
	close(stop)
	clients.Wait()
	// Between the last look at a queue and the close of its listener the kernel may
	// take one more in, and reset it. At no time nobody listens.
	t.Logf("%d connections during 20 changes at once: %d refused, %d reset", asked.Load(), refused.Load(), failed.Load()-refused.Load())
	if refused.Load() > 0 {
		t.Errorf("%d of %d connections were refused", refused.Load(), asked.Load())
	}
	if _, err := net.Listen("tcp4", "127.0.0.1:"+port); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("another may listen at our address: %v", err)
	}
}

func TestPrepared_MakesAnEndpointOfTLSAPlainOneInPlace(t *testing.T) {
	lab := wireStart(t, wireEcho)
	_, port, _ := net.SplitHostPort(lab.addr(wirePlain))
	lab.server.mu.Lock()
	l := lab.server.listeners[wirePlain]
	written, _ := ParseEndpoint("http://127.0.0.1:" + port)
	l.endpoint.Store(&written)
	delete(lab.server.listeners, wirePlain)
	lab.server.listeners[written.String()] = l
	lab.server.mu.Unlock()

	prepareChange(t, lab.server, wireTLS, "127.0.0.1:"+port)
	res, err := lab.client(true).Get("https://127.0.0.1:" + port + "/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.Proto != "HTTP/2.0" {
		t.Errorf("served by %s", res.Proto)
	}
}

// prepareSleepy is a listener whose Accept takes nobody until it is closed.
type prepareSleepy struct {
	*net.TCPListener
	closed chan struct{}
	once   sync.Once
}

func (l *prepareSleepy) Accept() (net.Conn, error) {
	<-l.closed
	return nil, net.ErrClosed
}

func (l *prepareSleepy) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.TCPListener.Close()
}

func TestPrepared_ServesThoseWhoWaitedWhenTheirListenerWasClosed(t *testing.T) {
	lab := wireStart(t, wireEcho, func(o *Options) {
		o.Listen = func(ctx context.Context, network, address string) (net.Listener, error) {
			l, err := ListenTCP(ctx, network, address)
			if err != nil || !strings.HasPrefix(address, "127.0.0.2") {
				return l, err
			}
			return &prepareSleepy{TCPListener: l.(*net.TCPListener), closed: make(chan struct{})}, nil
		}
	})
	const sleepy = "http://127.0.0.2:0"
	prepareChange(t, lab.server, wireTLS, sleepy)
	var waiting []net.Conn
	for range 20 {
		waiting = append(waiting, lab.dial(sleepy))
	}
	prepareChange(t, lab.server, wireTLS)
	for i, c := range waiting {
		if status := prepareAsk(c); status != http.StatusOK {
			t.Errorf("connection %d: status %d", i, status)
		}
	}
}

func TestServer_ConfigureCountsForNewConnectionsAndLeavesOpenOnesAlone(t *testing.T) {
	lab := wireStart(t, wireEcho)
	old := lab.dial(wirePlain)
	if prepareAsk(old) != http.StatusOK {
		t.Fatal("not served")
	}
	limits, timeouts := wireOptions().Limits, wireOptions().Timeouts
	limits.HeaderLines = 1
	limits.Streams = 5
	lab.server.Configure(limits, timeouts)
	ask := func(c net.Conn) int {
		wireSend(t, c, "GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nX-Two: 2\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode
	}
	if status := ask(old); status != http.StatusOK {
		t.Errorf("an open connection is held to the new limits: status %d", status)
	}
	if status := ask(lab.dial(wirePlain)); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a new connection is held to the old limits: status %d", status)
	}
}
