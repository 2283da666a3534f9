package health

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"gateway/health/mail"
)

// BenchmarkProbeInterval compares the time between two probes of a backend that
// falls ill and recovers all the time, while its notices are taken at once and
// while nobody takes them.
func BenchmarkProbeInterval(b *testing.B) {
	b.Run("notices-are-taken", func(b *testing.B) { probeInterval(b, func() {}) })
	b.Run("notices-hang", func(b *testing.B) {
		hangs := make(chan struct{})
		b.Cleanup(func() { close(hangs) })
		probeInterval(b, func() { <-hangs })
	})
}

func TestProbeInterval_IsTheSameWhileNoticesHang(t *testing.T) {
	hangs := make(chan struct{})
	gaps := probeGaps(t, 60, func() { <-hangs }, func() { close(hangs) })
	if median := gaps[len(gaps)/2]; median > 5*probeEvery {
		t.Errorf("probes every %v, want %v", median, probeEvery)
	}
}

func probeInterval(b *testing.B, put func()) {
	var gaps []time.Duration
	for b.Loop() {
		gaps = probeGaps(b, 200, put, nil)
	}
	b.ReportMetric(gaps[len(gaps)/2].Seconds()*1e3, "ms-median")
	b.ReportMetric(gaps[len(gaps)*99/100].Seconds()*1e3, "ms-p99")
}

const probeEvery = 10 * time.Millisecond

// probeGaps are the times between n probes, the shortest first.
func probeGaps(tb testing.TB, n int, put, end func()) []time.Duration {
	var mu sync.Mutex
	var at []time.Time
	enough := make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if at = append(at, time.Now()); len(at) == n {
			close(enough)
		}
		if len(at)/5%2 == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer backend.Close()
	stop := probeWorld(tb, backend.URL, put, end)
	<-enough
	stop()
	mu.Lock()
	defer mu.Unlock()
	var gaps []time.Duration
	for i := 1; i < len(at); i++ {
		gaps = append(gaps, at[i].Sub(at[i-1]))
	}
	slices.Sort(gaps)
	return gaps
}

// probeWorld runs a monitor and a notifier whose notices are handed to put, until
// stop is called; end lets put go on.
func probeWorld(tb testing.TB, url string, put, end func()) (stop func()) {
	dir := tb.TempDir()
	ledger, err := OpenLedger(filepath.Join(dir, "incidents.json"), testLog(tb))
	if err != nil {
		tb.Fatal(err)
	}
	n := NewNotifier(NotifierOptions{
		Path: filepath.Join(dir, "notices.json"), Host: "www1", Ledger: ledger,
		Put: func(mail.Notice) error { put(); return nil },
	})
	m, err := New(Options{
		Name: "api", URL: url, State: dir, Ledger: ledger, Events: n.Tell,
		Config: Config{Probe: Probe{Path: "/", Every: probeEvery, Fast: probeEvery, Fall: 2}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var monitoring, telling sync.WaitGroup
	monitoring.Go(func() { _ = m.Run(ctx) })
	telling.Go(func() { _ = n.Run(ctx) })
	return func() {
		cancel()
		monitoring.Wait()
		if end != nil {
			end()
			telling.Wait()
		}
	}
}
