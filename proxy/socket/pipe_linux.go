package socket

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// NewPipe makes a pipe, which takes two descriptors. The error is
// errors.ErrUnsupported where the system can't carry bytes this way.
func NewPipe() (*Pipe, error) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	return &Pipe{r: os.NewFile(uintptr(ends[0]), "pipe"), w: os.NewFile(uintptr(ends[1]), "pipe")}, nil
}

// fill makes an attempt, and reports whether it did not have to wait. The pipe is
// empty, so only the socket can be waited for.
func (p *Pipe) fill(d *direction, fd uintptr, most int) (done bool) {
	return d.splice(fd, p.w.Fd(), most)
}

// drain makes an attempt. The pipe holds something, so only the socket can be
// waited for.
func (p *Pipe) drain(d *direction, fd uintptr) (done bool) {
	return d.splice(p.r.Fd(), fd, p.held)
}

// splice can't wait, for none of the two can, so the scheduler is not told of it.
func (d *direction) splice(from, to uintptr, most int) (done bool) {
	for {
		n, _, failed := syscall.RawSyscall6(syscall.SYS_SPLICE, from, 0, to, 0, uintptr(most), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		d.n, d.err = int(n), nil
		if failed != 0 {
			d.n, d.err = 0, failed
		}
		if !errors.Is(d.err, syscall.EINTR) {
			return !errors.Is(d.err, syscall.EAGAIN)
		}
	}
}
