package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// routeRawBackend is a backend that answers each connection by hand.
func routeRawBackend(t *testing.T, serve func(c *net.TCPConn, r *http.Request)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					serve(c.(*net.TCPConn), r)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// routeAnswers is a backend that sends these bytes and closes.
func routeAnswers(t *testing.T, answer string) string {
	t.Helper()
	return routeRawBackend(t, func(c *net.TCPConn, _ *http.Request) { _, _ = io.WriteString(c, answer) })
}

func TestResponse_CutShortByTheBackendNeverLooksComplete(t *testing.T) {
	for name, answer := range map[string]string{
		"length":      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
		"chunked":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
		"bad chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
		"large chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n" + strings.Repeat("x", 50_000),
	} {
		t.Run(name, func(t *testing.T) {
			f := newServedFront(t, frontConfig(routeAnswers(t, answer)))
			bothProtocols(t, f, func(t *testing.T, client *http.Client) {
				res, err := client.Get("https://api.example.com/")
				if err == nil {
					defer res.Body.Close()
					_, err = io.ReadAll(res.Body)
				}
				if err == nil {
					t.Fatal("the response looked complete")
				}
				if x := frontWait(t, f.exchanges, "the exchange"); x.failure != "backend cut its response short" {
					t.Errorf("failure %q", x.failure)
				}
			})
		})
	}
}

func TestResponse_CutShortIsResetForHTTP10(t *testing.T) {
	url := routeAnswers(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
	f := newServedFront(t, frontConfig(url))
	t.Run("tls", func(t *testing.T) {
		c, r := f.raw(t)
		_, _ = io.WriteString(c, "GET / HTTP/1.0\r\nHost: api.example.com\r\n\r\n")
		if answer, err := io.ReadAll(r); err == nil {
			t.Errorf("%q looked complete", answer)
		}
	})
	t.Run("plain", func(t *testing.T) {
		f := newServedFront(t, frontConfig(url, func(c *Config) { c.Sites[0].Plain = "proxy" }))
		c, err := net.Dial("tcp", f.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, "GET / HTTP/1.0\r\nHost: api.example.com\r\n\r\n")
		if answer, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%q looked complete: %v", answer, err)
		}
	})
}

func TestResponse_OfAnHTTP10BackendEndsWithItsConnection(t *testing.T) {
	f := newServedFront(t, frontConfig(routeAnswers(t, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nwhole")))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		if res, body := frontGet(t, client, "https://api.example.com/"); res.StatusCode != 200 || body != "whole" {
			t.Errorf("%d %q", res.StatusCode, body)
		}
	})
}

func TestResponse_EventsAndChunksArriveWhenTheyAreWritten(t *testing.T) {
	next := make(chan struct{})
	backend := frontBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.URL.Query().Get("type"))
		if r.URL.Query().Get("length") != "" {
			w.Header().Set("Content-Length", "3")
		}
		for _, piece := range []string{"1", "2", "3"} {
			_, _ = io.WriteString(w, piece)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	})
	f := newServedFront(t, frontConfig(backend.URL))
	for _, query := range []string{"type=text/event-stream", "type=application/json", "type=text/event-stream&length=3", "type=text/plain&length=3"} {
		bothProtocols(t, f, func(t *testing.T, client *http.Client) {
			res, err := client.Get("https://api.example.com/?" + query)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			piece := make([]byte, 1)
			for _, want := range []string{"1", "2", "3"} {
				if _, err := io.ReadFull(res.Body, piece); err != nil || string(piece) != want {
					t.Fatalf("%s: %q %v", query, piece, err)
				}
				next <- struct{}{}
			}
		})
	}
}

func TestResponse_HeadArrivesBeforeAnyOfTheBody(t *testing.T) {
	release := make(chan struct{})
	backend := frontBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		<-release
	})
	f := newServedFront(t, frontConfig(backend.URL))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		res, err := client.Get("https://api.example.com/")
		if err != nil {
			t.Fatal(err)
		}
		release <- struct{}{}
		res.Body.Close()
	})
}

