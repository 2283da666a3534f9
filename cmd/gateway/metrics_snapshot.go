package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gateway/health"
)

// snapshot tells Prometheus how everything is at the moment that it asks.
type snapshot struct{ *gateway }

var (
	descInfo         = description("info", "The version that serves.", "version")
	descInFlight     = description("http_requests_in_flight", "Requests that are being served, WebSockets among them.")
	descUp           = description("backend_up", "Whether requests are sent to the backend.", "backend")
	descRestarts     = description("backend_restarts_total", "Starts of the backend after its first.", "backend")
	descProbeGood    = description("backend_probe_success", "Whether the latest probe of the backend was good.", "backend")
	descProbeTook    = description("backend_probe_duration_seconds", "How long the latest probe of the backend took.", "backend")
	descNotAfter     = description("certificate_not_after_timestamp_seconds", "When the certificate of the site ends.", "site", "origin")
	descRemaining    = description("certificate_remaining_seconds", "Time until the certificate of the site ends.", "site", "origin")
	descCertProblems = description("certificate_problems", "What is wrong with the certificate of the site; see `gateway certs show`.", "site", "origin")
	descWaiting      = description("notices_waiting", "Notices that are still to be delivered.")
	descDead         = description("notices_given_up", "Notices that did not reach everybody and were given up.")
)

func description(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gateway_"+name, help, labels, nil)
}

// Describe sends no description: what there is changes with the file.
func (s snapshot) Describe(chan<- *prometheus.Desc) {}

// Collect sends how everything is.
func (s snapshot) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(descInfo, 1, version)
	gauge(descInFlight, float64(s.server.InFlight()))
	s.backendMetrics(to, gauge)
	now := time.Now()
	sites := map[string]bool{}
	for _, c := range s.certificateStatus() {
		if sites[c.Site+c.Origin] { // a second key, such as RSA beside ECDSA: the first stands for both
			continue
		}
		sites[c.Site+c.Origin] = true
		gauge(descNotAfter, float64(c.NotAfter.Unix()), c.Site, c.Origin)
		gauge(descRemaining, c.NotAfter.Sub(now).Seconds(), c.Site, c.Origin)
		gauge(descCertProblems, float64(len(c.Problems)+len(c.Refused)), c.Site, c.Origin)
	}
	if report := s.duty().notices.report(); report != nil {
		gauge(descWaiting, float64(report.Waiting))
		gauge(descDead, float64(report.Dead))
	}
}

func (s snapshot) backendMetrics(to chan<- prometheus.Metric, gauge func(*prometheus.Desc, float64, ...string)) {
	roster := s.duty().backends.roster.Load()
	for _, status := range roster.statuses(roster.names) {
		name := status.Backend
		gauge(descUp, truth01(roster.monitors[name].Availability().Up), name)
		to <- prometheus.MustNewConstMetric(descRestarts, prometheus.CounterValue, float64(status.Restarts), name)
		if probe := status.LastProbe; probe != nil {
			gauge(descProbeGood, truth01(probe.Good), name)
			gauge(descProbeTook, tookOf(probe).Seconds(), name)
		}
	}
}

// tookOf reads what a status tells people.
func tookOf(p *health.ProbeStatus) time.Duration {
	took, _ := time.ParseDuration(p.Took) // it was printed by a Duration
	return took
}

func truth01(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
