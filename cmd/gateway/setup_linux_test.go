package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// setupTerminal is a terminal on which something was typed.
func setupTerminal(t *testing.T, typed string) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	if _, err := master.WriteString(typed); err != nil {
		t.Fatal(err)
	}
	return terminal
}

func TestSetup_AsksOnATerminal(t *testing.T) {
	for typed, want := range map[string]int{"y\n": exitDone, "Yes\n": exitDone, "n\n": exitFailed, "\n": exitFailed, "\x04": exitFailed} {
		engine, path := setupEngine(t)
		code, _, problems := setupApply(t, engine, setupFake{path: "/etc/greeting"}, setupTerminal(t, typed))
		if code != want || !strings.HasPrefix(problems, "Apply 1 change? [y/N] ") {
			t.Errorf("%q: exit code %d, printed %q", typed, code, problems)
		}
		if _, err := os.Stat(path); (err == nil) != (want == exitDone) {
			t.Errorf("%q: the file: %v", typed, err)
		}
	}
}
