package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// maxKept is the largest file whose content is kept in the journal. Files that a
// setup changes are settings of a few kilobytes.
const maxKept = 16 << 20

// What can be at a path.
const (
	kindNone   = "none"
	kindFile   = "file"
	kindFolder = "folder"
	kindLink   = "link"
	kindOther  = "other" // a device, a pipe, a socket
)

// look is how something at a path is, as far as an admin would call it changed.
type look struct {
	Kind   string      `json:"kind"`
	SHA256 string      `json:"sha256,omitempty"` // of a file's content
	Target string      `json:"target,omitempty"` // of a link
	Mode   fs.FileMode `json:"mode,omitempty"`
	Owner  Owner       `json:"owner,omitzero"`
}

// snapshot is all that it takes to put something back.
type snapshot struct {
	look
	Data    []byte            `json:"data,omitempty"`
	Xattrs  map[string][]byte `json:"xattrs,omitempty"`
	Links   int               `json:"links,omitempty"` // names of a file
	ModTime time.Time         `json:"mod_time,omitzero"`
}

// snapshot describes what is at a place.
func (p place) snapshot() (snapshot, error) {
	info, err := p.folder.Lstat(p.name)
	if errors.Is(err, fs.ErrNotExist) {
		return snapshot{look: look{Kind: kindNone}}, nil
	}
	if err != nil {
		return snapshot{}, err
	}
	s := snapshot{look: look{Kind: kindOf(info.Mode()), Mode: permOf(info.Mode()), Owner: ownerOf(info)}, ModTime: info.ModTime(), Links: linksOf(info)}
	switch s.Kind {
	case kindLink:
		s.Mode = 0 // a link has none: Linux says 0777, macOS what the umask was
		s.Target, err = p.folder.Readlink(p.name)
	case kindFile, kindFolder:
		err = s.readFrom(p, info)
	}
	return s, err
}

func (s *snapshot) readFrom(p place, info fs.FileInfo) error {
	file, err := p.openFile(info, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer file.Close()
	if s.Xattrs, err = readXattrs(file); err != nil {
		return fmt.Errorf("%s: extended attributes: %w", p.path, err)
	}
	if s.Kind == kindFolder {
		return nil
	}
	if s.Data, err = io.ReadAll(io.LimitReader(file, maxKept+1)); err != nil {
		return err
	}
	if len(s.Data) > maxKept {
		return fmt.Errorf("%s is larger than %d MiB, too large to be put back by undo", p.path, maxKept>>20)
	}
	s.SHA256 = digest(s.Data)
	return nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func kindOf(mode fs.FileMode) string {
	switch mode.Type() {
	case 0:
		return kindFile
	case fs.ModeDir:
		return kindFolder
	case fs.ModeSymlink:
		return kindLink
	}
	return kindOther
}

// permOf is what chmod can set.
func permOf(mode fs.FileMode) fs.FileMode {
	return mode & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
}

// folderTime is when the folder of a place was last changed.
func (p place) folderTime() time.Time {
	info, err := p.folder.Stat(".")
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
