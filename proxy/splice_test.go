package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

// spliceFront is a front for plain HTTP, and a client's connection to it.
func spliceFront(t *testing.T, backend string, change ...func(*Config)) (*front, net.Conn, *bufio.Reader) {
	t.Helper()
	cfg := frontConfig(backend, append(change, func(c *Config) { c.Sites[0].Plain = plainProxy })...)
	f := newServedFront(t, cfg)
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return f, c, bufio.NewReader(c)
}

func spliceAsk(t *testing.T, c net.Conn, r *bufio.Reader) *http.Response {
	t.Helper()
	if _, err := io.WriteString(c, "GET /x HTTP/1.1\r\nHost: api.example.com\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestSplice_LargePlainBodiesArriveWholeOneAfterTheOther(t *testing.T) {
	sizes := []int{spliceSize - 1, spliceSize, 5_000_001, 100, 3 << 20}
	next := 0
	content := bytes.Repeat([]byte("0123456789abcde"), 5_000_001/15+1)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(sizes[next]))
		_, _ = w.Write(content[:sizes[next]])
	}))
	defer backend.Close()
	_, c, r := spliceFront(t, backend.URL)
	for ; next < len(sizes); next++ {
		res := spliceAsk(t, c, r)
		got, err := io.ReadAll(res.Body)
		if err != nil || !bytes.Equal(got, content[:sizes[next]]) {
			t.Errorf("%d of %d bytes, or others: %v", len(got), sizes[next], err)
		}
	}
}

func TestSplice_TheHeadAndWhatComesWithItDoNotWaitForTheRest(t *testing.T) {
	proceed := make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(1<<20))
		_, _ = io.WriteString(w, "first")
		_ = http.NewResponseController(w).Flush()
		<-proceed
		_, _ = w.Write(make([]byte, 1<<20-len("first")))
	}))
	defer backend.Close()
	_, c, r := spliceFront(t, backend.URL)
	res := spliceAsk(t, c, r)
	first := make([]byte, 5)
	if _, err := io.ReadFull(res.Body, first); err != nil || string(first) != "first" {
		t.Errorf("%q %v", first, err)
	}
	close(proceed)
	if n, err := io.Copy(io.Discard, res.Body); err != nil || n != 1<<20-5 {
		t.Errorf("%d bytes more, %v", n, err)
	}
}

func TestSplice_ABodyThatBreaksOffIsNotTakenForTheWhole(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(1<<20))
		_, _ = w.Write(make([]byte, 600<<10))
		panic(http.ErrAbortHandler)
	}))
	defer backend.Close()
	f, c, r := spliceFront(t, backend.URL)
	res := spliceAsk(t, c, r)
	if n, err := io.Copy(io.Discard, res.Body); err == nil || n > 600<<10 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if x := <-f.exchanges; x.failure == "" {
		t.Error("nothing is known of the failure")
	}
}

func TestSplice_AClientThatStopsReadingIsCut(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(1<<30))
		for err := error(nil); err == nil; {
			_, err = w.Write(make([]byte, 64<<10))
		}
	}))
	defer backend.Close()
	f, c, r := spliceFront(t, backend.URL, func(c *Config) { c.Timeouts.Write = 300 * time.Millisecond })
	res := spliceAsk(t, c, r)
	select {
	case x := <-f.exchanges:
		if x.failure == "" {
			t.Error("nothing is known of the failure")
		}
	case <-time.After(time.Minute):
		t.Error("it is still being waited for")
	}
	if n, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Errorf("%d bytes were taken for the whole", n)
	}
}
