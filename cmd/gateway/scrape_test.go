package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// slowFigure is a figure that takes its time.
type slowFigure struct{ asked, answer chan struct{} }

func (slowFigure) Describe(chan<- *prometheus.Desc) {}

func (f slowFigure) Collect(all chan<- prometheus.Metric) {
	close(f.asked)
	<-f.answer
	figure := prometheus.NewGauge(prometheus.GaugeOpts{Name: "slow", Help: "comes late"})
	all <- figure
}

func TestScrape_OneThatIsUnderWayAtAStopIsAnswered(t *testing.T) {
	figure := slowFigure{make(chan struct{}), make(chan struct{})}
	registry := prometheus.NewRegistry()
	registry.MustRegister(figure)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newScraped(&metrics{registry: registry}, slog.New(slog.DiscardHandler))
	s.first = l
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()

	port := l.Addr().(*net.TCPAddr).Port
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	got := ask(client, fmt.Sprintf("http://127.0.0.1:%d/metrics", port))
	<-figure.asked
	stop()
	waitUntilRefused(t, port)
	close(figure.answer)
	if a := <-got; a.err != nil || a.body == "" {
		t.Errorf("%q, %v", a.body, a.err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
