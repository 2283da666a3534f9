package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links a path may lead over, as in Linux
// (path_resolution(7)).
const maxLinks = 40

// place is a name in an open folder. What is done to it goes through the folder,
// so that nobody who renames or links meanwhile can lead it elsewhere.
type place struct {
	folder *os.Root
	name   string
	path   string // of the machine, without the links that were followed
	within string // "", or the user's folder that it lies in
	owner  int    // of that folder, or of the first below it that is not root's
}

func (p place) close() { _ = p.folder.Close() }

// open finds the place of a path. Outside of a user's folder, symbolic links
// that root made are followed, the last one only if asked for; within it, none.
func (m Machine) open(path, within string, followLast bool) (place, error) {
	if within != "" {
		return m.openWithin(path, within)
	}
	resolved, err := m.resolve(path, followLast)
	if err != nil {
		return place{}, err
	}
	folder, err := os.OpenRoot(m.Path(filepath.Dir(resolved)))
	if err != nil {
		return place{}, err
	}
	return place{folder: folder, name: filepath.Base(resolved), path: resolved}, nil
}

// resolve follows the links of a path below the machine's root. It refuses links
// that a user made: they could lead root anywhere.
func (m Machine) resolve(path string, followLast bool) (string, error) {
	at, rest := "/", pathParts(path)
	for links := 0; len(rest) > 0; {
		next, last := filepath.Join(at, rest[0]), len(rest) == 1
		info, err := m.Lstat(next)
		switch {
		case last && errors.Is(err, fs.ErrNotExist):
			return next, nil
		case err != nil:
			return "", err
		case info.Mode().Type() != fs.ModeSymlink || last && !followLast:
			at, rest = next, rest[1:]
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s: %w", path, syscall.ELOOP)
		}
		target, err := m.linkOfRoot(next, info)
		if err != nil {
			return "", err
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = slices.Concat(pathParts(target), rest[1:])
	}
	return at, nil
}

func pathParts(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// linkOfRoot reads a symbolic link that root, or whoever runs this, has made.
func (m Machine) linkOfRoot(path string, info fs.FileInfo) (string, error) {
	if owner := ownerOf(info); owner.UID != 0 && owner.UID != os.Geteuid() {
		return "", fmt.Errorf("%s is a symbolic link that belongs to user %d: it is not followed, since that user could point it anywhere; put a file or folder in its place", path, owner.UID)
	}
	return os.Readlink(m.Path(path))
}

// openWithin walks below a folder of a user, whose every part must be a real
// folder that belongs to that user or to root.
func (m Machine) openWithin(path, within string) (place, error) {
	rel, err := filepath.Rel(within, path)
	if err != nil || !filepath.IsLocal(rel) || rel == "." {
		return place{}, fmt.Errorf("%s is not below %s", path, within)
	}
	base, err := m.resolve(within, true)
	if err != nil {
		return place{}, err
	}
	folder, err := os.OpenRoot(m.Path(base))
	if err != nil {
		return place{}, err
	}
	p := place{folder: folder, path: path, within: within}
	if err := p.descend(pathParts(rel)); err != nil {
		p.close()
		return place{}, err
	}
	return p, nil
}

func (p *place) descend(parts []string) error {
	info, err := p.folder.Stat(".")
	if err != nil {
		return err
	}
	p.owner = ownerOf(info).UID
	for _, part := range parts[:len(parts)-1] {
		if err := p.enter(part); err != nil {
			return err
		}
	}
	p.name = parts[len(parts)-1]
	return nil
}

// enter replaces the open folder by one in it. That it is the folder that was
// looked at, and not one that a link was put in its place for, is seen by its
// identity.
func (p *place) enter(part string) error {
	info, err := p.folder.Lstat(part)
	if err != nil {
		return err
	}
	if err := p.isUsersFolder(part, info); err != nil {
		return err
	}
	next, err := p.folder.OpenRoot(part)
	if err != nil {
		return err
	}
	entered, err := next.Stat(".")
	if err != nil || !os.SameFile(info, entered) {
		_ = next.Close()
		return errors.Join(err, fmt.Errorf("%s: a folder on the way was replaced meanwhile", p.path))
	}
	_ = p.folder.Close()
	p.folder = next
	return nil
}

func (p *place) isUsersFolder(part string, info fs.FileInfo) error {
	uid := ownerOf(info).UID
	if p.owner == 0 {
		p.owner = uid // the home itself is root's, as sshd wants it for ChrootDirectory
	}
	switch {
	case info.Mode().Type() == fs.ModeSymlink:
		return fmt.Errorf("%s: %q is a symbolic link, and below %s none is followed: put a real folder in its place", p.path, part, p.within)
	case !info.IsDir():
		return fmt.Errorf("%s: %q is not a folder", p.path, part)
	case uid != 0 && uid != p.owner:
		return fmt.Errorf("%s: the folder %q belongs to user %d, not to user %d, whose %s is: give it to its owner with chown", p.path, part, uid, p.owner, p.within)
	}
	return nil
}

// openFile opens what info describes: a file or folder, no link and no device
// that was put in its place.
func (p place) openFile(info fs.FileInfo, flag int) (*os.File, error) {
	file, err := p.folder.OpenFile(p.name, flag|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	opened, err := file.Stat()
	if err != nil || !os.SameFile(info, opened) {
		_ = file.Close()
		return nil, errors.Join(err, fmt.Errorf("%s was replaced meanwhile", p.path))
	}
	return file, nil
}

// sync makes a change of the folder last over a power failure.
func (p place) sync() error {
	folder, err := p.folder.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// ownerOf is the owner of a file that the operating system has described.
func ownerOf(info fs.FileInfo) Owner {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return Owner{UID: int(stat.Uid), GID: int(stat.Gid)}
	}
	return Owner{UID: -1, GID: -1}
}

// linksOf is how many names a file has.
func linksOf(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Nlink)
	}
	return 1
}
