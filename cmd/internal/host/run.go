package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// ExitError is a program that ran and did not succeed.
type ExitError struct {
	Program string // Argv[0]
	Code    int    // exit status; -1 when a signal ended it
	Stderr  string // what it printed there, trimmed, or its standard output if that is all there is
}

func (e *ExitError) Error() string {
	if e.Stderr == "" {
		return fmt.Sprintf("%s ended with exit status %d", e.Program, e.Code)
	}
	return fmt.Sprintf("%s ended with exit status %d: %s", e.Program, e.Code, e.Stderr)
}

// printedLimit is the most that is kept of what a program prints.
const printedLimit = 1 << 20

// runHere runs a program on this host.
func runHere(ctx context.Context, c Command) (Result, error) {
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.Dir = c.Dir
	cmd.Stdin = bytes.NewReader(c.Stdin)
	cmd.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}, proxies(os.Environ())...)
	cmd.Env = append(cmd.Env, c.Env...)
	var stdout, stderr head
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := become(cmd, c.UID); err != nil {
		return Result{}, err
	}
	err := cmd.Run()
	result := Result{Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return result, &ExitError{Program: c.Argv[0], Code: exit.ExitCode(), Stderr: said(result)}
	}
	return result, err
}

// proxies are the variables by which a program that fetches something, such as
// apt-get or conda, finds its way out.
func proxies(environ []string) []string {
	var found []string
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		switch strings.ToLower(name) {
		case "http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy":
			found = append(found, variable)
		}
	}
	return found
}

// said is what a program had to say about its failure.
func said(r Result) string {
	if text := strings.TrimSpace(string(r.Stderr)); text != "" {
		return text
	}
	return strings.TrimSpace(string(r.Stdout))
}

// head keeps the first printedLimit bytes that are written to it.
type head struct{ bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	if room := printedLimit - h.Len(); room > 0 {
		h.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
