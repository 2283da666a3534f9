package main

import (
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestLock_ASecondGatewayLeavesTheFirstOnesBackendAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "0s")
	before := w.status()

	second := startProcess(t, builtGateway(t), "run", "-c", w.config)
	if code := second.exitCode(); code != 1 {
		t.Errorf("exit code %d of a second gateway, want 1", code)
	}
	if want := fmt.Sprintf("is in use by another gateway, process %d: stop that one first", w.gateway.cmd.Process.Pid); !strings.Contains(second.text(), want) {
		t.Errorf("it says %q, want %q in it", second.text(), want)
	}
	if after := w.status(); after.PID != before.PID || after.State != "up" {
		t.Errorf("the backend is %s, pid %d, was %d", after.State, after.PID, before.PID)
	}

	w.gateway.signal(syscall.SIGKILL)
	w.gateway.exitCode()
	w.gateway = startProcess(t, builtGateway(t), "run", "-c", w.config)
	w.gateway.waitFor("the backend is up")
}

// A process that is killed between fork and exec of a backend leaves its lock to
// the backend for a moment.
func TestLock_IsWaitedForWhenItsProcessIsGone(t *testing.T) {
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		left, err := lockState(dir, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, dir, "lock", fmt.Sprintln(ended.Process.Pid))
		locked := make(chan error)
		go func() {
			lock, err := lockState(dir, slog.New(slog.DiscardHandler))
			if err == nil {
				err = lock.Close()
			}
			locked <- err
		}()
		time.Sleep(lockPatience / 2)
		if err := left.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-locked; err != nil {
			t.Error(err)
		}
	})
}

func TestHistory_IsAnEmptyListWhenNothingHappened(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "0s")
	if text := w.do("history", "--json"); strings.TrimSpace(text) != "[]" {
		t.Errorf("%q, want an empty list", text)
	}
}
