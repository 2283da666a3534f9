package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
)

// TestCrowd_TenThousandIdleConnectionsAreAllServedAfterwards opens 10,000 TLS
// connections that say nothing, and then asks once on each.
func TestCrowd_TenThousandIdleConnectionsAreAllServedAfterwards(t *testing.T) {
	const crowd = 10000
	needDescriptors(t, crowd+1000)
	ca := newAuthority(t)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "served") }))
	t.Cleanup(backend.Close)
	port := freePort(t)
	p := startGateway(t, builtGateway(t), oneSite(t, ca.install(t, "api.example.com"), port, backend.URL, "[log]\naccess = ''"))

	// Handshakes are what this test spends its time with, and are tested elsewhere.
	settings := &tls.Config{ServerName: "api.example.com", InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.CurveP256}}
	before := residentPeak(t, p.cmd.Process.Pid)
	open := make([]net.Conn, crowd)
	inParallel(crowd, func(i int) {
		c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port), settings)
		if err != nil {
			t.Errorf("connection %d: %v", i, err)
			return
		}
		open[i] = c
	})
	t.Cleanup(func() {
		for _, c := range open {
			if c != nil {
				c.Close()
			}
		}
	})
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
