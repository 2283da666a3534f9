package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestRun_EndsAProgramThatIsCalledOffWithAllThatItStarted(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, callOff := context.WithCancel(t.Context())
	defer callOff()
	ended := make(chan error, 1)
	go func() {
		_, err := runHere(ctx, Command{Argv: []string{"sh", "-c", `sleep 600 & echo $$ $! >"$1"; wait`, "sh", pipe}})
		ended <- err
	}()
	text, err := os.ReadFile(pipe)
	if err != nil {
		t.Fatal(err)
	}
	callOff()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for _, field := range strings.Fields(string(text)) {
		var pid int
		if _, err := fmt.Sscan(field, &pid); err != nil {
			t.Fatal(err)
		}
		runGone(t, pid)
	}
}

// runGone waits until a process has ended. What nobody reaps is a zombie, and
// has ended too.
func runGone(t *testing.T, pid int) {
	t.Helper()
	for t.Context().Err() == nil {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(status), ") Z ") || syscall.Kill(pid, 0) != nil {
			return
		}
	}
}

func TestProxies_AreTheOnlyVariablesThatAProgramInherits(t *testing.T) {
	got := proxies([]string{"https_proxy=http://p:1", "NO_PROXY=.example.com", "SECRET=x", "LD_PRELOAD=/x", "XHTTP_PROXY=y"})
	if want := []string{"https_proxy=http://p:1", "NO_PROXY=.example.com"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
