package health

import (
	"os"
	"syscall"
)

// mayBecomeOthers tells whether gateway may start a process as another user.
func mayBecomeOthers() bool { return os.Geteuid() == 0 }

// KeepPowers does nothing: macOS has no capabilities.
func KeepPowers() error { return nil }

func lend(*syscall.SysProcAttr) {}
