package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// soak is a load that goes on for long while everything changes now and then, and
// must leave no trace in what gateway uses.
type soak struct {
	traffic
	renewing int           // requests a second to the site whose certificates are renewed
	pause    time.Duration // between two changes
}

// TestSoak_NothingGrowsInAnHour is `make soak`.
func TestSoak_NothingGrowsInAnHour(t *testing.T) {
	needSoak(t)
	lasts := time.Hour
	if text := os.Getenv("GATEWAY_SOAK_FOR"); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatalf("GATEWAY_SOAK_FOR: %v", err)
		}
	}
	soak{traffic: traffic{lasts: lasts, rate: 300, sockets: 200, life: time.Minute, downloads: 20}, renewing: 20, pause: time.Second}.run(t)
}

// TestSoak_NothingGrowsInFiveMinutes bears less, beside the other tests.
func TestSoak_NothingGrowsInFiveMinutes(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a load for five minutes; left out with -short")
	}
	soak{traffic: traffic{lasts: 5 * time.Minute, rate: 20, sockets: 10, life: 15 * time.Second, downloads: 2}, renewing: 2, pause: 2 * time.Second}.run(t)
}

func (s soak) run(t *testing.T) {
	stream, w, renewing := newStormyWorld(t)
	metrics := freePort(t)
	w.change("[admin]", fmt.Sprintf("[admin]\nmetrics = \"127.0.0.1:%d\"", metrics))
	w.do("reload")
	stop := make(chan struct{})
	var beside sync.WaitGroup
	changes := s.changes(w)
	beside.Go(func() { changes.until(stop, s.pause) })
	var series []usage
	beside.Go(func() { series = sample(t, metrics, stop, s.lasts) })
	var visited *borne
	beside.Go(func() { visited = renewing.bear(t, traffic{lasts: s.lasts, rate: s.renewing}, nil) })
	front := w.front()
	got := front.bear(t, s.traffic, stream)
	close(stop)
	beside.Wait()
	w.tally(slices.Concat(got.requests, visited.requests), false)
	got.judge(t)
	t.Logf("%v: %v; beside it %v", s.lasts, got, visited)
	t.Logf("meanwhile %v; %d certificates of files and %d of the CA were seen", changes, front.certificates(), renewing.certificates())
	second, last := quarters(series)
	t.Logf("%d looks; second quarter: %v; last quarter: %v", len(series), second, last)
	if grown := last.grownSince(second); len(grown) > 0 {
		t.Errorf("something leaks: %s", strings.Join(grown, "; "))
	}
}

// changes are a round of them, without end. Other versions take over in the first
// quarter only: each new process would hide what the one before it had gathered.
func (s soak) changes(w *world) *changes {
	upgrading := time.Now().Add(s.lasts / 4)
	good := readAll(w.t, w.config)
	c := w.reloads(20, good)
	c.add(1, "upgrades", func(i int) bool {
		if time.Now().After(upgrading) {
			return false
		}
		// Requests that have waited for a restart open connections all at once, which
		// stay idle for longer than a quarter of the short soak. Each process has them
		// from its beginning, so that they are no growth.
		return w.upgradedBeside() != 0 && w.restarted(i)
	})
	c.add(1, "restarts of the backend", w.restarted)
	c.add(1, "replaced certificates", w.replacer())
	for name, m := range badCertificates(w.t, w.ca) {
		c.add(1, "mistakes", func(int) bool { m.make(w, name, good); return true })
	}
	c.add(1, "mistakes", func(int) bool {
		mistake{program: "/nonexistent", want: notUpgraded + "the new program: stat PROGRAM: no such file or directory: name it with --binary\n"}.make(w, "no program", good)
		return true
	})
	return c
}

// usage is what a gateway uses at one time, or in a while.
type usage struct {
	at         time.Time
	goroutines float64
	files      float64 // descriptors
	heap       float64 // bytes that are allocated
	resident   float64 // bytes
}

func (u usage) String() string {
	return fmt.Sprintf("%.0f goroutines, %.0f descriptors, %.1f MiB of heap, %.1f MiB resident", u.goroutines, u.files, u.heap/(1<<20), u.resident/(1<<20))
}

