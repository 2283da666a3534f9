package host

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

// linkLimit is the most symbolic links in one path, as in the kernel
// (path_resolution(7)).
const linkLimit = 40

// RealPath is a path of the machine with its symbolic links followed: only those
// that root made are, since one of a user could lead root anywhere. What is not
// there yet stays as it is written.
func (m Machine) RealPath(name string) (string, error) {
	done, todo := "/", strings.Split(path.Clean("/"+name), "/")
	for links := 0; len(todo) > 0; {
		next := path.Join(done, todo[0])
		target, err := m.rootLink(next)
		if err != nil {
			return "", err
		}
		todo = todo[1:]
		if target == "" {
			done = next
			continue
		}
		if links++; links > linkLimit {
			return "", fmt.Errorf("%s: more than %d symbolic links follow one another", name, linkLimit)
		}
		if path.IsAbs(target) {
			done = "/"
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return done, nil
}

// rootLink reads a symbolic link; "" is anything else, or nothing at all.
func (m Machine) rootLink(name string) (string, error) {
	info, err := m.Lstat(name)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return "", nil
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 {
		return "", fmt.Errorf("%s is a symbolic link of user %d, and root follows only its own: put the real file or folder in its place", name, stat.Uid)
	}
	return os.Readlink(m.Path(name))
}

// ReadRegular reads a file that belongs to a user, who may have put something
// else in its place: what is no regular file (a pipe would keep us waiting) or is
// larger than limit bytes is an error.
func (m Machine) ReadRegular(name string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(m.Path(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", name)
	case info.Size() > limit:
		return nil, fmt.Errorf("%s has %d bytes, more than the %d that are read of it", name, info.Size(), limit)
	}
	return io.ReadAll(io.LimitReader(f, limit))
}
