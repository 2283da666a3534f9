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
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder, _ := io.ReadAll(io.LimitReader(file, 20))
		return nil, errors.Join(fmt.Errorf("state: %s is in use by another gateway, process %s: stop that one first, or give this one a state folder of its own",
			dir, strings.TrimSpace(string(holder))), file.Close())
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

// stateHeld tells whether another gateway has the state folder, without a lock of
// its own, which would be in the way of one that is just starting.
func stateHeld(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "lock"))
	if err != nil {
		return false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return err == nil && pid > 0 && pid != os.Getpid() && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

func writeOwnPID(file *os.File) error {
	_, err := fmt.Fprintln(file, os.Getpid())
	return err
}
