package main

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// scrape asks for the figures, by the name and labels that they are printed with.
func scrape(t *testing.T, port int) map[string]float64 {
	t.Helper()
	found, err := figures(port)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func figures(port int) (map[string]float64, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	response, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", port))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	found := map[string]float64{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, value, split := strings.Cut(lines.Text(), "} ")
		if name += "}"; !split {
			name, value, _ = strings.Cut(lines.Text(), " ")
		}
		if number, err := strconv.ParseFloat(value, 64); err == nil && !strings.HasPrefix(name, "#") {
			found[name] = number
		}
	}
	return found, lines.Err()
}

func TestMetrics_TellPrometheusWhatHappens(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	w := newWorldWith(t, "0s", "")
	w.change("[admin]", fmt.Sprintf("[admin]\nmetrics = \"127.0.0.1:%d\"", port))
	w.do("reload") // which also opens the address
	client := w.ca.client(t, true)
	for range 5 {
		w.get(client, w.port)
	}
	w.killOnce()
	eventually(t, "the next start is counted", func() bool { return scrape(t, port)[`gateway_backend_restarts_total{backend="api"}`] == 1 })
	eventually(t, "the backend is up", func() bool { return scrape(t, port)[`gateway_backend_up{backend="api"}`] == 1 })
	found := scrape(t, port)
	for name, want := range map[string]float64{
		`gateway_http_requests_total{class="2xx",protocol="HTTP/2.0",site="api.example.com"}`: 5,
		`gateway_http_request_duration_seconds_count{site="api.example.com"}`:                 5,
		`gateway_changes_total{kind="reload",result="success"}`:                               1,
		`gateway_changes_total{kind="reload",result="failure"}`:                               0,
		`gateway_http_requests_in_flight`:                                                     0,
		`gateway_certificate_problems{origin="files",site="api.example.com"}`:                 0,
	} {
		if got, known := found[name]; !known || got != want {
			t.Errorf("%s is %v (known: %v), want %v", name, got, known, want)
		}
	}
	if days := found[`gateway_certificate_remaining_seconds{origin="files",site="api.example.com"}`] / 86400; days < 89 || days > 90 {
		t.Errorf("%v days are left, want nearly 90", days)
	}
	if found["go_goroutines"] == 0 || found["process_open_fds"] == 0 {
		t.Error("nothing is told of the Go runtime or of the process")
	}
}

func TestMetrics_FollowTheConventionOfPrometheus(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	w := newWorldWith(t, "0s", "")
	w.change("[admin]", fmt.Sprintf("[admin]\nmetrics = \"127.0.0.1:%d\"", port))
	w.do("reload")
	w.get(w.ca.client(t, false), w.port)
	response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", port))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	problems, err := promlint.New(response.Body).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "gateway_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestMetrics_AreHandedOverAndTakenAway(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	w := newWorldWith(t, "0s", "")
	w.change("[admin]", fmt.Sprintf("[admin]\nmetrics = \"127.0.0.1:%d\"", port))
	w.do("reload")
	w.upgraded()
	eventually(t, "the new process answers", func() bool {
		return scrape(t, port)[`gateway_changes_total{kind="upgrade",result="success"}`] == 1
	})
	w.change(fmt.Sprintf("metrics = \"127.0.0.1:%d\"", port), "")
	w.do("reload")
	eventually(t, "nobody answers", func() bool {
		_, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", port))
		return err != nil
	})
}
