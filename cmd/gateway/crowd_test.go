package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestCrowd_TenThousandIdleConnectionsAreAllServedAfterwards opens 10,000 TLS
// connections that say nothing, and then asks once on each.
func TestCrowd_TenThousandIdleConnectionsAreAllServedAfterwards(t *testing.T) {
	const crowd = 10000
	p, port := crowdGateway(t, crowd)
	before := residentPeak(t, p.cmd.Process.Pid)
	open := crowdOpen(t, crowd, port, "http/1.1", func(net.Conn) error { return nil })
	perConnection := float64(residentPeak(t, p.cmd.Process.Pid)-before) / crowd

	var mu sync.Mutex
	served := 0
	inParallel(crowd, func(i int) {
		if open[i] != nil && askOnce(open[i]) == nil {
			mu.Lock()
			served++
			mu.Unlock()
		}
	})
	t.Logf("%d of %d idle connections served; %.1f KiB each while idle", served, crowd, perConnection)
	if served != crowd {
		t.Errorf("%d of %d connections were served", served, crowd)
	}
}

// TestCrowd_AnIdleHTTP2ConnectionTakesLittleMemory opens connections that are
// served a request each, as browsers leave them behind.
func TestCrowd_AnIdleHTTP2ConnectionTakesLittleMemory(t *testing.T) {
	const crowd, most = 4000, 50 // KiB, with what the handshakes have left for the garbage collector
	p, port := crowdGateway(t, crowd)
	before := residentPeak(t, p.cmd.Process.Pid)
	crowdOpen(t, crowd, port, "h2", askOnceHTTP2)
	perConnection := float64(residentPeak(t, p.cmd.Process.Pid)-before) / crowd
	t.Logf("%.1f KiB for an idle HTTP/2 connection", perConnection)
	if perConnection > most {
		t.Errorf("an idle HTTP/2 connection takes %.1f KiB, more than %d", perConnection, most)
	}
}

// crowdGateway serves the name api.example.com to so many connections.
func crowdGateway(t *testing.T, crowd uint64) (p *process, port int) {
	t.Helper()
	needDescriptors(t, crowd+1000)
	ca := newAuthority(t)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "served") }))
	t.Cleanup(backend.Close)
	port = freePort(t)
	return startGateway(t, builtGateway(t), oneSite(t, ca.install(t, "api.example.com"), port, backend.URL, "[log]\naccess = ''")), port
}

// crowdOpen opens connections, uses each of them once, and closes them after the
// test. One that could not be had is nil.
func crowdOpen(t *testing.T, crowd, port int, protocol string, use func(net.Conn) error) []net.Conn {
	t.Helper()
	// Handshakes are what this spends its time with, and are tested elsewhere.
	settings := &tls.Config{ServerName: "api.example.com", InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.CurveP256}, NextProtos: []string{protocol}}
	open := make([]net.Conn, crowd)
	inParallel(crowd, func(i int) {
		c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port), settings)
		if err != nil {
			t.Errorf("connection %d: %v", i, err)
			return
		}
		open[i] = c
		if err := use(c); err != nil {
			t.Errorf("connection %d: %v", i, err)
		}
	})
	t.Cleanup(func() {
		for _, c := range open {
			if c != nil {
				c.Close()
			}
		}
	})
	return open
}

// askOnceHTTP2 begins HTTP/2 and waits for the end of one answer.
func askOnceHTTP2(c net.Conn) error {
	var hello, block bytes.Buffer
	hello.WriteString(http2.ClientPreface)
	encoder, framer := hpack.NewEncoder(&block), http2.NewFramer(&hello, c)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "api.example.com"}, {":path", "/"}, {"user-agent", "crowd/1"}} {
		_ = encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	_ = framer.WriteSettings()
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
	if _, err := c.Write(hello.Bytes()); err != nil {
		return err
	}
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			return err
		}
		if h := f.Header(); h.StreamID == 1 && h.Flags.Has(http2.FlagDataEndStream) {
			return nil
		}
	}
}

func askOnce(c net.Conn) error {
	if _, err := fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	return nil
}

// inParallel calls f with 0 to n-1 from a few goroutines.
func inParallel(n int, f func(int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range 64 {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// needDescriptors raises the soft limit of open files, or skips the test where
// the hard limit does not allow that many.
func needDescriptors(t *testing.T, n uint64) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Max < n {
		t.Skipf("needs %d open files; the hard limit is %d (ulimit -Hn)", n, limit.Max)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}