func TestResponse_InformationalHeadsAndTrailersPass(t *testing.T) {
	backend := frontBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", "42")
		w.Header().Set(http.TrailerPrefix+"X-Late", "43")
	})
	f := newServedFront(t, frontConfig(backend.URL))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		var hints textproto.MIMEHeader
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			if code == 103 {
				hints = h
			}
			return nil
		}})
		r, _ := http.NewRequestWithContext(ctx, "GET", "https://api.example.com/", nil)
		res, _ := frontDo(t, client, r)
		if hints.Get("Link") == "" {
			t.Error("no early hints")
		}
		if res.Trailer.Get("X-Sum") != "42" || res.Trailer.Get("X-Late") != "43" {
			t.Errorf("trailers %v", res.Trailer)
		}
	})
}

func TestResponse_HopByHopHeadersStayBehind(t *testing.T) {
	f := newServedFront(t, frontConfig(routeAnswers(t, "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\nUpgrade: h2c\r\n"+
		"X-Request-Id: other\r\nServer: backend\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n")))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		res, _ := frontGet(t, client, "https://api.example.com/")
		for _, name := range []string{"X-Hop", "Keep-Alive", "Proxy-Authenticate", "Upgrade", "Connection"} {
			if res.Header.Get(name) != "" {
				t.Errorf("%s passed", name)
			}
		}
		if ids := res.Header["X-Request-Id"]; len(ids) != 1 || ids[0] == "other" {
			t.Errorf("X-Request-Id %q", ids)
		}
		if len(res.Header["Set-Cookie"]) != 2 || res.Header.Get("Server") != "backend" {
			t.Errorf("%v", res.Header)
		}
	})
}

func TestResponse_WithoutContentTypeGetsNone(t *testing.T) {
	f := newServedFront(t, frontConfig(routeAnswers(t, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		res, body := frontGet(t, client, "https://api.example.com/")
		if kinds := res.Header["Content-Type"]; body != "<html>" || kinds != nil {
			t.Errorf("body %q came with Content-Type %q, which the backend did not send", body, kinds)
		}
	})
}

func TestResponse_IsNotCompressedOrDecompressed(t *testing.T) {
	backend := frontBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("Accept-Encoding %q was added", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "not really gzip")
	})
	f := newServedFront(t, frontConfig(backend.URL))
	if res, body := frontGet(t, f.client(t, false), "https://api.example.com/"); body != "not really gzip" || res.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%q %v", body, res.Header)
	}
}

func TestResponse_ClientThatLeavesEndsTheBackendsRequest(t *testing.T) {
	asked, gone := make(chan struct{}, 1), make(chan struct{}, 1)
	backend := frontBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/streaming" {
			_ = http.NewResponseController(w).Flush()
		}
		asked <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	})
	f := newServedFront(t, frontConfig(backend.URL))
	bothProtocols(t, f, func(t *testing.T, client *http.Client) {
		for _, path := range []string{"/waiting", "/streaming"} {
			ctx, cancel := context.WithCancel(t.Context())
			r, _ := http.NewRequestWithContext(ctx, "GET", "https://api.example.com"+path, nil)
			left := make(chan struct{})
			go func() {
				defer close(left)
				if res, err := client.Do(r); err == nil {
					_, _ = io.ReadAll(res.Body)
					res.Body.Close()
				}
			}()
			frontWait(t, asked, "the request")
			cancel()
			<-left
			frontWait(t, gone, "the end of the backend's request")
			if x := frontWait(t, f.exchanges, "the exchange"); x.failure != "client went away" {
				t.Errorf("%s: %q", path, x.failure)
			}
		}
	})
	if len(f.unreachable) > 0 {
		t.Error("the backend was blamed")
	}
}

