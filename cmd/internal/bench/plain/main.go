// Command plain is the reverse proxy that Go's standard library makes in a few
// lines: httputil.ReverseProxy, net/http on both sides, and an access log. It has
// none of a front door's duties, and is the measure for what they may cost.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "plain:", err)
		os.Exit(1)
	}
}

func serve() error {
	listen := flag.String("listen", "127.0.0.1:8443", "where clients connect")
	backend := flag.String("backend", "http://127.0.0.1:7878", "where requests go")
	certificate := flag.String("certificate", "", "PEM file of the certificate")
	key := flag.String("key", "", "PEM file of its key")
	log := flag.String("log", os.DevNull, "file of the access log")
	flag.Parse()
	target, err := url.Parse(*backend)
	if err != nil {
		return fmt.Errorf("-backend: %w", err)
	}
	lines, err := os.OpenFile(*log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("-log: %w", err)
	}
	defer lines.Close()
	server := &http.Server{Addr: *listen, Handler: logged(lines, newProxy(target)), IdleTimeout: 10 * time.Minute}
	return server.ListenAndServeTLS(*certificate, *key)
}

func newProxy(target *url.URL) http.Handler {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 256
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
		},
	}
}

// logged writes a line for each request, as Apache's "combined" has it.
func logged(lines *os.File, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &answerWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, r)
		fmt.Fprintf(lines, "%s - - [%s] \"%s %s %s\" %d %d %q %q\n", r.RemoteAddr,
			time.Now().Format("02/Jan/2006:15:04:05 -0700"), r.Method, r.RequestURI, r.Proto,
			answer.status, answer.size, r.Referer(), r.UserAgent())
	})
}

// answerWriter remembers what the log tells of an answer.
type answerWriter struct {
	http.ResponseWriter
	status int
	size   int64
}

func (w *answerWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *answerWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.size += int64(n)
	return n, err
}

// Unwrap lets httputil flush and take over connections.
func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
