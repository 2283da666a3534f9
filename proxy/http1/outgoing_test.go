package http1

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// outgoingWritten is what a backend gets of a request.
func outgoingWritten(r *http.Request) ([]byte, error) {
	tape := &transportTape{Reader: strings.NewReader("")}
	transport := New(Options{Dial: func(context.Context) (net.Conn, error) { return tape, nil }})
	c, err := transport.connect(context.Background())
	if err != nil {
		return nil, err
	}
	out, err := newOutgoing(r, nil, new(buffer))
	if err != nil {
		return nil, err
	}
	if _, err := c.net.Write(out.first); err != nil {
		return nil, err
	}
	if out.body != nil {
		err = (&sender{conn: c, out: out}).send()
	}
	return tape.written.Bytes(), err
}

func FuzzRequest(f *testing.F) {
	f.Add("GET", "/a%2Fb", "q=1", "backend:80", "X-Name", "value", "", false)
	f.Add("POST", "/", "", "[::1]:80", "User-Agent", "", "body", true)
	f.Add("PUT", "//x", "", "b", "content-length", "5", "body", false)
	f.Add("PATCH", "/a b", "", "b c", "Transfer-Encoding", "chunked", "body", false)
	f.Add("OPTIONS", "*", "", "b", "X", "a\r\nY: b", "", true)
	f.Fuzz(func(t *testing.T, method, path, query, host, name, value, body string, chunked bool) {
		r := &http.Request{Method: method, URL: &url.URL{Scheme: "http", Host: "x", Opaque: path, RawQuery: query}, Host: host,
			Header: http.Header{name: {value}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
		switch {
		case chunked:
			r.ContentLength, r.Trailer = -1, http.Header{name: {value}}
		case body == "":
			r.Body = nil
		}
		wire, err := outgoingWritten(r)
		if err != nil {
			return
		}
		in := bufio.NewReader(bytes.NewReader(wire))
		got, err := http.ReadRequest(in)
		if err != nil {
			return // net/http knows more of URLs
		}
		content, err := io.ReadAll(got.Body)
		if rest, _ := io.ReadAll(in); err != nil || string(content) != body || len(rest) > 0 {
			t.Fatalf("%q: body %q, %v, and %q behind it", wire, content, err, rest)
		}
		if got.Method != method || got.ContentLength != r.ContentLength {
			t.Errorf("%q: %+v", wire, got)
		}
		delete(got.Header, "Content-Length") // which say where the body ends
		delete(got.Header, "Trailer")
		want := http.Header{http.CanonicalHeaderKey(name): {trim(value)}}
		if isOwn(name) || name == "User-Agent" && value == "" {
			want = http.Header{}
		}
		if !maps.EqualFunc(want, got.Header, slices.Equal) {
			t.Errorf("%q: header %v, want %v", wire, got.Header, want)
		}
	})
}

func TestOutgoing_WhatCouldBecomeAnotherRequestIsNotSent(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"method":      func(r *http.Request) { r.Method = "GET / HTTP/1.1\r\nX:" },
		"no method":   func(r *http.Request) { r.Method = "" },
		"target":      func(r *http.Request) { r.URL.Opaque = "/a HTTP/1.1\r\nX: b" },
		"space":       func(r *http.Request) { r.URL.Opaque = "/a b" },
		"query":       func(r *http.Request) { r.URL.RawQuery = "a\nb" },
		"host":        func(r *http.Request) { r.Host = "a\r\nX: b" },
		"field name":  func(r *http.Request) { r.Header["X Y"] = []string{"a"} },
		"field value": func(r *http.Request) { r.Header["X"] = []string{"a\nY: b"} },
		"trailer": func(r *http.Request) {
			r.Body, r.ContentLength, r.Trailer = io.NopCloser(strings.NewReader("")), -1, http.Header{"Content-Length": nil}
		},
		"trailer value": func(r *http.Request) {
			r.Body, r.ContentLength, r.Trailer = io.NopCloser(strings.NewReader("")), -1, http.Header{"X": {"a\nb"}}
		},
	} {
		r, _ := http.NewRequest("GET", "http://backend/", nil)
		change(r)
		if wire, err := outgoingWritten(r); err == nil {
			t.Errorf("%s: %q", name, wire)
		}
	}
}

func TestOutgoing_HeadSaysWhereTheBodyEnds(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		body   io.Reader
		length int64
		want   string
	}{
		"GET":         {"GET", nil, 0, "\r\n\r\n"},
		"empty POST":  {"POST", nil, 0, "Content-Length: 0\r\n\r\n"},
		"known":       {"POST", strings.NewReader("body"), 4, "Content-Length: 4\r\n\r\nbody"},
		"unknown":     {"POST", strings.NewReader("body"), -1, "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"},
		"large":       {"POST", strings.NewReader(strings.Repeat("x", 40_000)), -1, "\r\n4000\r\n" + strings.Repeat("x", 16384) + "\r\n5c40\r\n" + strings.Repeat("x", 23616) + "\r\n0\r\n\r\n"},
		"empty chunk": {"DELETE", strings.NewReader(""), -1, "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	} {
		r, _ := http.NewRequest(c.method, "http://backend/", c.body)
		if r.ContentLength = c.length; c.body != nil {
			r.Body = io.NopCloser(c.body)
		}
		if wire, err := outgoingWritten(r); err != nil || !strings.HasSuffix(string(wire), c.want) {
			t.Errorf("%s: %.200q %v", name, wire, err)
		}
	}
}
