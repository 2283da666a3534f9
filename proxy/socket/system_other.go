//go:build !linux || !(amd64 || arm64) || race || msan || asan

package socket

import "syscall"

func receive(d *direction, fd uintptr) (int, error) {
	if d.peeks {
		n, _, err := syscall.Recvfrom(int(fd), d.p, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return n, err
	}
	return syscall.Read(int(fd), d.p)
}

func send(d *direction, fd uintptr) (int, error) { return syscall.Write(int(fd), d.p) }
