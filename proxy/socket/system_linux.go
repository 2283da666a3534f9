//go:build linux && (amd64 || arm64) && !race && !msan && !asan

package socket

import (
	"syscall"
	"unsafe"
)

// receive and send can't wait, whatever mode the socket is in. The race detector
// must see them, so it gets those of the other file.

func receive(d *direction, fd uintptr) (int, error) {
	flags := uintptr(syscall.MSG_DONTWAIT)
	if d.peeks {
		flags |= syscall.MSG_PEEK
	}
	return transfer(syscall.SYS_RECVFROM, fd, d.p, flags)
}

func send(d *direction, fd uintptr) (int, error) {
	return transfer(syscall.SYS_SENDTO, fd, d.p, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
}

func transfer(call, fd uintptr, p []byte, flags uintptr) (int, error) {
	n, _, failed := syscall.RawSyscall6(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
	if failed != 0 {
		return -1, failed
	}
	return int(n), nil
}
