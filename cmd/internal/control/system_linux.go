package control

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	// mostName is what fits into sun_path with its closing zero, unix(7).
	mostName = 107
	// mostBase leaves room for the folder's short form, see short.
	mostBase = mostName - len("/proc/self/fd/2147483647/")
)

// short returns a name for the path that fits into a socket's address. A longer
// path is reached by the number of its opened folder, until release.
func short(path string) (name string, release func(), err error) {
	if len(path) <= mostName {
		return path, func() {}, nil
	}
	if base := filepath.Base(path); len(base) > mostBase {
		return "", nil, fmt.Errorf("the file name has %d bytes, and a socket's may have %d: choose a shorter one", len(base), mostBase)
	}
	dir, err := os.OpenFile(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { _ = dir.Close() }, nil
}

func peerOf(c net.Conn) (Peer, error) {
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var credentials *unix.Ucred
	controlErr := raw.Control(func(fd uintptr) {
		credentials, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if controlErr != nil {
		return Peer{}, controlErr
	}
	if err != nil {
		return Peer{}, os.NewSyscallError("getsockopt", err)
	}
	return Peer{UID: int(credentials.Uid), PID: int(credentials.Pid)}, nil
}
