package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// AliveError says that another process serves the socket.
type AliveError struct {
	Path string
	PID  int // 0 where the system does not tell
}

func (e *AliveError) Error() string {
	who, stop := "another process", "stop it"
	if e.PID != 0 {
		who, stop = fmt.Sprintf("pid %d", e.PID), fmt.Sprintf("stop it (kill %d)", e.PID)
	}
	return fmt.Sprintf("control socket %s: a gateway already runs with it, %s: %s, or give this one another [admin] socket", e.Path, who, stop)
}

// socket is a control socket that this process owns.
type socket struct {
	net.Listener
	path string
	lock *os.File
	made fs.FileInfo // of the socket's file, to remove no other one's
	once sync.Once
	err  error // of the first Close
}

// bind makes the socket. It takes the place of one that a dead process left,
// and of nothing else.
func bind(path string) (_ *socket, err error) {
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	lock, err := lockFile(path)
	if err != nil {
		return nil, err
	}
	s := &socket{path: path, lock: lock}
	defer func() {
		if err != nil {
			_ = s.Close()
		}
	}()
	if err := sweep(path); err != nil {
		return nil, err
	}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	return s, nil
}

func (s *socket) open() (err error) {
	if s.Listener, err = listen(s.path); err != nil {
		return err
	}
	// Where listen could not set the mode beforehand, the folder and the check
	// of the peer keep others out until here.
	if err := os.Chmod(s.path, 0o600); err != nil {
		return err
	}
	s.made, err = os.Lstat(s.path)
	return err
}

// Close removes the socket, if it still is ours, and gives the lock up. Only the
// first call does: later the path may belong to the next gateway. The lock's file
// stays: removing it would let two processes lock two files of the same name.
func (s *socket) Close() error {
	s.once.Do(func() { s.err = s.close() })
	return s.err
}

func (s *socket) close() error {
	var err error
	if now, statErr := os.Lstat(s.path); statErr == nil && s.made != nil && os.SameFile(now, s.made) {
		err = os.Remove(s.path)
	}
	if s.Listener != nil {
		if closeErr := s.Listener.Close(); !errors.Is(closeErr, net.ErrClosed) {
			err = errors.Join(err, closeErr)
		}
	}
	return errors.Join(err, s.lock.Close())
}

// makeFolder makes the socket's folder for its owner only, if it is absent, and
// refuses one in which everybody may put another socket in place of ours.
func makeFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("its folder can't be made: %w: run gateway as root, or write another [admin] socket", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("everybody may write to its folder %s: close it with: chmod o-w %s", dir, dir)
	}
	return nil
}

// lockFile takes the lock that says that this process owns the socket. The
// kernel gives it back when the process ends, however it ends.
func lockFile(path string) (*os.File, error) {
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: its lock can't be opened: %w: run gateway as the user that did so before, or write another [admin] socket", path, err)
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return lock, nil
	}
	_ = lock.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		pid, _ := listener(path)
		return nil, &AliveError{Path: path, PID: pid}
	}
	return nil, fmt.Errorf("control socket %s: its lock can't be taken: %w", path, err)
}

// sweep removes what a dead process left at the path.
func sweep(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("control socket %s: %w", path, err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("control socket %s: there is something else at that path, and it is not removed: move it away, or write another [admin] socket", path)
	}
	// Another program may listen there without knowing of the lock.
	if pid, alive := listener(path); alive {
		return &AliveError{Path: path, PID: pid}
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("control socket %s: a dead process left it, and it can't be removed: %w", path, err)
	}
	return nil
}

// listener tells whether a process listens at the path, and which.
func listener(path string) (pid int, alive bool) {
	c, err := dial(context.Background(), path)
	if err != nil {
		// A full queue is a sign of life; so is a right that is missing.
		return 0, !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, fs.ErrNotExist)
	}
	defer func() { _ = c.Close() }()
	peer, err := peerOf(c)
	if err != nil {
		return 0, true
	}
	return peer.PID, true
}

func listen(path string) (net.Listener, error) {
	name, release, err := short(path)
	if err != nil {
		return nil, err
	}
	defer release()
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			// On Linux the file gets the mode of the descriptor, so that there is
			// no moment in which others may connect. Elsewhere this fails.
			_ = unix.Fchmod(int(fd), 0o600)
		})
	}}
	l, err := config.Listen(context.Background(), "unix", name)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // Close removes it, after a look
	return l, nil
}

func dial(ctx context.Context, path string) (net.Conn, error) {
	name, release, err := short(path)
	if err != nil {
		return nil, err
	}
	defer release()
	var d net.Dialer
	return d.DialContext(ctx, "unix", name)
}
