package mail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Names in the folder.
const (
	queueFolder  = "queue"   // letters on their way
	deadFolder   = "dead"    // letters that somebody never got
	lockFile     = "lock"    // held by the process that delivers
	letterSuffix = ".notice" // a letter
	tempPrefix   = ".tmp-"   // a letter being written
)

// Bounds of the folder.
const (
	maxLetter = 2 * maxBody      // bytes; a longer file is no letter of ours
	maxDead   = 1000             // dead letters; the oldest go first
	oldTemp   = 10 * time.Minute // a temporary file this old was left by a crash
)

// spool is the folder of letters. Every file appears in one step, complete.
type spool struct{ dir string }

func (s spool) path(folder, id string) string {
	return filepath.Join(s.dir, folder, id+letterSuffix)
}

// make creates the folders. Notices hold the backend's log lines, so only our own
// user may read them.
func (s spool) make() error {
	for _, folder := range []string{queueFolder, deadFolder} {
		if err := os.MkdirAll(filepath.Join(s.dir, folder), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// write puts a letter's file into a folder: temporary file, fsync, rename, fsync
// of the folder, so that a crash at any point leaves the old file or the new one.
func (s spool) write(folder, id string, content []byte) error {
	if err := s.make(); err != nil {
		return err
	}
	return writeFile(s.path(folder, id), content)
}

func writeFile(path string, content []byte) error {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, tempPrefix+"*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // after the rename there is nothing to remove
	_, err = temp.Write(content)
	if err == nil {
		err = temp.Sync()
	}
	if err := errors.Join(err, temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return syncFolder(dir)
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// read returns a letter of a folder.
func (s spool) read(folder, id string) (*letter, error) {
	path := s.path(folder, id)
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > maxLetter:
		return nil, fmt.Errorf("%s has %d bytes, more than any notice", path, info.Size())
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	l, err := decodeLetter(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	l.id, l.stored = id, true
	return l, nil
}

// list returns the identifiers of a folder's letters, oldest first.
func (s spool) list(folder string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var ids []string
	for _, entry := range entries {
		if id, ok := strings.CutSuffix(entry.Name(), letterSuffix); ok && !strings.HasPrefix(id, ".") {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, err
}

// remove takes a letter out of a folder. One that is gone already is no error.
func (s spool) remove(folder, id string) error {
	if err := os.Remove(s.path(folder, id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// bury moves a file, letter or not, to the dead letters.
func (s spool) bury(id string) error {
	if err := os.Rename(s.path(queueFolder, id), s.path(deadFolder, id)); err != nil {
		return err
	}
	return errors.Join(syncFolder(filepath.Join(s.dir, deadFolder)), syncFolder(filepath.Join(s.dir, queueFolder)), s.thin())
}

// thin removes the oldest dead letters when there are too many.
func (s spool) thin() error {
	ids, err := s.list(deadFolder)
	for len(ids) > maxDead {
		err = errors.Join(err, s.remove(deadFolder, ids[0]))
		ids = ids[1:]
	}
	return err
}

// sweep removes what a crash left half-written.
func (s spool) sweep(now time.Time) {
	for _, folder := range []string{queueFolder, deadFolder} {
		entries, _ := os.ReadDir(filepath.Join(s.dir, folder))
		for _, entry := range entries {
			info, err := entry.Info()
			if err == nil && strings.HasPrefix(entry.Name(), tempPrefix) && now.Sub(info.ModTime()) > oldTemp {
				_ = os.Remove(filepath.Join(s.dir, folder, entry.Name()))
			}
		}
	}
}

// lockPause is how often a taken lock is tried again.
const lockPause = 200 * time.Millisecond

// lock waits until no other process delivers from this folder, such as the old
// gateway during an upgrade. The kernel releases the lock when a process dies.
func (s spool) lock(ctx context.Context) (release func(), err error) {
	if err := s.make(); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(s.dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = file.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, ctx.Err()
		case <-time.After(lockPause):
		}
	}
}
