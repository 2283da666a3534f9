package proxy

import (
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"testing"
)

func BenchmarkHold_Gate(b *testing.B) {
	g := newGate(newHoldKnown(holdUp).get, gateBounds)
	b.ReportAllocs()
	for b.Loop() {
		if g.enter() {
			g.leave()
		}
	}
}

func BenchmarkHold_Attempt(b *testing.B) {
	r, err := http.NewRequest("GET", "http://localhost/", nil)
	if err != nil {
		b.Fatal(err)
	}
	// As ReverseProxy hands it over.
	r = r.WithContext(httptrace.WithClientTrace(b.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(int, textproto.MIMEHeader) error { return nil },
	}))
	b.ReportAllocs()
	for b.Loop() {
		a, _ := newAttempt(r, nil, nil)
		a.cancel(nil)
	}
}
