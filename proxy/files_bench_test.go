package proxy

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkFiles_SmallFile is one small file from the handler, without the
// client's side of the network.
func BenchmarkFiles_SmallFile(b *testing.B) {
	h, err := NewHandler(filesConfig(filesFolder(b, map[string]string{"a/b.html": "<p>hello"})), Deps{Log: newDiscardLog()})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	r := httptest.NewRequest("GET", "http://api.example.com/a/b.html", nil)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
