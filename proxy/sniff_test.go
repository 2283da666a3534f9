package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// wireDripping sends one byte at a time.
type wireDripping struct{ net.Conn }

func (d wireDripping) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := d.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

func (d wireDripping) Read(p []byte) (int, error) { return d.Conn.Read(p[:min(1, len(p))]) }

func TestSniff_WorksForAClientThatSendsByteByByte(t *testing.T) {
	lab := wireStart(t, wireEcho)
	slow := tls.Client(wireDripping{lab.dial(wireTLS)}, &tls.Config{RootCAs: lab.roots, ServerName: "example.com"})
	for name, c := range map[string]net.Conn{"TLS": slow, "plain": wireDripping{lab.dial(wireTLS)}} {
		wireSend(t, c, "GET /"+name+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if _, bodies := wireAnswers(t, c); len(bodies) != 1 || bodies[0] != "GET /"+name+" " {
			t.Errorf("%s: %q", name, bodies)
		}
	}
}

func TestSniff_ClosesASilentConnection(t *testing.T) {
	lab := wireStart(t, wireEcho, func(o *Options) { o.Timeouts.Handshake = 50 * time.Millisecond })
	for name, first := range map[string]string{"silent": "", "silent in the handshake": "\x16\x03\x01"} {
		for _, endpoint := range []string{wireTLS, wirePlain} {
			c := lab.dial(endpoint)
			wireSend(t, c, first)
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
				t.Errorf("%s on %s: not closed", name, endpoint)
			}
		}
	}
}

func TestSniff_ASilentConnectionDelaysNobody(t *testing.T) {
	lab := wireStart(t, wireEcho)
	for range 20 {
		wireSend(t, lab.dial(wireTLS), "\x16")
		lab.dial(wireTLS)
	}
	if _, err := lab.client(true).Get("https://" + lab.addr(wireTLS)); err != nil {
		t.Error(err)
	}
}

func TestSniff_AnswersTLSOnAPlainPortWithAnAlert(t *testing.T) {
	lab := wireStart(t, wireEcho)
	c := tls.Client(lab.dial(wirePlain), &tls.Config{ServerName: "example.com"})
	if err := c.Handshake(); err == nil || !strings.Contains(err.Error(), "handshake failure") {
		t.Errorf("error %v, want an alert", err)
	}
	logTestEventually(t, "the log tells of it", func() bool { return strings.Contains(lab.log.String(), "plain HTTP only") })
}

func TestSniff_EndsAnACMEConnectionAfterItsHandshake(t *testing.T) {
	lab := wireStart(t, func(http.ResponseWriter, *http.Request) { t.Error("a request was served") })
	c := lab.dialTLS("acme-tls/1")
	if got := c.ConnectionState().NegotiatedProtocol; got != "acme-tls/1" {
		t.Errorf("protocol %q", got)
	}
	if n, err := io.Copy(io.Discard, c); n != 0 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
}

func TestSniff_TellsTheHandshakeWhereTheClientCame(t *testing.T) {
	came := make(chan string, 1)
	lab := wireStart(t, wireEcho, func(o *Options) {
		certificate := &o.TLS.Certificates[0]
		o.TLS = &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			came <- EndpointOf(hello.Context())
			return certificate, nil
		}}
	})
	lab.dialTLS("http/1.1")
	if got := <-came; got != wireTLS {
		t.Errorf("the handshake came to %q, not %q", got, wireTLS)
	}
	if got := EndpointOf(context.Background()); got != "" {
		t.Errorf("a context of no connection has the endpoint %q", got)
	}
}

func TestSniff_LogsAFailedHandshakeOnceAMinute(t *testing.T) {
	lab := wireStart(t, wireEcho)
	for range 5 {
		c := tls.Client(lab.dial(wireTLS), &tls.Config{ServerName: "example.com"}) // does not know the CA
		_ = c.Handshake()
		_, _ = io.Copy(io.Discard, c.NetConn())
	}
	if n := strings.Count(lab.log.String(), "level=INFO msg=\"a TLS handshake failed\""); n != 1 {
		t.Errorf("logged %d times:\n%s", n, lab.log)
	}
}

func FuzzSniffed_ReadsAllBytesInOrder(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\n"), 3)
	f.Add([]byte{0x16, 3, 1}, 1)
	f.Fuzz(func(t *testing.T, sent []byte, size int) {
		client, server := net.Pipe()
		go func() { _, _ = client.Write(sent); _ = client.Close() }()
		defer server.Close()
		s, err := sniff(server, new(headBuffers))
		if len(sent) == 0 {
			if err == nil {
				t.Error("sniffed a byte of nothing")
			}
			return
		}
		if err != nil || s.isTLS() != (sent[0] == 0x16) {
			t.Fatalf("%v, TLS %v for %q", err, s.isTLS(), sent)
		}
		got, err := io.ReadAll(iotest.OneByteReader(s))
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("read %q %v, want %q", got, err, sent)
		}
	})
}
