package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gateway/certs"
	"gateway/cmd/internal/apache"
	"gateway/cmd/internal/config"
)

// rehearsalReport is what a rehearsal has found.
type rehearsalReport struct {
	Requests    int                 `json:"requests"`
	Differences []apache.Difference `json:"differences"`
	LeftOut     []string            `json:"left_out,omitempty"`
	Ignored     []string            `json:"ignored_headers"`
}

// rehearse serves the imported file beside the live httpd and compares the two.
func rehearse(cmd *cobra.Command, path string, flags importFlags) error {
	made, err := translateApache(path, apache.Options{Rehearsal: true})
	if err != nil {
		return err
	}
	list, err := os.Open(flags.rehearse)
	if err != nil {
		return fmt.Errorf("the list of requests: %w", err)
	}
	requests, err := apache.ParseRequests(list, made.Places, flags.unsafe)
	if err = errors.Join(err, list.Close()); err != nil {
		return err
	}
	if len(requests.All) == 0 {
		return fmt.Errorf("%s holds no request that may be sent: write one URL a line, or name an access log (%s)", flags.rehearse, strings.Join(leftOut(requests), ", "))
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	report := rehearsalReport{Requests: len(requests.All), LeftOut: leftOut(requests), Ignored: apache.IgnoredHeaders()}
	if report.Differences, err = compareWithApache(ctx, made, requests.All); err != nil {
		return err
	}
	if err := report.print(cmd.OutOrStdout(), flags.json); err != nil {
		return err
	}
	if len(report.Differences) > 0 {
		return lostError{errors.New("some requests are answered differently")}
	}
	return nil
}

// leftOut tells which lines of a list are not sent, and why.
func leftOut(r apache.Requests) []string {
	var texts []string
	for _, method := range slices.Sorted(maps.Keys(r.Unsafe)) {
		texts = append(texts, fmt.Sprintf("%d with method %s, which may change something: --unsafe-methods sends them", r.Unsafe[method], method))
	}
	if r.Strange > 0 {
		texts = append(texts, fmt.Sprintf("%d that are no request to one of the sites", r.Strange))
	}
	if r.More > 0 {
		texts = append(texts, fmt.Sprintf("%d behind the first %d different ones", r.More, len(r.All)))
	}
	return texts
}

func (r rehearsalReport) print(w io.Writer, asJSON bool) error {
	if asJSON {
		if r.Differences == nil {
			r.Differences = []apache.Difference{}
		}
		return printJSON(w, r)
	}
	var out strings.Builder
	for _, d := range r.Differences {
		fmt.Fprintln(&out, d)
	}
	for _, text := range r.LeftOut {
		fmt.Fprintln(&out, "left out:", text)
	}
	fmt.Fprintf(&out, "not compared: %s, and pages of errors in Apache's own words\n", strings.Join(r.Ignored, ", "))
	fmt.Fprintf(&out, "requests: %d, differences: %d\n", r.Requests, len(r.Differences))
	_, err := io.WriteString(w, out.String())
	return err
}

// compareWithApache serves the file until all requests are sent.
func compareWithApache(ctx context.Context, made *apache.Translation, requests []apache.Request) (found []apache.Difference, err error) {
	folder, err := os.MkdirTemp("", "gateway-rehearsal")
	if err != nil {
		return nil, fmt.Errorf("the folder for the rehearsal: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	g, addresses, err := rehearsalGateway(ctx, folder, made)
	if err != nil {
		return nil, err
	}
	serving, stop := context.WithCancel(ctx)
	ready, ended := make(chan struct{}), make(chan struct{})
	var failed error
	g.ready = func() { close(ready) }
	go func() {
		defer close(ended)
		failed = g.serve(serving)
	}()
	defer func() {
		stop()
		<-ended
		err = errors.Join(err, failed)
	}()
	select {
	case <-ready:
	case <-ended:
		return nil, ctx.Err()
	}
	return apache.Rehearsal{Places: made.Places, Gateway: addresses}.Run(ctx, requests)
}

// rehearsalGateway opens what the imported file says on spare ports of this
// machine, with nothing else of it: no logs, no mail, no ACME.
func rehearsalGateway(ctx context.Context, folder string, made *apache.Translation) (*gateway, map[string]string, error) {
	path := filepath.Join(folder, "config.toml")
	if err := apache.WriteFile(path, made.TOML); err != nil {
		return nil, nil, err
	}
	loaded, err := config.Load(path)
	if err != nil {
		return nil, nil, fmt.Errorf("the imported file does not hold: %w", err)
	}
	addresses, err := moveToSparePorts(loaded)
	if err != nil {
		return nil, nil, err
	}
	loaded.State = filepath.Join(folder, "state")
	loaded.Admin.Socket = filepath.Join(folder, "s")
	loaded.Log.Access, loaded.Log.Error = "", filepath.Join(folder, "error.log")
	loaded.Timeouts.Drain = time.Second
	for i := range loaded.Backends {
		loaded.Backends[i].Hold = new(time.Duration)
	}
	g, err := newGateway(path, loaded, nil)
	if err != nil {
		return nil, nil, err
	}
	return g, addresses, g.open(ctx)
}

// moveToSparePorts gives every address of the sites a port of its own, and tells
// which.
func moveToSparePorts(c *config.Config) (map[string]string, error) {
	moved := map[string]string{}
	var taken []net.Listener
	defer func() {
		for _, l := range taken {
			_ = l.Close() // it was only held so that no port comes twice
		}
	}()
	for i := range c.Sites {
		site := &c.Sites[i]
		if site.Certificate == certs.FromACME {
			site.Certificate = certs.FromLocal
		}
		for j, written := range site.Listen {
			if moved[written] == "" {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					return nil, fmt.Errorf("a spare port: %w", err)
				}
				taken = append(taken, l)
				moved[written] = l.Addr().String()
			}
			site.Listen[j] = moved[written]
			if strings.HasPrefix(written, "http://") {
				site.Listen[j] = "http://" + moved[written]
			}
		}
	}
	return moved, nil
}
