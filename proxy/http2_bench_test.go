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
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// BenchmarkServer_HTTP2Get is four small GETs at a time on one connection with TLS
// on loopback, with a handler that does nothing else. The client writes and reads
// bytes, and costs next to nothing.
func BenchmarkServer_HTTP2Get(b *testing.B) {
	body := strings.Repeat("x", 1<<10)
	c := dialHTTP2Bench(b, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"text/plain"}
		_, _ = io.WriteString(w, body)
	})
	client := newHTTP2Bench(b, c)
	b.ReportAllocs()
	before := loopCPU(b)
	for b.Loop() {
		client.exchange(b)
	}
	b.ReportMetric(float64(loopCPU(b)-before)/float64(b.N)/http2BenchStreams, "cpu-ns/request")
}

// BenchmarkServer_HTTP2Upload is one body without end, in the largest frames, each
// in a write, as most clients have it. The client's TLS is part of the figure.
func BenchmarkServer_HTTP2Upload(b *testing.B) {
	c := dialHTTP2Bench(b, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Body, make([]byte, 64<<10))
	})
	const frame, size = 16 << 10, 1 << 20
	var frames, block bytes.Buffer
	framer := http2.NewFramer(&frames, c)
	http2BenchHead(hpack.NewEncoder(&block), "POST")
	frames.WriteString(http2.ClientPreface)
	_ = framer.WriteSettings()
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	if _, err := c.Write(frames.Bytes()); err != nil {
		b.Fatal(err)
	}
	frames.Reset()
	_ = framer.WriteData(1, false, make([]byte, frame))
	window := newHTTP2BenchWindow()
	go window.read(framer)
	b.SetBytes(size)
	b.ReportAllocs()
	before := loopCPU(b)
	for b.Loop() {
		for range size / frame {
			window.take(frame)
			if _, err := c.Write(frames.Bytes()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(loopCPU(b)-before)/float64(b.N), "cpu-ns/MiB")
}

// http2BenchWindow is how much a client may send on stream 1 and on all of them.
type http2BenchWindow struct {
	mu           sync.Mutex
	wider        sync.Cond
	stream, conn int64
}

func newHTTP2BenchWindow() *http2BenchWindow {
	w := &http2BenchWindow{stream: 65535, conn: 65535}
	w.wider.L = &w.mu
	return w
}

func (w *http2BenchWindow) take(n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for min(w.stream, w.conn) < n {
		w.wider.Wait()
	}
	w.stream, w.conn = w.stream-n, w.conn-n
}

// read takes what the server has to say until it ends the connection.
func (w *http2BenchWindow) read(from *http2.Framer) {
	for {
		f, err := from.ReadFrame()
		if err != nil {
			return
		}
		w.mu.Lock()
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if size, found := f.Value(http2.SettingInitialWindowSize); found {
				w.stream += int64(size) - 65535
			}
		case *http2.WindowUpdateFrame:
			if f.StreamID == 0 {
				w.conn += int64(f.Increment)
			} else {
				w.stream += int64(f.Increment)
			}
		}
		w.wider.Signal()
		w.mu.Unlock()
	}
}

// dialHTTP2Bench connects to a server of its own.
func dialHTTP2Bench(b *testing.B, h http.HandlerFunc) net.Conn {
	certificate, roots := wireCertificate(b)
	opts := wireOptions()
	opts.Log, opts.TLS = slog.New(slog.DiscardHandler), &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}}
	opts.Handler = h
	s := NewServer(opts)
	if err := s.Bind(b.Context(), []string{wireTLS}); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(context.Background()) }()
	b.Cleanup(func() { s.Close(); <-ended })
	c, err := tls.Dial("tcp", s.Addrs()[wireTLS].String(), &tls.Config{RootCAs: roots, ServerName: "example.com", NextProtos: []string{"h2"}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	return c
}

// http2BenchHead writes the block of a request.
func http2BenchHead(encoder *hpack.Encoder, method string) {
	for _, f := range [][2]string{{":method", method}, {":scheme", "https"}, {":authority", "api.example.com"}, {":path", "/path?query"}, {"user-agent", "bench/1"}, {"accept", "*/*"}} {
		_ = encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
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
		http2BenchHead(encoder, "GET")
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
