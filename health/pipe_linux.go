package health

import (
	"os"

	"golang.org/x/sys/unix"
)

// growPipe asks for a pipe that holds more than the 64 KiB of pipe(7).
func growPipe(pipe *os.File) {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
}
