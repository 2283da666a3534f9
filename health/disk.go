package health

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// When a disk counts as nearly full: below either bound. It has room again above
// both bounds times diskSlack, so that a log that is rotated does not make the
// notice come and go.
const (
	diskShare  = 0.05      // of the file system
	diskLeast  = 200 << 20 // bytes
	inodeShare = 0.02      // of the files that the file system can hold
	diskSlack  = 1.5
)

// disk is the room on a file system.
type disk struct {
	folder       string // a folder of ours on it
	device       uint64 // tells file systems apart
	total, free  uint64 // bytes; free is what a process without privileges may use
	files, spare uint64 // files that it can hold, and how many more; 0: without such a limit
}

// full tells whether the disk is nearly full; raised: whether it was told to be.
func (d disk) full(raised bool) bool {
	slack := 1.0
	if raised {
		slack = diskSlack
	}
	free := float64(d.free)
	return free < slack*diskShare*float64(d.total) || free < slack*diskLeast ||
		d.files > 0 && float64(d.spare) < slack*inodeShare*float64(d.files)
}

func (d disk) alarm(now time.Time, p phrases) alarm {
	var t text
	t.line(p.diskRoom, d.folder, size(d.free), size(d.total))
	if d.files > 0 && float64(d.spare) < inodeShare*float64(d.files) {
		t.line(p.diskFiles, d.spare)
	}
	t.blank()
	t.line(p.diskMeans)
	t.blank()
	t.line(p.next)
	t.line("- %s", fmt.Sprintf(p.diskWho, d.folder))
	t.line("- %s", p.diskLogs)
	return alarm{
		kind: kindDisk, key: fmt.Sprintf("%x", d.device), level: 1, since: now,
		subject: fmt.Sprintf(p.diskFull, d.folder, size(d.free)), body: t.String(),
		over: fmt.Sprintf(p.diskOver, d.folder),
	}
}

// readDisk looks at the file system of a folder, or of the nearest one above it
// that exists.
func readDisk(folder string) (disk, error) {
	var stat unix.Stat_t
	err := unix.Stat(folder, &stat)
	for ; os.IsNotExist(err) && folder != filepath.Dir(folder); err = unix.Stat(folder, &stat) {
		folder = filepath.Dir(folder)
	}
	if err != nil {
		return disk{}, fmt.Errorf("%s: %w", folder, err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(folder, &fs); err != nil {
		return disk{}, fmt.Errorf("file system of %s: %w", folder, err)
	}
	block := uint64(fs.Bsize)
	return disk{
		folder: folder, device: uint64(stat.Dev), total: uint64(fs.Blocks) * block, free: uint64(fs.Bavail) * block,
		files: uint64(fs.Files), spare: uint64(fs.Ffree),
	}, nil
}

func size(n uint64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%.0f MB", float64(n)/(1<<20))
}
