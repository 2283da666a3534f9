package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// How long a lock is waited for whose process is gone. If that was killed in the
// moment in which it started a backend, the backend has the lock from fork to exec.
const (
	lockPatience = 3 * time.Second
	lockPause    = 10 * time.Millisecond // between two tries
)

// lockState keeps a second gateway out of the state folder: it would take the
// first one's backend for its own, and stop it. The kernel lets go of the lock
// when the process ends, however that happens, and no backend inherits it. On a
// file system without locks it warns, and gateway runs without one.
func lockState(dir string, log *slog.Logger) (io.Closer, error) {
	path := filepath.Join(dir, "lock")
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	err = flockUnlessHeld(file)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(&heldError{dir, lockHolder(path)}, file.Close())
	}
	if err != nil {
		log.Warn("the state folder cannot be locked: see to it that no second gateway uses it", "file", path, "error", err)
		return file, nil
	}
	if err := errors.Join(file.Truncate(0), writeOwnPID(file)); err != nil {
		log.Debug("writing the process number into the lock", "file", path, "error", err) // it is only for a message
	}
	return file, nil
}

// heldError is a state folder that another gateway uses.
type heldError struct {
	dir string
	pid int // of that gateway
}

func (e *heldError) Error() string {
	return fmt.Sprintf("state: %s is in use by another gateway, process %d: stop that one first, or give this one a state folder of its own", e.dir, e.pid)
}

// flockUnlessHeld takes the lock unless the process that has it runs.
func flockUnlessHeld(file *os.File) error {
	for tries := lockPatience / lockPause; ; tries-- {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) || tries == 0 || runs(lockHolder(file.Name())) {
			return err
		}
		time.Sleep(lockPause)
	}
}

// stateHeld tells whether another gateway has the state folder, without a lock of
// its own, which would be in the way of one that is just starting.
func stateHeld(dir string) bool {
	pid := lockHolder(filepath.Join(dir, "lock"))
	return pid != os.Getpid() && runs(pid)
}

// lockHolder is the process that has taken the lock last, or 0.
func lockHolder(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// runs reports whether there is a process of this number.
func runs(pid int) bool { return pid > 0 && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func writeOwnPID(file *os.File) error {
	_, err := fmt.Fprintln(file, os.Getpid())
	return err
}
