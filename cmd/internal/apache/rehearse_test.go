package apache

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// apacheRehearsal has two servers in the places of httpd and gateway.
func apacheRehearsal(t *testing.T, live, imported http.HandlerFunc) (Rehearsal, string) {
	t.Helper()
	one, other := httptest.NewServer(live), httptest.NewServer(imported)
	t.Cleanup(one.Close)
	t.Cleanup(other.Close)
	at, err := url.Parse(one.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		t.Fatal(err)
	}
	place := Place{Name: "a.example.com", Port: port, Address: at.Host, Listen: "http://:1"}
	return Rehearsal{Places{place}, map[string]string{"http://:1": strings.TrimPrefix(other.URL, "http://")}}, "http://a.example.com:" + at.Port()
}

func apacheRequest(t *testing.T, method, written string) Request {
	t.Helper()
	parsed, err := url.Parse(written)
	if err != nil {
		t.Fatal(err)
	}
	return Request{method, parsed}
}

func TestRehearsal_ListsDifferencesAndLeavesOutWhatVariesByItself(t *testing.T) {
	var count atomic.Int32
	answer := func(status int, header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Host[:13] != "a.example.com" {
				t.Errorf("asked for %s", r.Host)
			}
			w.Header().Set("X-Same", "1")
			w.Header().Set("X-Kind", header)
			w.Header().Set("Set-Cookie", fmt.Sprint("token=", count.Add(1)))
			if r.URL.Path == "/status" {
				w.WriteHeader(status)
			}
			fmt.Fprint(w, body)
			if r.URL.Path == "/varies" {
				fmt.Fprint(w, count.Add(1))
			}
		}
	}
	r, base := apacheRehearsal(t, answer(200, "old", "hello"), answer(404, "new", "hullo"))
	found, err := r.Run(t.Context(), []Request{apacheRequest(t, "GET", base+"/status"), apacheRequest(t, "GET", base+"/varies")})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range found {
		got = append(got, strings.TrimPrefix(d.String(), "GET "+base))
	}
	want := []string{`/status: status: Apache 200, gateway 404`, `/status: X-Kind: Apache ["old"], gateway ["new"]`, `/varies: X-Kind: Apache ["old"], gateway ["new"]`}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRehearsal_AsksOnceWhereAskingChangesThings(t *testing.T) {
	var live atomic.Int32
	r, base := apacheRehearsal(t, func(w http.ResponseWriter, _ *http.Request) { live.Add(1); fmt.Fprint(w, "a") }, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "b") })
	found, err := r.Run(t.Context(), []Request{apacheRequest(t, "POST", base+"/")})
	if err != nil || len(found) != 1 || live.Load() != 1 {
		t.Errorf("asked %d times: %v %v", live.Load(), found, err)
	}
}

func TestRehearsal_TellsThatTheLiveServerIsNotThere(t *testing.T) {
	r, base := apacheRehearsal(t, func(http.ResponseWriter, *http.Request) {}, func(http.ResponseWriter, *http.Request) {})
	r.Places[0].Address = "127.0.0.1:1"
	if _, err := r.Run(t.Context(), []Request{apacheRequest(t, "GET", base+"/")}); err == nil || !strings.Contains(err.Error(), "the live Apache does not answer") {
		t.Errorf("got %v", err)
	}
}
