package main

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gateway/proxy"
)

// figuresOf are the figures of a collector: what a counter counted, or how often a
// histogram observed, by the values of the labels, which are in the order of their names.
func figuresOf(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.Metric {
			var labels []string
			for _, label := range metric.Label {
				labels = append(labels, label.GetValue())
			}
			found[strings.Join(labels, " ")] = metric.Counter.GetValue() + float64(metric.Histogram.GetSampleCount())
		}
	}
	return found
}

func TestMetrics_CountEveryRequestWhereItsLabelsSay(t *testing.T) {
	t.Parallel()
	m := newMetrics(nil)
	const each = 50
	var wg sync.WaitGroup
	for range 8 { // all kinds are met for the first time by several at once
		wg.Go(func() {
			for range each {
				for _, site := range []string{"", "a.example.com", "b.example.com"} {
					for _, protocol := range []string{"HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/9.9", "made up"} {
						for _, status := range []int{101, 200, 204, 301, 404, 503, 600, 0} {
							m.observe(proxy.Observation{Site: site, Protocol: protocol, Status: status, Took: time.Millisecond})
						}
					}
				}
			}
		})
	}
	wg.Wait()
	requests, took := figuresOf(t, m.requests), figuresOf(t, m.took)
	if len(requests) != 3*4*6 || len(took) != 3 {
		t.Errorf("%d counters and %d histograms", len(requests), len(took))
	}
	for class, perStatus := range map[string]int{"1xx": 1, "2xx": 2, "3xx": 1, "4xx": 1, "5xx": 1, "other": 2} {
		for protocol, spellings := range map[string]int{"HTTP/1.0": 1, "HTTP/1.1": 1, "HTTP/2.0": 1, "other": 2} {
			labels, want := class+" "+protocol+" a.example.com", float64(8*each*perStatus*spellings)
			if got := requests[labels]; got != want {
				t.Errorf("%s: counted %v times, want %v", labels, got, want)
			}
		}
	}
	if got, want := took["b.example.com"], float64(8*each*5*7); got != want {
		t.Errorf("%v are timed, want %v", got, want)
	}
}

func TestMetrics_TimeNoSiteThatOnlyServedWebSockets(t *testing.T) {
	t.Parallel()
	m := newMetrics(nil)
	m.observe(proxy.Observation{Site: "a.example.com", Protocol: "HTTP/1.1", Status: 101})
	if got := figuresOf(t, m.took); len(got) != 0 {
		t.Errorf("timed: %v", got)
	}
}

func BenchmarkMetrics_Observe(b *testing.B) {
	m := newMetrics(nil)
	o := proxy.Observation{Site: "api.example.com", Protocol: "HTTP/1.1", Status: 200, Took: 1234 * time.Microsecond}
	b.ReportAllocs()
	for b.Loop() {
		m.observe(o)
	}
}
