package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
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
	ownGroup(cmd)
	runtime.LockOSThread() // what endWithUs asks for hangs on the thread that starts the program
	defer runtime.UnlockOSThread()
	if err := become(cmd, c.UID); err != nil {
		return Result{}, err
	}
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it has succeeded; a service that it started keeps its output open
	}
	result := Result{Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}
	if err != nil && ctx.Err() != nil {
		return result, fmt.Errorf("%s was called off: %w", c.Argv[0], context.Cause(ctx))
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return result, &ExitError{Program: c.Argv[0], Code: exit.ExitCode(), Stderr: said(result)}
	}
	return result, err
}

// endGrace is how long a program that is called off may clean up after itself,
// such as useradd its locks.
const endGrace = 10 * time.Second

// ownGroup keeps Ctrl-C on the terminal from the program, since it is gateway
// that decides what becomes of it: called off, it and all that it started are
// asked to end. Without gateway it ends as well, so that whoever takes back what
// gateway had begun meets nobody who still goes on with it.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithUs(cmd.SysProcAttr)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = endGrace
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
