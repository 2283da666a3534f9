package health

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mayBecomeOthers tells whether gateway may start a process as another user: it
// is root, or it was given the capabilities for it (capabilities(7)).
func mayBecomeOthers() bool {
	return os.Geteuid() == 0 || holds(unix.CAP_SETUID) && holds(unix.CAP_SETGID)
}

// holds tells whether a capability is in force.
func holds(capability int) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if unix.Capget(&header, &sets[0]) != nil {
		return false
	}
	return sets[capability/32].Effective&(1<<(capability%32)) != 0
}

// KeepPowers keeps the capabilities that gateway was started with from every
// program that it starts: what a service manager gives as ambient capabilities,
// a backend would inherit, also when it runs as another user. Call it before
// anything is started. It does nothing where there are none.
func KeepPowers() error {
	for capability := range unix.CAP_LAST_CAP + 1 {
		set, err := unix.PrctlRetInt(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, uintptr(capability), 0, 0)
		if err != nil || set == 0 {
			continue // EINVAL: this kernel has no such capability, or no ambient ones
		}
		// Of every thread: the next program may be started by any of them.
		_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0)
		if errno != 0 {
			return fmt.Errorf("the capabilities of gateway cannot be kept from its backends: %w", errno)
		}
		return dropInheritable()
	}
	return nil
}

// dropInheritable empties the set that only programs with capabilities of their
// own would add to: nothing that gateway starts is one on purpose.
func dropInheritable() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("the capabilities of gateway cannot be told: %w", err)
	}
	sets[0].Inheritable, sets[1].Inheritable = 0, 0
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&sets[0])), 0)
	if errno != 0 {
		return fmt.Errorf("the inheritable capabilities of gateway cannot be dropped: %w", errno)
	}
	return nil
}

// lend gives the process in between, which sets limits and changes the user, the
// capabilities that it needs for it. It keeps them from the backend.
func lend(attr *syscall.SysProcAttr) {
	if os.Geteuid() == 0 {
		return
	}
	for _, capability := range []uintptr{unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_SYS_RESOURCE} {
		if holds(int(capability)) {
			attr.AmbientCaps = append(attr.AmbientCaps, capability)
		}
	}
}
