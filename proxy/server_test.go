package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

func TestServer_ServesHTTP1AndHTTP2AndPlainHTTPOnOnePort(t *testing.T) {
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		c := connOf(r.Context())
		w.Header().Set("X-Proto", r.Proto)
		if (c.tls != nil) != (r.TLS != nil) {
			t.Errorf("conn.tls is %v, r.TLS is %v", c.tls, r.TLS)
		}
		if c.tls != nil {
			w.Header().Set("X-TLS", "yes")
		}
		wireEcho(w, r)
	})
	for _, test := range []struct {
		url        string
		http2      bool
		proto, tls string
	}{
		{"https://" + lab.addr(wireTLS), true, "HTTP/2.0", "yes"},
		{"https://" + lab.addr(wireTLS), false, "HTTP/1.1", "yes"},
		{"http://" + lab.addr(wireTLS), false, "HTTP/1.1", ""},
		{"http://" + lab.addr(wirePlain), false, "HTTP/1.1", ""},
	} {
		client := lab.client(test.http2)
		for range 3 {
			res, err := client.Post(test.url+"/path", "text/plain", strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if got := string(body); got != "POST /path body" {
				t.Errorf("%s: %q", test.url, got)
			}
			if res.Header.Get("X-Proto") != test.proto || res.Header.Get("X-TLS") != test.tls {
				t.Errorf("%s: %v, want %s and TLS %q", test.url, res.Header, test.proto, test.tls)
			}
		}
	}
}

func TestServer_BindOpensAllEndpointsOrNone(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var opened []net.Listener
	opts := wireOptions()
	opts.Log = slog.New(slog.DiscardHandler)
	opts.Listen = func(ctx context.Context, network, address string) (net.Listener, error) {
		l, err := ListenTCP(ctx, network, address)
		if err == nil {
			opened = append(opened, l)
		}
		return l, err
	}
	s := NewServer(opts)
	err = s.Bind(t.Context(), []string{"127.0.0.1:0", taken.Addr().String()})
	var bind *BindError
	if !errors.Is(err, syscall.EADDRINUSE) || !errors.As(err, &bind) || bind.Endpoint != taken.Addr().String() {
		t.Errorf("error %v, want EADDRINUSE with the endpoint", err)
	}
	if len(s.Addrs()) != 0 || len(opened) != 1 {
		t.Fatalf("bound %v, opened %d", s.Addrs(), len(opened))
	}
	if _, err := opened[0].Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the first endpoint was left open: %v", err)
	}
}

func TestServer_BindSpeaksBothFamiliesOnAnAddressWithoutHost(t *testing.T) {
	lab := wireStart(t, wireEcho)
	if err := lab.server.Bind(t.Context(), []string{"http://:0", "http://[::1]:0"}); err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	_, port, _ := net.SplitHostPort(lab.server.Addrs()["http://:0"].String())
	for _, host := range []string{"127.0.0.1", "::1"} {
		c, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		_ = c.Close()
	}
}

func TestServer_SetHandlerServesTheNextRequestsOfOpenConnections(t *testing.T) {
	lab := wireStart(t, wireEcho)
	c := lab.dial(wirePlain)
	r := bufio.NewReader(c)
	for _, want := range []string{"GET / ", "new"} {
		wireSend(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(res.Body); string(body) != want {
			t.Errorf("answer %q, want %q", body, want)
		}
		lab.server.SetHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "new") }))
	}
}

func TestServer_CutsAResponseShortWithAReset(t *testing.T) {
	lab := wireStart(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	for name, c := range map[string]net.Conn{"plain": lab.dial(wirePlain), "TLS": lab.dialTLS("http/1.1")} {
		wireSend(t, c, "GET / HTTP/1.0\r\n\r\n") // the end of the connection ends the body
		if got, err := io.ReadAll(c); err == nil {
			t.Errorf("%s: %q looks complete", name, got)
		}
	}
	if strings.Contains(lab.log.String(), "fault in gateway") {
		t.Error("an aborted response was logged as a fault")
	}
}

func TestServer_LogsAFaultOfAHandlerOnce(t *testing.T) {
	lab := wireStart(t, func(http.ResponseWriter, *http.Request) { panic("surprise") })
	for _, http2 := range []bool{false, true} {
		if res, err := lab.client(http2).Get("https://" + lab.addr(wireTLS)); err == nil {
			t.Errorf("status %d, want an error", res.StatusCode)
		}
	}
	if n := strings.Count(lab.log.String(), "surprise"); n != 2 {
		t.Errorf("the fault stands %d times in the log, want 2:\n%s", n, lab.log)
	}
}

// wireExhausted is a listener that has no file descriptors for a while.
type wireExhausted struct {
	net.Listener
	failures atomic.Int64
}

func (l *wireExhausted) Accept() (net.Conn, error) {
	if l.failures.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

func TestServer_OutlivesALackOfFileDescriptors(t *testing.T) {
	lab := wireStart(t, wireEcho, func(o *Options) {
		o.Listen = func(ctx context.Context, network, address string) (net.Listener, error) {
			l, err := ListenTCP(ctx, network, address)
			exhausted := &wireExhausted{Listener: l}
			exhausted.failures.Store(4)
			return exhausted, err
		}
	})
	c := lab.dial(wirePlain)
	wireSend(t, c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if statuses, _ := wireAnswers(t, c); len(statuses) != 1 {
		t.Errorf("answers %v", statuses)
	}
	if n := strings.Count(lab.log.String(), "too many open files"); n != 2 { // one for each listener
		t.Errorf("logged %d times:\n%s", n, lab.log)
	}
}
