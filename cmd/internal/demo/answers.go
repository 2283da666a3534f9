package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// mostSeconds bounds /slow, so that a typing error does not wait for hours.
const mostSeconds = 300

// received is what /headers tells: the request as it arrived at the backend.
type received struct {
	Method   string      `json:"method"`
	Target   string      `json:"target"`   // path and query, byte for byte
	Protocol string      `json:"protocol"` // between gateway and backend
	Host     string      `json:"host"`
	Remote   string      `json:"remote"` // the other end of the connection: gateway
	PID      int         `json:"pid"`    // of the backend
	Headers  http.Header `json:"headers"`
}

func (b *backend) receive(r *http.Request) received {
	return received{
		Method: r.Method, Target: r.RequestURI, Protocol: r.Proto, Host: r.Host,
		Remote: r.RemoteAddr, PID: b.pid, Headers: r.Header,
	}
}

func (b *backend) headers(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, b.receive(r))
}

func (b *backend) slow(w http.ResponseWriter, r *http.Request) {
	seconds, err := strconv.ParseFloat(query(r, "seconds", "3"), 64)
	if err != nil || !(seconds >= 0 && seconds <= mostSeconds) {
		http.Error(w, fmt.Sprintf("seconds must be a number from 0 to %d, as in /slow?seconds=3", mostSeconds), http.StatusBadRequest)
		return
	}
	wait := time.NewTimer(time.Duration(seconds * float64(time.Second)))
	defer wait.Stop()
	select {
	case <-wait.C:
		writeText(w, fmt.Sprintf("answered after %g seconds by pid %d", seconds, b.pid))
	case <-r.Context().Done(): // the client went away, or the backend stops
	}
}

func (b *backend) status(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(query(r, "code", "200"))
	if err != nil || code < 200 || code > 599 {
		http.Error(w, "code must be a number from 200 to 599, as in /status?code=503", http.StatusBadRequest)
		return
	}
	if code >= 300 && code < 400 && code != http.StatusNotModified {
		w.Header().Set("Location", "/")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	if code != http.StatusNoContent && code != http.StatusNotModified {
		_, _ = fmt.Fprintf(w, "%d %s\n", code, http.StatusText(code))
	}
}

// upload reads a body of any size and keeps none of it.
func (b *backend) upload(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, fmt.Sprintf("the body ended early, after %d bytes", n), http.StatusBadRequest)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"bytes": n, "seconds": time.Since(start).Seconds(), "pid": b.pid})
}

// die answers first and ends the process then: a newcomer reads what happened
// instead of wondering about an error. With ?silent it ends without an answer,
// as a real crash in the middle of a request does.
func (b *backend) die(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 1<<20)) // unread bytes would turn the end into a reset
	if r.URL.Query().Has("silent") {
		b.crash()
	}
	answer := fmt.Sprintf("pid %d kills itself now with signal KILL\n", b.pid)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.Header().Set("Connection", "close")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, answer)
	_ = http.NewResponseController(w).Flush()
	b.crash()
}

func (b *backend) unknown(w http.ResponseWriter, r *http.Request) {
	for _, t := range tries {
		known, _, _ := strings.Cut(t.Path, "?")
		if r.URL.Path == known {
			w.Header().Set("Allow", t.Method)
			http.Error(w, fmt.Sprintf("%s wants the method %s", known, t.Method), http.StatusMethodNotAllowed)
			return
		}
	}
	var list strings.Builder
	for _, t := range tries {
		fmt.Fprintf(&list, "%-4s %-18s %s\n", t.Method, t.Path, t.What)
	}
	http.Error(w, "The demo backend has no such path. It has these:\n\n"+list.String(), http.StatusNotFound)
}

func query(r *http.Request, name, preset string) string {
	if v := r.URL.Query().Get(name); v != "" {
		return v
	}
	return preset
}

func writeText(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, text+"\n")
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	_ = out.Encode(v) // fails only when the client is gone
}
