package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// front is one site as its clients see it. Of ten clients of each protocol nine
// keep their connections, and the tenth makes one for each request.
type front struct {
	name    string // of the site
	url     string
	clients map[string][]*http.Client

	mu     sync.Mutex
	serial map[string]bool // of the certificates that were shown
}

const clientsOfAProtocol = 10

func newFront(t testing.TB, name string, port int, ca *authority) *front {
	f := &front{name: name, url: fmt.Sprintf("https://%s:%d/", name, port), clients: map[string][]*http.Client{}, serial: map[string]bool{}}
	for i := range clientsOfAProtocol {
		for protocol, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
			client := ca.client(t, http2)
			transport := client.Transport.(*http.Transport)
			transport.DisableKeepAlives = i == clientsOfAProtocol-1
			transport.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10} // so that slow downloads are slow on the wire
			f.clients[protocol] = append(f.clients[protocol], client)
		}
	}
	return f
}

// request is one of a load and what came of it.
type request struct {
	site   string
	n      int
	status int
	err    error
	took   time.Duration // from when it was to be sent, so that no stall is hidden
}

// Methods and protocols take turns, so that there is each combination.
func (r *request) id() string       { return fmt.Sprintf("%s/%d", r.site, r.n) }
func (r *request) method() string   { return []string{"GET", "POST"}[r.n%2] }
func (r *request) protocol() string { return []string{"HTTP/1.1", "HTTP/2.0"}[r.n/2%2] }
func (r *request) failed() bool     { return r.err != nil || r.status != http.StatusOK }

// outcome is the same for all requests that ended in the same way.
func (r *request) outcome() string {
	var asked *url.Error
	var wire *net.OpError
	switch { // these name addresses
	case errors.As(r.err, &wire):
		return wire.Op + ": " + wire.Err.Error()
	case errors.As(r.err, &asked):
		return asked.Err.Error()
	case r.err != nil:
		return r.err.Error()
	}
	return fmt.Sprintf("status %d", r.status)
}

// load sends so many requests a second for so long, each at its time however long
// others take, and returns what came of each.
func (f *front) load(t testing.TB, rate int, lasts time.Duration) []request {
	all := make([]request, int(lasts.Seconds()*float64(rate)))
	begun := time.Now()
	var sent sync.WaitGroup
	for i := range all {
		due := begun.Add(time.Duration(i) * time.Second / time.Duration(rate))
		if wait := time.Until(due); wait > 0 {
			<-time.After(wait)
		}
		all[i].site, all[i].n = f.name, i
		sent.Go(func() { f.send(&all[i], due) })
	}
	sent.Wait()
	return all
}

func (f *front) send(r *request, due time.Time) {
	defer func() { r.took = time.Since(due) }()
	var body io.Reader
	if r.method() == "POST" {
		body = bytes.NewReader(make([]byte, 1000))
	}
	request, err := http.NewRequest(r.method(), f.url, body)
	if err != nil {
		r.err = err
		return
	}
	request.Header.Set("X-Test-Id", r.id())
	response, err := f.clients[r.protocol()][r.n/4%clientsOfAProtocol].Do(request)
	if err != nil {
		r.err = err
		return
	}
	defer response.Body.Close()
	_, r.err = io.Copy(io.Discard, response.Body)
	r.status = response.StatusCode
	if r.err == nil && response.Proto != r.protocol() {
		r.err = fmt.Errorf("answered by %s", response.Proto)
	}
	f.note(response.TLS.PeerCertificates[0])
}

func (f *front) note(shown *x509.Certificate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serial[shown.SerialNumber.String()] = true
}

// certificates is how many different ones the clients were shown.
func (f *front) certificates() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.serial)
}

// executions counts how often the backend saw each request.
func executions(t testing.TB, journal string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for line := range strings.Lines(string(text)) {
		if _, id, found := strings.Cut(strings.TrimSpace(line), " "); found {
			counts[id]++
		}
	}
	return counts
}

// tally prints and judges what came of a load: no GET may fail, no POST may be
// executed twice, and where postsMayFail a POST may get one 502. Those are the
// ones that had been handed to the dying backend's socket: whether its code saw
// them only the backend knows, so that they must not be sent again.
func (w *world) tally(all []request, postsMayFail bool) {
	w.t.Helper()
	executed := executions(w.t, w.journal)
	outcomes := map[string]int{}
	complaints := bounded{most: 10}
	for _, r := range all {
		done := executed[r.id()]
		outcomes[fmt.Sprintf("%s %s: %s, executed %d times", r.protocol(), r.method(), r.outcome(), done)]++
		good := !r.failed() && done >= 1
		lost := r.err == nil && r.status == http.StatusBadGateway && r.method() == "POST"
		if !good && !(lost && postsMayFail) && complaints.next() {
			w.t.Errorf("%s %s %s: status %d, error %v, reached the backend %d times", r.protocol(), r.method(), r.id(), r.status, r.err, done)
		}
		if r.method() == "POST" && done > 1 && complaints.next() {
			w.t.Errorf("%s was executed %d times", r.id(), done)
		}
	}
	for _, outcome := range slices.Sorted(maps.Keys(outcomes)) {
		w.t.Logf("%s: %d", outcome, outcomes[outcome])
	}
	if complaints.n > complaints.most {
		w.t.Errorf("and %d more", complaints.n-complaints.most)
	}
	w.t.Logf("%d requests took %s", len(all), percentiles(all))
}

// percentiles are those of the time that requests took.
func percentiles(all []request) string {
	if len(all) == 0 {
		return "no time"
	}
	took := make([]time.Duration, len(all))
	for i, r := range all {
		took[i] = r.took
	}
	slices.Sort(took)
	at := func(share float64) time.Duration {
		return took[int(share*float64(len(took)-1))].Round(100 * time.Microsecond)
	}
	return fmt.Sprintf("%v (median), %v (99 %%), %v (99.9 %%), %v (longest)", at(0.5), at(0.99), at(0.999), at(1))
}

// bounded counts complaints and lets the first ones be printed.
type bounded struct{ n, most int }

func (b *bounded) next() bool {
	b.n++
	return b.n <= b.most
}

// every calls f so many times, spread over the time.
func every(n int, over time.Duration, f func(int)) *sync.WaitGroup {
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(over / time.Duration(n+1))
		defer tick.Stop()
		for i := range n {
			<-tick.C
			f(i)
		}
	})
	return &done
}
