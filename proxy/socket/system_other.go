//go:build !linux || !(amd64 || arm64) || race || msan || asan

package socket

import "syscall"

func receive(fd uintptr, p []byte) (int, error) { return syscall.Read(int(fd), p) }
func send(fd uintptr, p []byte) (int, error)    { return syscall.Write(int(fd), p) }

func look(fd uintptr, p []byte) (int, error) {
	n, _, err := syscall.Recvfrom(int(fd), p, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n, err
}
