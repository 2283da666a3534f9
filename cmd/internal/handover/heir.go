package handover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Heir is the process that is to take over, as the one that runs sees it.
type Heir struct {
	wire *wire
	cmd  *exec.Cmd
	said *lastWords
	gone chan struct{} // closed when the process has ended
	how  error         // of its end; valid then
}

// Start starts a program that is to take over, with the sockets that it is to
// serve. Its messages go to stderr. It owns nothing yet.
func Start(program string, args []string, sockets []Socket, stderr *os.File) (*Heir, error) {
	ours, theirs, err := pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	w, err := newWire(ours)
	if err != nil {
		return nil, err
	}
	h := &Heir{wire: w, gone: make(chan struct{}), said: &lastWords{to: stderr}}
	h.cmd = exec.Command(program, args...)
	h.cmd.Env = heirEnvironment(os.Environ())
	h.cmd.Stdout, h.cmd.Stderr = os.Stdout, h.said
	h.cmd.ExtraFiles = []*os.File{theirs, stderr}
	// In a group of its own, so that it is ended with all that it has started: a
	// script whose program hangs must not leave that behind, with our sockets.
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	lendPowers(h.cmd.SysProcAttr)
	// Once it serves, the pipe of its standard error is closed at its end alone.
	h.cmd.WaitDelay = time.Second
	if err := h.cmd.Start(); err != nil {
		return nil, errors.Join(unstarted(program, err), w.conn.Close())
	}
	go func() {
		h.how = h.cmd.Wait()
		close(h.gone)
	}()
	if err := w.sendSockets(sockets); err != nil {
		h.Kill()
		return nil, fmt.Errorf("hand the sockets to %s: %w", program, err)
	}
	return h, nil
}

// unstarted tells why the system does not run a program.
func unstarted(program string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("%s is no program for this machine, which is %s/%s: copy the one that is: %w", program, runtime.GOOS, runtime.GOARCH, syscall.ENOEXEC)
	case errors.Is(err, syscall.ETXTBSY):
		return fmt.Errorf("%s is still being written: try again when it is copied: %w", program, syscall.ETXTBSY)
	}
	return fmt.Errorf("start %s: %w", program, err)
}

// pair makes the two ends of a connection.
func pair() (ours, theirs *os.File, err error) {
	syscall.ForkLock.RLock() // macOS cannot close on exec in one step
	defer syscall.ForkLock.RUnlock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("connect two gateways: %w", err)
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	return os.NewFile(uintptr(fds[0]), "heir"), os.NewFile(uintptr(fds[1]), "predecessor"), nil
}

// heirEnvironment is ours, but for what is meant for this very process.
func heirEnvironment(own []string) []string {
	var env []string
	for _, variable := range own {
		name, _, _ := strings.Cut(variable, "=")
		switch name {
		case environment, "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES":
		default:
			env = append(env, variable)
		}
	}
	return append(env, fmt.Sprintf("%s=%d", environment, wireFD))
}

// Prepared waits until the heir could serve.
func (h *Heir) Prepared(within time.Duration) error {
	what, err := h.wire.hear(time.Now().Add(within))
	switch {
	case err != nil:
		return h.explain(err, "before it could serve", within)
	case len(what.Refused) > 0:
		return errors.New(strings.Join(what.Refused, "\n"))
	case !what.Prepared:
		return errors.New("it does not say that it could serve: it is another kind of program")
	}
	return nil
}

// Lease tells the heir that the state folder and the backends are its own, gives
// it what is in no file, and waits until it serves.
func (h *Heir) Lease(secrets []byte, within time.Duration) (Served, error) {
	if err := h.wire.say(word{Lease: true, Secrets: secrets}); err != nil {
		return Served{}, h.explain(err, "before it served", within)
	}
	what, err := h.wire.hear(time.Now().Add(within))
	switch {
	case err != nil:
		return Served{}, h.explain(err, "before it served", within)
	case len(what.Refused) > 0:
		return Served{}, errors.New(strings.Join(what.Refused, "\n"))
	case what.Serving == nil:
		return Served{}, errors.New("it does not say that it serves")
	}
	return *what.Serving, nil
}

// endsWithin is how long the end of a process may come after that of its
// connection, which is closed first: long, for a machine that is busy.
const endsWithin = 5 * time.Second

// explain tells how a heir failed that has said nothing.
func (h *Heir) explain(err error, when string, within time.Duration) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("it did not get ready within %v", within)
	}
	select {
	case <-h.gone:
	case <-time.After(endsWithin):
		return fmt.Errorf("it broke off %s: %w", when, err)
	}
	how := "exit status 0"
	if h.how != nil {
		how = h.how.Error()
	}
	if said := h.said.String(); said != "" {
		return fmt.Errorf("it ended %s (%s): %s", when, how, said)
	}
	return fmt.Errorf("it ended %s (%s) and said nothing: is it gateway, and all of it? Try: %s version", when, how, h.cmd.Path)
}

// Kill ends a heir that is not wanted, and waits until it is gone.
func (h *Heir) Kill() {
	select {
	case <-h.gone: // the number of its group may be somebody else's by now
	default:
		_ = syscall.Kill(-h.cmd.Process.Pid, syscall.SIGKILL) // a gateway has left that group, see Find
	}
	_ = h.cmd.Process.Kill()
	<-h.gone
	_ = h.wire.conn.Close()
}

// Gone waits until the heir has ended, or ctx.
func (h *Heir) Gone(ctx context.Context) {
	select {
	case <-h.gone:
	case <-ctx.Done():
	}
}

// lastWords passes on what a program prints, and keeps the end of it.
type lastWords struct {
	to io.Writer

	mu   sync.Mutex
	text bytes.Buffer
}

// lastWordsKept is how much of it an admin is told.
const lastWordsKept = 2 << 10

func (l *lastWords) Write(p []byte) (int, error) {
	l.mu.Lock()
	l.text.Write(p)
	if extra := l.text.Len() - lastWordsKept; extra > 0 {
		l.text.Next(extra)
	}
	l.mu.Unlock()
	return l.to.Write(p)
}

func (l *lastWords) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(l.text.String())
}
