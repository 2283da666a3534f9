package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	transferSize = 64 << 20 // bytes of one body
	transfers    = 4        // bodies under way at a time
)

// mover carries a large body over and returns how much of it came through.
type mover func(ctx context.Context, client *http.Client, url string) (int64, error)

// cpuPerGiB is a measurement in seconds of CPU time for a GiB of large bodies.
func cpuPerGiB(key, title string, move mover) measurement {
	take := func(ctx context.Context, w *workshop, c contender) ([]float64, error) {
		s, err := w.start(ctx, c)
		if err != nil {
			return nil, err
		}
		defer s.stop()
		var moved int64
		used, err := s.cpuOf(func() (err error) {
			moved, err = moveFor(ctx, s, w.clientTLS(), w.time, move)
			return err
		})
		if err != nil {
			return nil, err
		}
		return []float64{used.Seconds() / (float64(moved) / (1 << 30))}, nil
	}
	return measurement{key: key, rows: []row{{key: key, title: title, digits: 2}}, take: take}
}

// moveFor moves bodies until the time is over and those under way are through.
func moveFor(ctx context.Context, s *server, settings *tls.Config, length time.Duration, move mover) (int64, error) {
	var moved atomic.Int64
	until := time.Now().Add(length)
	err := inParallel(ctx, transfers, func(ctx context.Context, _ int) error {
		client := newHTTPClient(s.address(), settings.Clone())
		defer client.CloseIdleConnections()
		for time.Now().Before(until) {
			n, err := move(ctx, client, s.url(transferSize))
			if err != nil {
				return err
			}
			moved.Add(n)
		}
		return nil
	})
	return moved.Load(), err
}

func download(ctx context.Context, client *http.Client, url string) (int64, error) {
	return carry(ctx, client, http.MethodGet, url, nil, 0)
}

func upload(ctx context.Context, client *http.Client, url string) (int64, error) {
	if _, err := carry(ctx, client, http.MethodPost, url, io.LimitReader(zeros{}, transferSize), transferSize); err != nil {
		return 0, err
	}
	return transferSize, nil
}

// carry sends a request and returns the size of the answer's body.
func carry(ctx context.Context, client *http.Client, method, url string, body io.Reader, size int64) (int64, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return 0, err
	}
	request.ContentLength = size
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s %s: status %s", method, url, response.Status)
	}
	return io.CopyBuffer(onlyWriter{io.Discard}, response.Body, make([]byte, 64<<10))
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// onlyWriter hides the small buffers that io.Discard reads with.
type onlyWriter struct{ io.Writer }
