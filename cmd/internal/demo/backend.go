// Package demo is what a newcomer meets: a backend that shows what reaches it
// through gateway, the text that invites to try it, and the file that would
// configure the same.
package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

// backend is the demo application. It keeps nothing between requests.
type backend struct {
	pid   int
	crash func() // ends the process without any farewell
}

// Backend returns the demo application. Its /crash calls crash, which should
// end the process that serves it and not return.
func Backend(crash func()) http.Handler {
	return routes(context.Background(), crash)
}

// routes makes the application. Its streams, which never end by themselves, end
// with the context streams.
func routes(streams context.Context, crash func()) http.Handler {
	b := &backend{pid: os.Getpid(), crash: crash}
	files := http.FileServerFS(pageFiles)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.welcome)
	mux.Handle("GET /page/demo.css", files)
	mux.Handle("GET /page/demo.js", files)
	mux.HandleFunc("/headers", b.headers)
	mux.Handle("GET /events", until(streams, b.events))
	mux.Handle("GET /ws", until(streams, b.echo))
	mux.HandleFunc("GET /slow", b.slow)
	mux.HandleFunc("/status", b.status)
	mux.HandleFunc("POST /upload", b.upload)
	mux.HandleFunc("PUT /upload", b.upload)
	// Other sites must not be able to end the demo of somebody who visits them.
	mux.Handle("POST /crash", http.NewCrossOriginProtection().Handler(http.HandlerFunc(b.die)))
	mux.HandleFunc("/", b.unknown)
	return mux
}

// until ends the context of a request with stop, too.
func until(stop context.Context, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		unhook := context.AfterFunc(stop, cancel)
		defer unhook()
		next(w, r.WithContext(ctx))
	})
}

// ServeBackend serves the demo application over plain HTTP on address until ctx
// ends, and returns once every request has ended too. It has to run in a process
// of its own, because POST /crash kills that process with SIGKILL.
func ServeBackend(ctx context.Context, address string) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("demo backend: %w", err)
	}
	return serve(ctx, listener, killSelf)
}

func killSelf() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal arrives before anything else may happen
}

// drain is how long requests may go on after the end was asked for; streams end at once.
const drain = 3 * time.Second

func serve(ctx context.Context, listener net.Listener, crash func()) error {
	var inFlight sync.WaitGroup // http.Server does not wait for WebSockets
	server := &http.Server{
		Handler:           counted(&inFlight, routes(ctx, crash)),
		ReadHeaderTimeout: 10 * time.Second,
		// Longer than any proxy keeps an idle connection, so that the proxy is
		// the one to close it, and no request meets a closing connection.
		IdleTimeout: 10 * time.Minute,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("demo backend: %w", err)
	case <-ctx.Done():
	}
	err := shutdown(context.WithoutCancel(ctx), server)
	<-served
	inFlight.Wait()
	return err
}

func shutdown(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, drain)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	if err != nil {
		return fmt.Errorf("demo backend: stopping: %w", err)
	}
	return nil
}

func counted(inFlight *sync.WaitGroup, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inFlight.Add(1)
		defer inFlight.Done()
		next.ServeHTTP(w, r)
	})
}
