package health

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func probeOnce(t *testing.T, p Probe, url string) Result {
	t.Helper()
	at, err := parseTarget(url)
	if err != nil {
		t.Fatal(err)
	}
	ask, err := newProber(p, at, func(ctx context.Context, argv []string) (*exec.Cmd, error) {
		cmd, err := prepare(Config{Dir: t.TempDir()}, argv)
		if err != nil {
			return nil, err
		}
		bound := exec.CommandContext(ctx, cmd.Path)
		bound.Args, bound.SysProcAttr = cmd.Args, cmd.SysProcAttr
		return bound, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ask(t.Context(), false)
}

// Whom requests trust is not the probe's business: a program that is well must not
// be killed because its certificate has ended.
func TestProbe_AsksABackendWhateverItsCertificate(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ready") }))
	defer server.Close()
	if got := probeOnce(t, Probe{Path: "/", Body: "ready"}, server.URL); got.Err != nil {
		t.Errorf("got %v", got.Err)
	}
}

func TestProbe_JudgesAnswers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/sick", http.StatusFound)
		case "/sick":
			w.WriteHeader(http.StatusInternalServerError)
		case "/slow":
			<-r.Context().Done()
		case "/cut":
			conn, _, _ := http.NewResponseController(w).Hijack()
			conn.Close()
		default:
			fmt.Fprintf(w, "%s %s %s ready", r.Method, r.Host, r.URL.RequestURI())
		}
	}))
	defer server.Close()
	for _, row := range []struct {
		name     string
		probe    Probe
		want     string // "": good
		answered bool
	}{
		{"a good answer", Probe{Path: "/"}, "", false},
		{"the text in it", Probe{Path: "/", Body: "ready"}, "", false},
		{"the text not in it", Probe{Path: "/", Body: "steady"}, `it answered 200 OK without the text "steady"`, true},
		{"host, method and query", Probe{Path: "/x?y=1", Method: "POST", Host: "api.example.com", Body: "POST api.example.com /x?y=1"}, "", false},
		{"a redirect is not followed", Probe{Path: "/redirect"}, "", false},
		{"nor good if it is not wanted", Probe{Path: "/redirect", Status: "200"}, "it answered 302 Found", true},
		{"an error", Probe{Path: "/sick"}, "it answered 500 Internal Server Error", true},
		{"an error that is wanted", Probe{Path: "/sick", Status: "200,500-501"}, "", false},
		{"no answer", Probe{Path: "/slow", Timeout: 50 * time.Millisecond}, "no answer within 50ms", false},
		{"a cut connection", Probe{Path: "/cut"}, "EOF", false},
		{"a connect", Probe{}, "", false},
		{"a command", Probe{Command: []string{"true"}}, "", false},
		{"a command that fails", Probe{Command: []string{"sh", "-c", "echo stuck; exit 4"}}, `the probe command ended with exit status 4: "stuck"`, true},
		{"a command that hangs", Probe{Command: []string{"sleep", "1000"}, Timeout: 50 * time.Millisecond}, "no answer within 50ms", false},
		{"a command that is not there", Probe{Command: []string{"no-such-program"}}, `"no-such-program" is in no folder of PATH`, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := probeOnce(t, row.probe, server.URL)
			if row.want == "" && got.Err != nil || row.want != "" && (got.Err == nil || !strings.Contains(got.Err.Error(), row.want)) {
				t.Errorf("error %v, want %q", got.Err, row.want)
			}
			if got.Answered != row.answered || got.Took <= 0 {
				t.Errorf("%+v, want answered %v", got, row.answered)
			}
		})
	}
}

func TestProbe_TellsThatNothingListens(t *testing.T) {
	if got := probeOnce(t, Probe{}, "http://"+freeAddress(t)); got.Err == nil || !got.Away || got.Err.Error() != "connection refused, nothing listens" {
		t.Errorf("%+v", got)
	}
	if got := probeOnce(t, Probe{Path: "/"}, "unix:"+t.TempDir()+"/none.sock"); got.Err == nil || !got.Away {
		t.Errorf("%+v", got)
	}
}

func TestProbe_ReadsNoMoreThanItMust(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	got := probeOnce(t, Probe{Path: "/", Body: "never"}, server.URL)
	if got.Err == nil || !got.Answered {
		t.Errorf("%+v", got)
	}
}

func TestTarget_KnocksUntilSomebodyOpens(t *testing.T) {
	address := freeAddress(t)
	at, err := parseTarget("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	knocked := make(chan error, 1)
	go func() { knocked <- at.await(limit(t)) }()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := <-knocked; err != nil {
		t.Error(err)
	}
}
