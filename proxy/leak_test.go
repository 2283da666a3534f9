package proxy

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestHandler_LeavesNoGoroutineBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("requests of every ending", func(t *testing.T) {
		backend := frontBackend(t, func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/cut":
				w.Header().Set("Content-Length", "10")
				_, _ = io.WriteString(w, "half")
			case "/wait":
				_, _ = io.Copy(io.Discard, r.Body) // only then does net/http notice that the connection is gone
				<-r.Context().Done()
			default:
				_, _ = io.Copy(w, r.Body)
			}
		})
		f := newServedFront(t, frontConfig(backend.URL, func(c *Config) { c.Timeouts.FirstByte = 300 * time.Millisecond }))
		bothProtocols(t, f, func(t *testing.T, client *http.Client) {
			for _, path := range []string{"/", "/cut", "/wait", "/gone"} {
				ctx, cancel := context.WithCancel(context.Background())
				r, _ := http.NewRequestWithContext(ctx, "POST", "https://api.example.com"+path, io.MultiReader(strings.NewReader("body")))
				if path == "/gone" {
					cancel()
				}
				if res, err := client.Do(r); err == nil {
					_, _ = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
				cancel()
			}
		})
	})
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	goleak.VerifyNone(t, before)
}
