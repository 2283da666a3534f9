package control

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// mostName is what fits into sun_path with its closing zero, unix(4).
const mostName = 103

// short returns the path if it fits into a socket's address.
func short(path string) (name string, release func(), err error) {
	if len(path) > mostName {
		return "", nil, fmt.Errorf("the path has %d bytes, and macOS allows %d for a socket: choose a shorter one", len(path), mostName)
	}
	return path, func() {}, nil
}

func peerOf(c net.Conn) (Peer, error) {
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var credentials *unix.Xucred
	var pid int
	controlErr := raw.Control(func(fd uintptr) {
		if credentials, err = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED); err == nil {
			pid, _ = unix.GetsockoptInt(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERPID)
		}
	})
	if controlErr != nil {
		return Peer{}, controlErr
	}
	if err != nil {
		return Peer{}, os.NewSyscallError("getsockopt", err)
	}
	return Peer{UID: int(credentials.Uid), PID: pid}, nil
}
