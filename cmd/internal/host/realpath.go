package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// RealPath is a path of the machine with its symbolic links followed: only those
// that root made are, since one of a user could lead root anywhere. What is not
// there yet stays as it is written.
func (m Machine) RealPath(name string) (string, error) {
	there, rest := path.Clean("/"+name), ""
	for {
		real, err := m.resolve(there, true)
		if !errors.Is(err, fs.ErrNotExist) {
			return path.Join(real, rest), err
		}
		there, rest = path.Dir(there), path.Join(path.Base(there), rest)
	}
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
