package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// BenchmarkServer_HTTP2Get is four small GETs at a time on one connection with TLS
// on loopback, with a handler that does nothing else. The client writes and reads
// bytes, and costs next to nothing.
func BenchmarkServer_HTTP2Get(b *testing.B) {
	certificate, roots := wireCertificate(b)
	opts := wireOptions()
	opts.Log, opts.TLS = slog.New(slog.DiscardHandler), &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}}
	body := strings.Repeat("x", 1<<10)
	opts.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"text/plain"}
		_, _ = io.WriteString(w, body)
	})
	s := NewServer(opts)
	if err := s.Bind(b.Context(), []string{wireTLS}); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(context.Background()) }()
	defer func() { s.Close(); <-ended }()
	c, err := tls.Dial("tcp", s.Addrs()[wireTLS].String(), &tls.Config{RootCAs: roots, ServerName: "example.com", NextProtos: []string{"h2"}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	client := newHTTP2Bench(b, c)
	b.ReportAllocs()
	before := loopCPU(b)
	for b.Loop() {
		client.exchange(b)
	}
	b.ReportMetric(float64(loopCPU(b)-before)/float64(b.N)/http2BenchStreams, "cpu-ns/request")
}

const http2BenchStreams = 4

type http2Bench struct {
	net.Conn
	request []byte // http2BenchStreams heads, whose streams are filled in
	size    int    // of one
	next    uint32
	buffer  []byte
	in      []byte // of buffer
}

func newHTTP2Bench(b *testing.B, c net.Conn) *http2Bench {
	var head, frames bytes.Buffer
	encoder, framer := hpack.NewEncoder(&head), http2.NewFramer(&frames, nil)
	encode := func() []byte {
		head.Reset()
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "api.example.com"}, {":path", "/path?query"}, {"user-agent", "bench/1"}, {"accept", "*/*"}} {
			_ = encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		return bytes.Clone(head.Bytes())
	}
	frames.WriteString(http2.ClientPreface)
	_ = framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	_ = framer.WriteWindowUpdate(0, 1<<30)
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: encode(), EndHeaders: true, EndStream: true})
	if _, err := c.Write(frames.Bytes()); err != nil {
		b.Fatal(err)
	}
	frames.Reset()
	for range http2BenchStreams {
		_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: encode(), EndHeaders: true, EndStream: true})
	}
	bench := &http2Bench{Conn: c, request: frames.Bytes(), size: frames.Len() / http2BenchStreams, next: 3, buffer: make([]byte, 64<<10)}
	bench.await(b, 1)
	return bench
}

func (h *http2Bench) exchange(b *testing.B) {
	for i := range http2BenchStreams {
		binary.BigEndian.PutUint32(h.request[i*h.size+5:], h.next)
		h.next += 2
	}
	if _, err := h.Write(h.request); err != nil {
		b.Fatal(err)
	}
	h.await(b, http2BenchStreams)
}

// await reads until so many streams have ended.
func (h *http2Bench) await(b *testing.B, streams int) {
	for streams > 0 {
		h.in = h.buffer[:copy(h.buffer, h.in)]
		n, err := h.Read(h.buffer[len(h.in):])
		if err != nil {
			b.Fatal(err)
		}
		h.in = h.buffer[:len(h.in)+n]
		for len(h.in) >= 9 {
			length := 9 + int(h.in[0])<<16 + int(h.in[1])<<8 + int(h.in[2])
			if len(h.in) < length {
				break
			}
			if kind := http2.FrameType(h.in[3]); (kind == http2.FrameData || kind == http2.FrameHeaders) && h.in[4]&1 != 0 {
				streams--
			}
			h.in = h.in[length:]
		}
	}
}
