package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	logFileMode   = 0o640 // as Debian has it: the admins' group may read, others not
	logFolderMode = 0o750
	movedEvery    = time.Second // how often it is looked whether the path still names the open file
	rotateRetry   = time.Minute // how long a rotation that failed is not tried again
)

// logFile is a log that rotates itself. It rotates on its own goroutine's time:
// one goroutine owns it. Rotated files are compressed and removed by its archive.
//
// Several processes and several logFiles may have one path open, as happens
// during an upgrade and a reload: the file is opened to append and every write
// holds whole lines, so that lines never mix; whoever rotates does so under a
// lock; the others find within a second that the path names another file. So
// does a logFile whose file was renamed or removed by somebody else.
type logFile struct {
	path    string
	maxSize int64         // 0: never rotated by size
	every   time.Duration // 0: never rotated by age
	archive *archive
	now     func() time.Time

	file    *os.File
	regular bool // rotation makes no sense for a pipe or a device
	size    int64
	period  time.Time // start of the period in which the file's last line was written
	midline bool      // the last write ended inside a line
	checked time.Time // when path was last compared with file
	retry   time.Time // before that no rotation is tried, since the last one failed
}

// newLogFile prepares the log at path; trouble hears what does not keep lines
// from being written, such as a rotation that failed.
func newLogFile(cfg LogConfig, path string, trouble func(error)) *logFile {
	return &logFile{
		path: path, maxSize: int64(cfg.MaxSize), every: cfg.RotateEvery, now: time.Now,
		archive: newArchive(cfg, path, trouble),
	}
}

// Open opens the file, and makes it and its folder where they are missing.
func (f *logFile) Open() error {
	if err := os.MkdirAll(filepath.Dir(f.path), logFolderMode); err != nil {
		return fmt.Errorf("log folder: %w", err)
	}
	if err := f.open(logFileMode); err != nil {
		return err
	}
	f.archive.start()
	return nil
}

func (f *logFile) open(mode fs.FileMode) error {
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, mode)
	if err != nil {
		return fmt.Errorf("log file: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("log file: %w", err), file.Close())
	}
	f.adopt(file, info)
	return nil
}

func (f *logFile) adopt(file *os.File, info fs.FileInfo) {
	f.file, f.regular, f.size, f.midline = file, info.Mode().IsRegular(), info.Size(), false
	f.checked = f.now()
	f.period = periodStart(f.checked, f.every)
	if info.Size() > 0 {
		f.period = periodStart(info.ModTime(), f.every)
	}
}

// Write writes whole lines, into as many files as maxSize asks for. It returns
// how many bytes are safe; the rest is to be written again.
func (f *logFile) Write(lines []byte) (int, error) {
	now := f.now()
	f.follow(now)
	if f.size > 0 && f.period.Before(periodStart(now, f.every)) {
		f.rotate(now)
	}
	f.period = periodStart(now, f.every)
	written := 0
	for written < len(lines) {
		part := f.fitting(lines[written:])
		if part == nil && f.rotate(now) {
			continue
		}
		if part == nil { // longer than a whole file, or the file cannot be rotated: no reason to lose it
			part = lines[written:][:bytes.IndexByte(lines[written:], '\n')+1]
		}
		n, err := f.append(part)
		written += n
		if err != nil {
			return written, fmt.Errorf("log file: %w", err)
		}
	}
	return written, nil
}

func (f *logFile) append(part []byte) (int, error) {
	n, err := f.file.Write(part)
	f.size += int64(n)
	if n > 0 {
		f.midline = part[n-1] != '\n'
	}
	return n, err
}

// fitting is the head of lines that the file has room for, nil if it has none.
func (f *logFile) fitting(lines []byte) []byte {
	room := max(0, f.maxSize-f.size)
	if f.maxSize == 0 || !f.regular || int64(len(lines)) <= room {
		return lines
	}
	if end := bytes.LastIndexByte(lines[:room], '\n'); end >= 0 {
		return lines[:end+1]
	}
	return nil
}

// follow opens the path anew when it names another file than the open one. It
// waits for the end of a line that was written in part, as a rotation does.
func (f *logFile) follow(now time.Time) {
	if !f.regular || f.midline || now.Sub(f.checked) < movedEvery {
		return
	}
	f.checked = now
	open, err := f.file.Stat()
	if err != nil {
		return
	}
	f.size = open.Size() // another process may write it too, or have cut it
	if named, err := os.Stat(f.path); err == nil && os.SameFile(open, named) {
		return
	}
	if err := f.Reopen(); err != nil {
		f.archive.trouble(err)
	}
}

// Reopen opens the path anew. If that fails, the open file stays in use.
func (f *logFile) Reopen() error {
	old := f.file
	if err := f.open(logFileMode); err != nil {
		return err
	}
	return old.Close()
}

// Close closes the file and waits for the archive.
func (f *logFile) Close() error {
	if f.file == nil {
		return nil
	}
	f.archive.stop()
	err := f.file.Close()
	f.file = nil
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// rotate begins a new file, and reports whether it did. A failure is told and
// not tried again for a while; the open file goes on being used.
func (f *logFile) rotate(now time.Time) bool {
	if !f.regular || f.midline || f.size == 0 || now.Before(f.retry) {
		return false
	}
	old := f.file
	fd := int(old.Fd())
	if err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return false // another process is about to rotate it; follow will see
	}
	if err := f.moveAside(old, now); err != nil {
		f.retry = now.Add(rotateRetry)
		f.archive.trouble(fmt.Errorf("rotate %s: %w", f.path, err))
		_ = syscall.Flock(fd, syscall.LOCK_UN) // an advisory lock; closing the file frees it as well
		return false
	}
	_ = old.Close() // its lines are with the kernel, and the lock goes with it
	return true
}

// moveAside renames the file and opens a new one of the same mode and owner. If
// that cannot be made, everything stays as it was.
func (f *logFile) moveAside(old *os.File, now time.Time) error {
	info, err := old.Stat()
	if err != nil {
		return err
	}
	if named, err := os.Stat(f.path); err != nil || !os.SameFile(info, named) {
		return f.open(logFileMode) // somebody else was quicker
	}
	backup := f.archive.freeName(now)
	if err := os.Rename(f.path, backup); err != nil {
		return err
	}
	if err := f.open(info.Mode().Perm()); err != nil {
		return errors.Join(err, os.Rename(backup, f.path))
	}
	inherit(f.file, info)
	f.archive.kick()
	return nil
}

// inherit gives file the mode and, where gateway may, the owner of the one that
// it succeeds, so that whoever could read the log still can.
func inherit(file *os.File, from fs.FileInfo) {
	_ = file.Chmod(from.Mode().Perm())
	if owner, ok := from.Sys().(*syscall.Stat_t); ok {
		_ = file.Chown(int(owner.Uid), int(owner.Gid))
	}
}

// periodStart is the start of the period of length every that t is in. Periods
// are counted from midnight of local time, so that a daily log holds a day.
func periodStart(t time.Time, every time.Duration) time.Time {
	if every <= 0 {
		return time.Time{}
	}
	t = t.Local()
	midnight := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
	if every >= 24*time.Hour {
		days := int(every / (24 * time.Hour))
		day := int(time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC).Unix() / 86400)
		return midnight.AddDate(0, 0, -(day % days))
	}
	return midnight.Add(t.Sub(midnight) / every * every)
}
