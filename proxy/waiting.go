package proxy

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// acceptWaiting takes the connections that wait in a listener's queue, without
// waiting for more.
func acceptWaiting(l net.Listener) []net.Conn {
	system, ok := l.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return nil
	}
	var files []*os.File
	_ = raw.Control(func(fd uintptr) { // fails when the listener is closed already
		for {
			file, err := acceptOne(int(fd))
			switch {
			case err == nil:
				files = append(files, file)
			case !errors.Is(err, syscall.EINTR) && !errors.Is(err, syscall.ECONNABORTED):
				return // EAGAIN: there is none left
			}
		}
	})
	var all []net.Conn
	for _, file := range files {
		if c, err := net.FileConn(file); err == nil {

			all = append(all, c)
		}
		_ = file.Close() // FileConn has made a copy
	}
	return all
}

func acceptOne(fd int) (*os.File, error) {
	syscall.ForkLock.RLock() // so that no backend that is started right now inherits it
	defer syscall.ForkLock.RUnlock()
	accepted, _, err := syscall.Accept(fd)
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(accepted)
	return os.NewFile(uintptr(accepted), "accepted"), nil
}
