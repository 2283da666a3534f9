package handover

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// takeStderr has standard error go where the other gateway's goes: so far it went
// through a pipe that ends with that process.
func takeStderr() error {
	if err := unix.Dup3(stderrFD, 2, 0); err != nil {
		return err
	}
	return unix.Close(stderrFD)
}

// lendPowers gives a heir the capabilities that gateway has as a service without
// root; they are not inherited by themselves, see health.KeepPowers.
func lendPowers(attr *syscall.SysProcAttr) {
	if os.Geteuid() == 0 {
		return
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if unix.Capget(&header, &sets[0]) != nil {
		return
	}
	for capability := range unix.CAP_LAST_CAP + 1 {
		if sets[capability/32].Permitted&(1<<(capability%32)) != 0 {
			attr.AmbientCaps = append(attr.AmbientCaps, uintptr(capability))
		}
	}
}