func TestResponse_SlowReaderIsCut(t *testing.T) {
	backend := frontBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		piece := make([]byte, 1<<20)
		for range 64 {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	})
	f := newServedFront(t, frontConfig(backend.URL, func(c *Config) { c.Timeouts.Write = 200 * time.Millisecond }))
	wait := func(t *testing.T) {
		t.Helper()
		if x := frontWait(t, f.exchanges, "the end"); x.failure != "client read the response too slowly" {
			t.Errorf("failure %q", x.failure)
		}
	}
	t.Run("http1", func(t *testing.T) {
		c, _ := f.raw(t)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n")
		wait(t)
	})
	t.Run("http2", func(t *testing.T) {
		h := newRouteH2(t, f)
		h.headers(true, ":method", "GET", ":scheme", "https", ":path", "/", ":authority", "api.example.com")
		wait(t)
	})
}

func TestUpgrade_WebSocketPasses(t *testing.T) {
	backend := frontBackend(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, Subprotocols: []string{"chat"}})
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			kind, message, err := c.Read(r.Context())
			if err != nil {
				return
			}
			_ = c.Write(r.Context(), kind, append([]byte("echo "), message...))
		}
	})
	f := newServedFront(t, frontConfig(backend.URL, func(c *Config) { c.Timeouts.Body = 100 * time.Millisecond; c.Timeouts.Write = 100 * time.Millisecond }))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "wss://api.example.com/ws", &websocket.DialOptions{HTTPClient: f.client(t, false), Subprotocols: []string{"chat"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for i := range 3 {
		if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.Read(ctx); err != nil || string(got) != "echo hello" {
			t.Fatalf("message %d: %q, %v", i, got, err)
		}
		time.Sleep(120 * time.Millisecond) // longer than the timeouts of body and write, which must not count here
	}
}

func TestUpgrade_OnlyWebSocketReachesTheBackend(t *testing.T) {
	seen := make(chan *http.Request, 10)
	url := routeRawBackend(t, func(c *net.TCPConn, r *http.Request) {
		seen <- r
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+r.Header.Get("Upgrade")+"\r\n\r\n")
		_, _ = io.Copy(c, c)
	})
	f := newServedFront(t, frontConfig(url))
	for _, c := range []struct{ head, upgrade, status string }{
		{"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket", "websocket", "101"},
		{"GET / HTTP/1.1\r\nConnection: keep-alive, uPgrade\r\nUpgrade: h2c, WebSocket", "websocket", "101"},
		{"GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA", "", "502"},
		{"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: TLS/1.2", "", "502"},
		{"GET / HTTP/1.1\r\nUpgrade: websocket", "", "502"},
		{"POST / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0", "", "502"},
		{"GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket", "", "502"},
	} {
		conn, r := f.raw(t)
		fmt.Fprintf(conn, "%s\r\nHost: api.example.com\r\n\r\n", c.head)
		line, _ := r.ReadString('\n')
		if got := frontWait(t, seen, "the request"); got.Header.Get("Upgrade") != c.upgrade || !strings.Contains(line, " "+c.status+" ") {
			t.Errorf("%q: backend saw %q, answer %q", c.head, got.Header.Get("Upgrade"), line)
		}
		conn.Close()
	}
}

func TestUpgrade_HalfCloseReachesTheOtherSide(t *testing.T) {
	url := routeRawBackend(t, func(c *net.TCPConn, _ *http.Request) {
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		all, _ := io.ReadAll(c) // ends with the client's half
		_, _ = io.WriteString(c, "got "+string(all))
	})
	f := newServedFront(t, frontConfig(url))
	c, r := f.raw(t)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly")
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("%v %v", res, err)
	}
	_, _ = io.WriteString(c, " late")
	_ = c.CloseWrite()
	if rest, err := io.ReadAll(r); string(rest) != "got early late" {
		t.Errorf("%q, %v", rest, err)
	}
}
