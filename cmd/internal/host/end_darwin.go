package host

import "syscall"

// endWithUs does nothing: macOS has no signal for the death of a parent.
func endWithUs(*syscall.SysProcAttr) {}