// sample looks at the process that serves every second, or a thousand times.
func sample(t *testing.T, port int, stop <-chan struct{}, lasts time.Duration) (series []usage) {
	tick := time.NewTicker(max(time.Second, lasts/3600))
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return series
		case <-tick.C:
		}
		found, err := figures(port)
		if err != nil { // nobody listens for a moment while another process takes over
			continue
		}
		series = append(series, usage{time.Now(), found["go_goroutines"], found["process_open_fds"], found["go_memstats_heap_alloc_bytes"], found["process_resident_memory_bytes"]})
	}
}

// quarters are the second and the last quarter of a soak.
func quarters(series []usage) (second, last usage) {
	if len(series) < 4 {
		return usage{}, usage{}
	}
	begun, ended := series[0].at, series[len(series)-1].at
	quarter := ended.Sub(begun) / 4
	between := func(from, to time.Time) usage {
		var within []usage
		for _, u := range series {
			if !u.at.Before(from) && !u.at.After(to) {
				within = append(within, u)
			}
		}
		return floor(within)
	}
	return between(begun.Add(quarter), begun.Add(2*quarter)), between(begun.Add(3*quarter), ended)
}

// floor is what is used when least is going on. Load and chance only add to it, and
// a leak raises it, so that it tells of leaks and of nothing else. The tenth part
// is left out, since a look can come just after a change.
func floor(series []usage) usage {
	least := func(figure func(usage) float64) float64 {
		var all []float64
		for _, u := range series {
			all = append(all, figure(u))
		}
		slices.Sort(all)
		if len(all) == 0 {
			return 0
		}
		return all[len(all)/10]
	}
	return usage{
		goroutines: least(func(u usage) float64 { return u.goroutines }),
		files:      least(func(u usage) float64 { return u.files }),
		heap:       least(func(u usage) float64 { return u.heap }),
		resident:   least(func(u usage) float64 { return u.resident }),
	}
}

// grownSince tells what is more than before by more than chance. A goroutine or a
// descriptor for each of some tens of changes is found; memory has the garbage
// collector's freedom.
func (u usage) grownSince(before usage) (grown []string) {
	for _, one := range []struct {
		what        string
		before, now float64
		share, more float64 // that it may grow by
	}{
		{"goroutines", before.goroutines, u.goroutines, 0.05, 25},
		{"descriptors", before.files, u.files, 0.05, 15},
		{"bytes of heap", before.heap, u.heap, 0.15, 2 << 20},
		{"resident bytes", before.resident, u.resident, 0.15, 8 << 20},
	} {
		if one.now == 0 || one.now > one.before*(1+one.share)+one.more {
			grown = append(grown, fmt.Sprintf("%.0f %s, before it was %.0f", one.now, one.what, one.before))
		}
	}
	return grown
}

func TestSoak_AGrowthOfEachKindIsFoundAndNoiseIsNot(t *testing.T) {
	steady := func(i int) usage {
		noise := float64(i * 7919 % 100) // what the load adds
		return usage{goroutines: 800 + noise, files: 400 + noise, heap: 8<<20 + noise*(50<<10), resident: 40<<20 + noise*(100<<10)}
	}
	for name, test := range map[string]struct {
		leak func(u *usage, changes float64)
		want string
	}{
		"noise alone":  {func(*usage, float64) {}, ""},
		"goroutines":   {func(u *usage, n float64) { u.goroutines += n }, "goroutines"},
		"descriptors":  {func(u *usage, n float64) { u.files += n / 2 }, "descriptors"},
		"heap":         {func(u *usage, n float64) { u.heap += n * (100 << 10) }, "bytes of heap"},
		"memory apart": {func(u *usage, n float64) { u.resident += n * (300 << 10) }, "resident bytes"},
	} {
		var series []usage
		begun := time.Now()
		for i := range 300 { // five minutes, with a change every two seconds
			u := steady(i)
			u.at = begun.Add(time.Duration(i) * time.Second)
			test.leak(&u, float64(i/2))
			series = append(series, u)
		}
		second, last := quarters(series)
		grown := strings.Join(last.grownSince(second), "; ")
		if (grown == "") != (test.want == "") || !strings.Contains(grown, test.want) {
			t.Errorf("%s: %q; %v, then %v", name, grown, second, last)
		}
	}
	if grown := (usage{}).grownSince(usage{}); len(grown) != 4 {
		t.Errorf("of a gateway that tells nothing it is said: %q", grown)
	}
}
