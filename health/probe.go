package health

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Result is what one probe found.
type Result struct {
	Err      error         // nil: good
	Answered bool          // with Err: the backend did answer, but not what is good
	Away     bool          // with Err: nothing listens at its address
	Took     time.Duration // from the probe's start to its end
}

// prober asks the backend once. With eager it first waits, as long as ctx
// allows, until the address accepts connections: a backend that is starting is
// then found ready at once and not at the next interval.
type prober func(ctx context.Context, eager bool) Result

// errFrozen is what a mere connect does not see: the kernel goes on taking
// connections for a process that was stopped.
var errFrozen = errors.New("its process is stopped (as by SIGSTOP), and answers nothing")

// answerError is a reply that is not what the configuration calls good.
type answerError struct{ text string }

func (e *answerError) Error() string { return e.text }

// newProber makes the prober that the configuration asks for. command makes
// the process of a command probe; it is called for every probe.
func newProber(p Probe, at target, command func(context.Context, []string) (*exec.Cmd, error)) (prober, error) {
	check, err := newCheck(p, at, command)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, eager bool) Result {
		start := time.Now()
		bounded := func(ask func(context.Context) error) error {
			ctx, cancel := context.WithTimeout(ctx, p.timeout())
			defer cancel()
			return ask(ctx)
		}
		var err error
		if eager {
			err = bounded(at.await)
		}
		if err == nil { // with all its time, however long the knocking took
			err = bounded(check)
		}
		var answer *answerError
		return Result{Err: inWords(err, p.timeout()), Answered: errors.As(err, &answer), Away: away(err), Took: time.Since(start)}
	}, nil
}

func newCheck(p Probe, at target, command func(context.Context, []string) (*exec.Cmd, error)) (func(context.Context) error, error) {
	switch {
	case len(p.Command) > 0:
		return func(ctx context.Context) error { return runProbe(ctx, p.Command, command) }, nil
	case p.Path != "":
		return newHTTPCheck(p, at)
	}
	return func(ctx context.Context) error {
		conn, err := at.dial(ctx)
		if err != nil {
			return err
		}
		return conn.Close()
	}, nil
}

// wordedError says an error in our own words, and is still that error.
type wordedError struct {
	text  string
	cause error
}

func (e *wordedError) Error() string { return e.text }
func (e *wordedError) Unwrap() error { return e.cause }

// inWords shortens the two errors that an admin meets most.
func inWords(err error, limit time.Duration) error {
	switch {
	case err == nil:
		return nil
	case timedOut(err):
		return &wordedError{fmt.Sprintf("no answer within %v", limit), err}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &wordedError{"connection refused, nothing listens", err}
	}
	return err
}

// bodyLimit bounds how much of an answer is read for the text that it must hold.
const bodyLimit = 64 << 10

func newHTTPCheck(p Probe, at target) (func(context.Context) error, error) {
	good, err := parseStatuses(p.status())
	if err != nil {
		return nil, err
	}
	where, err := at.url.Parse(p.Path)
	if err != nil {
		return nil, fmt.Errorf("probe path %q: %w", p.Path, err)
	}
	client := probeClient(at)
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, p.method(), where.String(), nil)
		if err != nil {
			return err
		}
		request.Host = p.Host
		request.Header.Set("User-Agent", "gateway-probe")
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		return judge(response, good, p.Body)
	}, nil
}

// probeClient opens a connection for every probe, so that what is probed is
// also whether the backend accepts one, and follows no redirect.
func probeClient(at target) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            func(ctx context.Context, _, _ string) (net.Conn, error) { return at.dial(ctx) },
			TLSClientConfig:        &tls.Config{InsecureSkipVerify: true}, // a program must not be killed for its certificate, and a probe carries no secret
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: bodyLimit,
		},
	}
}

func judge(response *http.Response, good []statusRange, want string) error {
	if !slices.ContainsFunc(good, func(r statusRange) bool { return r.holds(response.StatusCode) }) {
		return &answerError{fmt.Sprintf("it answered %s", response.Status)}
	}
	if want == "" {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, bodyLimit))
	if bytes.Contains(body, []byte(want)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return &answerError{fmt.Sprintf("it answered %s without the text %q", response.Status, want)}
}

// statusRange is one code or range of a probe's status list, both ends in it.
type statusRange struct{ from, to int }

func (r statusRange) holds(status int) bool { return status >= r.from && status <= r.to }

// parseStatuses reads "200-399" or "200,204,301-302".
func parseStatuses(list string) ([]statusRange, error) {
	var ranges []statusRange
	for item := range strings.SplitSeq(list, ",") {
		low, high, ranged := strings.Cut(strings.TrimSpace(item), "-")
		if !ranged {
			high = low
		}
		from, fromErr := strconv.Atoi(low)
		to, toErr := strconv.Atoi(high)
		if fromErr != nil || toErr != nil || from < 100 || to > 599 || from > to {
			return nil, fmt.Errorf("%q is not a status code or a range of them", item)
		}
		ranges = append(ranges, statusRange{from, to})
	}
	return ranges, nil
}

// runProbe runs a command probe. The process has its own group, so that
// nothing of it outlives a probe that took too long.
func runProbe(ctx context.Context, argv []string, command func(context.Context, []string) (*exec.Cmd, error)) error {
	cmd, err := command(ctx, argv)
	if err != nil {
		return err
	}
	said := &headWriter{limit: 512}
	cmd.Stdout, cmd.Stderr = said, said
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 100 * time.Millisecond // something that left the group may hold the pipe
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit):
		return &answerError{fmt.Sprintf("the probe command ended with %v%s", exit, said.quote())}
	case errors.Is(err, exec.ErrWaitDelay):
		return nil // it ended well, and left something running
	}
	return err
}

// headWriter keeps the beginning of what is written and drops the rest.
type headWriter struct {
	kept  []byte
	limit int
}

func (w *headWriter) Write(p []byte) (int, error) {
	w.kept = append(w.kept, p[:min(len(p), w.limit-len(w.kept))]...)
	return len(p), nil
}

func (w *headWriter) quote() string {
	if text := strings.TrimSpace(string(w.kept)); text != "" {
		return fmt.Sprintf(": %q", text)
	}
	return ""
}
