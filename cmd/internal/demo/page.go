package demo

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

//go:embed page
var pageFiles embed.FS

// try is one thing that the demo backend offers.
type try struct {
	Method, Path, What string
}

// tries are listed by the page and by the answer to an unknown path.
var tries = [...]try{
	{"GET", "/", "a page that explains what you see"},
	{"GET", "/headers", "the request as the backend received it, as JSON"},
	{"GET", "/events", "Server-Sent Events, one a second"},
	{"GET", "/ws", "a WebSocket that echoes"},
	{"GET", "/slow?seconds=3", "an answer that takes its time"},
	{"GET", "/status?code=503", "an answer with that status"},
	{"POST", "/upload", "counts the bytes of a body of any size"},
	{"POST", "/crash", "kills the backend's process"},
}

// line is one header of the page, with a word about where it comes from.
type line struct {
	Name, Value, Meaning string
}

// meaning explains the headers that a front door adds for its backend.
func meaning(header string) string {
	switch header {
	case "X-Forwarded-For":
		return "set by gateway: who asked"
	case "X-Real-Ip":
		return "set by gateway: who asked, one address only"
	case "X-Forwarded-Proto":
		return "set by gateway: how the client came; the backend itself speaks plain HTTP"
	case "X-Forwarded-Host":
		return "set by gateway: the name that the client asked for"
	case "X-Forwarded-Port":
		return "set by gateway: the port that the client came to"
	case "Forwarded":
		return "set by gateway: all of that in the standard form, RFC 7239"
	case "X-Request-Id":
		return "set by gateway: the same number stands in its logs and error pages"
	}
	return ""
}

// lines sorts the headers of a request by name, those that gateway set first.
func lines(h http.Header) []line {
	var all []line
	for name, values := range h {
		for _, v := range values {
			all = append(all, line{name, v, meaning(name)})
		}
	}
	slices.SortFunc(all, func(a, b line) int {
		if (a.Meaning == "") != (b.Meaning == "") {
			return strings.Compare(b.Meaning, a.Meaning)
		}
		return strings.Compare(a.Name+a.Value, b.Name+b.Value)
	})
	return all
}

func (b *backend) welcome(w http.ResponseWriter, r *http.Request) {
	page, err := template.ParseFS(pageFiles, "page/index.html")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var out bytes.Buffer
	err = page.Execute(&out, struct {
		Request received
		Lines   []line
		Secure  bool
		Through bool
		Tries   []try
	}{b.receive(r), lines(r.Header), r.Header.Get("X-Forwarded-Proto") == "https", r.Header.Get("X-Forwarded-For") != "", tries[:]})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'self'; img-src data:; frame-ancestors 'none'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(out.Bytes())
}
