package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// listenerFD is where the backend finds its socket: the first file after the
// three standard ones.
const listenerFD = 3

// serveBackend serves until the context ends, on the socket that it was given.
func serveBackend(ctx context.Context) error {
	l, err := net.FileListener(os.NewFile(listenerFD, "listener"))
	if err != nil {
		return fmt.Errorf("%s is started by the benchmark itself, with a socket: %w", backendVerb, err)
	}
	server := &http.Server{Handler: backendHandler(), ReadHeaderTimeout: time.Minute, IdleTimeout: 10 * time.Minute}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// backendHandler answers GET /N with N bytes, and POST with nothing once it has
// read the body.
func backendHandler() http.Handler {
	chunk := bytes.Repeat([]byte("x"), 64<<10)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {}) // for probes
	mux.HandleFunc("GET /{size}", func(w http.ResponseWriter, r *http.Request) {
		size, err := strconv.ParseInt(r.PathValue("size"), 10, 64)
		if err != nil || size < 0 {
			http.Error(w, "ask for /N with a number of bytes", http.StatusNotFound)
			return
		}
		sendBytes(w, chunk, size)
	})
	mux.HandleFunc("POST /", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a client that goes away is counted where it is
	})
	return mux
}

func sendBytes(w http.ResponseWriter, chunk []byte, size int64) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	for size > 0 {
		n, err := w.Write(chunk[:min(size, int64(len(chunk)))])
		if err != nil {
			return
		}
		size -= int64(n)
	}
}
