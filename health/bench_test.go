package health

import (
	"slices"
	"syscall"
	"testing"
	"time"
)

// BenchmarkRespawn kills the backend -9 again and again, and tells how long it
// takes until the next process has been started: median and worst. Each death
// counts as a first one, as if a stable minute lay between.
func BenchmarkRespawn(b *testing.B) {
	m := monitor(b, "serve", nil)
	m.waitUp(b)
	var respawn, ready []time.Duration
	for b.Loop() {
		// A restart by hand, so that no death before this one is counted.
		if err := m.Restart(limit(b), nil); err != nil {
			b.Fatal(err)
		}
		id, err := identify(m.Status().PID)
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if err := syscall.Kill(id.PID, syscall.SIGKILL); err != nil {
			b.Fatal(err)
		}
		for s := m.Status(); s.PID == id.PID || s.PID == 0; s = m.Status() {
			time.Sleep(200 * time.Microsecond)
		}
		respawn = append(respawn, time.Since(began))
		for !m.Availability().Up {
			<-m.Availability().Changed
		}
		ready = append(ready, time.Since(began))
	}
	slices.Sort(respawn)
	slices.Sort(ready)
	b.ReportMetric(respawn[len(respawn)/2].Seconds()*1e3, "ms-respawn-median")
	b.ReportMetric(respawn[len(respawn)-1].Seconds()*1e3, "ms-respawn-worst")
	b.ReportMetric(ready[len(ready)/2].Seconds()*1e3, "ms-ready-median")
	b.ReportMetric(ready[len(ready)-1].Seconds()*1e3, "ms-ready-worst")
}

// BenchmarkAvailability is what every request pays.
func BenchmarkAvailability(b *testing.B) {
	m, err := New(Options{Name: "api", URL: "http://localhost:1"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if m.Availability().Up {
			b.Fatal("up?")
		}
	}
}
