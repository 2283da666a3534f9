package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// sleepUntil sleeps in the kernel: the timers of Go's scheduler come up to a
// millisecond late when it has nothing else to do, which is more than many
// answers take.
func sleepUntil(at time.Time) {
	for left := time.Until(at); left > 0; left = time.Until(at) {
		t := unix.NsecToTimespec(left.Nanoseconds())
		_ = unix.Nanosleep(&t, nil) // when a signal ends it early, it sleeps again
	}
}
