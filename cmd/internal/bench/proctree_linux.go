package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// processes are all processes of the machine by their ids.
func processes() (map[int]stat, error) {
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	all := make(map[int]stat, len(entries))
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(entry, "stat"))
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		pid, err := strconv.Atoi(filepath.Base(entry))
		if err != nil {
			return nil, err
		}
		if all[pid], err = parseStat(text); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// treeCPU is the CPU time, user and system, of a process and all that came from it.
func treeCPU(root int) (time.Duration, error) {
	all, err := processes()
	if err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", root, err)
	}
	var sum time.Duration
	for _, pid := range descendants(root, all) {
		own, err := processCPU(pid)
		if errors.Is(err, syscall.EINVAL) { // ended a moment ago: its parent has the time
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
		}
		sum += own + all[pid].ended
	}
	return sum, nil
}

// processCPU is the CPU time of all threads of a process, by the clock that every
// process has for it, which counts nanoseconds and not ticks as /proc does.
func processCPU(pid int) (time.Duration, error) {
	// The number of the clock is made as clock_getcpuclockid(3) makes it.
	const scheduled = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &t); err != nil {
		return 0, err
	}
	return time.Duration(t.Nano()), nil
}

// treeMemory is the resident memory of a process and all that came from it, in KiB.
func treeMemory(root int) (int64, error) {
	all, err := processes()
	if err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", root, err)
	}
	var sum int64
	for _, pid := range descendants(root, all) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if gone(err) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("memory of process %d: %w", pid, err)
		}
		kib, err := parsePSS(text)
		if err != nil {
			return 0, fmt.Errorf("memory of process %d: %w", pid, err)
		}
		sum += kib
	}
	return sum, nil
}

// gone reports whether a file of /proc could not be read because the process has ended.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) }
