package main

import "golang.org/x/sys/unix"

// The requests by which a terminal tells and takes its settings (termios(3)).
const (
	termiosRead  = unix.TCGETS
	termiosWrite = unix.TCSETS
)
