package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// BenchmarkServer_KeepAliveGet is one small GET over TLS on loopback, from the
// client's write to the end of its answer, with a handler that does nothing
// else. The client writes and reads bytes, and costs next to nothing.
func BenchmarkServer_KeepAliveGet(b *testing.B) {
	for name, general := range map[string]bool{"loop": false, "general": true} {
		b.Run(name, func(b *testing.B) { loopBenchmark(b, general) })
	}
}

func loopBenchmark(b *testing.B, general bool) {
	certificate, roots := wireCertificate(b)
	opts := wireOptions()
	opts.generalOnly = general
	opts.Log, opts.TLS = slog.New(slog.DiscardHandler), &tls.Config{Certificates: []tls.Certificate{certificate}}
	opts.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"text/plain"}
		_, _ = io.WriteString(w, "hello")
	})
	s := NewServer(opts)
	if err := s.Bind(b.Context(), []string{wireTLS}); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(context.Background()) }()
	defer func() { s.Close(); <-ended }()
	c, err := tls.Dial("tcp", s.Addrs()[wireTLS].String(), &tls.Config{RootCAs: roots, ServerName: "example.com"})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	b.ReportAllocs()
	before := loopCPU(b)
	for b.Loop() {
		loopExchange(b, c, r)
	}
	b.ReportMetric(float64(loopCPU(b)-before)/float64(b.N), "cpu-ns/op")
}

// loopCPU is the processor time of this process, client included: wall time says
// nothing on a busy machine.
func loopCPU(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

const loopRequest = "GET /path?query HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: bench/1\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n"

// loopExchange sends a request and reads its answer, which ends in "hello".
func loopExchange(b *testing.B, c net.Conn, r *bufio.Reader) {
	if _, err := io.WriteString(c, loopRequest); err != nil {
		b.Fatal(err)
	}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			b.Fatal(err)
		}
		if len(line) == len("\r\n") {
			break
		}
	}
	if _, err := r.Discard(len("hello")); err != nil {
		b.Fatal(err)
	}
}
