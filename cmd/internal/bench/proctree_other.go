//go:build !linux

package main

import (
	"errors"
	"time"
)

var errNotLinux = errors.New("CPU time and memory of process trees are read from /proc: the benchmark runs on Linux only")

func treeCPU(int) (time.Duration, error) { return 0, errNotLinux }

func treeMemory(int) (int64, error) { return 0, errNotLinux }
