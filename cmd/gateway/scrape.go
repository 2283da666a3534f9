package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gateway/cmd/internal/host"
)

// scrapeTimeout bounds each part of a scrape. One takes milliseconds, so that
// scrapeEnds is enough for those that are under way at a stop.
const (
	scrapeTimeout = 10 * time.Second
	scrapeEnds    = 2 * time.Second
)

// scraped answers Prometheus at the address of [admin] metrics, which a reload
// may move.
type scraped struct {
	metrics *metrics
	log     *slog.Logger
	at      atomic.Pointer[net.Listener] // nil: nowhere
	moved   chan net.Listener            // holds one; nil: to nowhere
	first   net.Listener
}

func newScraped(m *metrics, log *slog.Logger) *scraped {
	return &scraped{metrics: m, log: log, moved: make(chan net.Listener, 1)}
}

// anotherMetrics is the way out when the address cannot be had.
const anotherMetrics = "write another address into [admin] metrics"

// listen opens an address, which may be none.
func (s *scraped) listen(ctx context.Context, open listenFunc, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	if open == nil {
		open = new(net.ListenConfig).Listen
	}
	l, err := open(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("admin.metrics: %w", host.ListenError(ctx, "tcp", address, err, anotherMetrics))
	}
	return l, nil
}

// open is listen for the first time.
func (s *scraped) open(ctx context.Context, open listenFunc, address string) (err error) {
	s.first, err = s.listen(ctx, open, address)
	return err
}

// close gives up what open opened, before run.
func (s *scraped) close() error {
	if s.first == nil {
		return nil
	}
	return s.first.Close()
}

// move has another listener take over; nil: none.
func (s *scraped) move(to net.Listener) {
	select {
	case waiting := <-s.moved:
		if waiting != nil {
			_ = waiting.Close() // it came to nothing
		}
	default:
	}
	s.moved <- to
}

// run answers until ctx ends.
func (s *scraped) run(ctx context.Context) error {
	l := s.first
	for {
		next, moved, err := s.serve(ctx, l)
		if !moved {
			return err
		}
		if err != nil {
			s.log.Warn("the former address for metrics", "error", err)
		}
		l = next
	}
}

// serve answers at one listener until ctx ends or another one takes over.
func (s *scraped) serve(ctx context.Context, l net.Listener) (next net.Listener, moved bool, err error) {
	server := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: scrapeTimeout, ReadTimeout: scrapeTimeout, WriteTimeout: scrapeTimeout,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	s.at.Store(&l)
	if l != nil {
		go func() { served <- server.Serve(l) }()
	} else {
		served <- http.ErrServerClosed
	}
	select {
	case <-ctx.Done():
	case next = <-s.moved:
		moved = true
	}
	err = finish(server)
	if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, failed)
	}
	return next, moved, err
}

// finish lets a scrape under way come to its end: Prometheus takes one that is cut
// for a machine that is down.
func finish(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeEnds)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close()
	}
	return err
}

func (s *scraped) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn), MaxRequestsInFlight: 4, Timeout: scrapeTimeout,
	}))
	return mux
}
