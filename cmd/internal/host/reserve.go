package host

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// reserveName is a file that holds room on the disk while a run is done, so that
// a disk that others fill meanwhile does not keep it from being taken back.
const reserveName = "reserve"

func (s *store) reserve(size int64) error {
	file, err := s.folder.OpenFile(reserveName, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	zeros := make([]byte, 64<<10)
	for ; size > 0 && err == nil; size -= int64(len(zeros)) {
		_, err = file.Write(zeros[:min(size, int64(len(zeros)))])
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, s.release())
	}
	return nil
}

// release gives the room back.
func (s *store) release() error {
	if err := s.folder.Remove(reserveName); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// isFull tells whether an error comes from a disk, quota or limit without room.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}

// roomHint is what to do about an error that comes from there.
func roomHint(err error) string {
	if !isFull(err) {
		return ""
	}
	return ": free space there (`df -h`) and apply again"
}
