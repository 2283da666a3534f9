package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"gateway/proxy"
)

// metrics counts for Prometheus. Names and units are by its convention
// (https://prometheus.io/docs/practices/naming/); labels have values from the
// file, or from a list that is fixed, so that no client can add to them.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	held     *prometheus.CounterVec
	waited   *prometheus.HistogramVec
	replayed *prometheus.CounterVec
	changes  *prometheus.CounterVec
	changed  *prometheus.GaugeVec
	known    answeredSeries
}

// latencies, in seconds, reach from a cached answer to where WeChat's clients give up.
var latencies = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

func newMetrics(g *gateway) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: counter("http_requests_total", "Requests answered, by site, protocol and class of the status.", "site", "protocol", "class"),
		took:     histogram("http_request_duration_seconds", "From a request's head to the last byte of its answer, WebSockets left out.", "site"),
		held:     counter("http_requests_held_total", "Requests that waited for their backend.", "site"),
		waited:   histogram("http_request_held_seconds", "How long requests waited that had to wait for their backend.", "site"),
		replayed: counter("http_requests_replayed_total", "Requests that were sent to their backend a second time.", "site"),
		changes:  counter("changes_total", "Reloads and upgrades, by what came of them.", "kind", "result"),
		changed: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "gateway", Name: "last_change_success_timestamp_seconds", Help: "When the latest reload or upgrade succeeded.",
		}, []string{"kind"}),
	}
	m.registry.MustRegister(m.requests, m.took, m.held, m.waited, m.replayed, m.changes, m.changed, snapshot{g},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, kind := range []string{kindReload, kindUpgrade} { // so that a rate is known from the first one on
		m.changes.WithLabelValues(kind, "success")
		m.changes.WithLabelValues(kind, "failure")
	}
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "gateway", Name: name, Help: help}, labels)
}

func histogram(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "gateway", Name: name, Help: help, Buckets: latencies}, labels)
}

// The kinds of changes.
const (
	kindReload  = "reload"
	kindUpgrade = "upgrade"
)

// change counts a reload or an upgrade.
func (m *metrics) change(kind string, err error) {
	if err != nil {
		m.changes.WithLabelValues(kind, "failure").Inc()
		return
	}
	m.changes.WithLabelValues(kind, "success").Inc()
	m.changed.WithLabelValues(kind).Set(float64(time.Now().Unix()))
}

// observe counts one request.
func (m *metrics) observe(o proxy.Observation) {
	series := m.series(seriesOf(o))
	series.requests.Inc()
	if series.took != nil {
		series.took.Observe(o.Took.Seconds())
	}
	if o.Held > 0 {
		m.held.WithLabelValues(o.Site).Inc()
		m.waited.WithLabelValues(o.Site).Observe(o.Held.Seconds())
	}
	if o.Replayed {
		m.replayed.WithLabelValues(o.Site).Inc()
	}
}

// classOf is "2xx" and its like.
func classOf(status int) string {
	switch status / 100 {
	case 1:
		return "1xx"
	case 2:
		return "2xx"
	case 3:
		return "3xx"
	case 4:
		return "4xx"
	case 5:
		return "5xx"
	}
	return "other"
}

// protocolOf keeps what clients write down to what there is.
func protocolOf(written string) string {
	switch written {
	case "HTTP/1.0", "HTTP/1.1", "HTTP/2.0":
		return written
	}
	return "other"
}
