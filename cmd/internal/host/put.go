package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// temporaryName is what a file is called until it is whole. There is one at a
// time, since setup holds a lock, and the name is fixed, so that what a kill -9
// leaves is found and removed.
const temporaryName = ".gateway-setup.tmp"

// replace puts a file in the place of what is there: temporary file, fsync,
// rename, fsync of the folder.
func (p place) replace(want snapshot) error {
	if err := p.removeTemporary(); err != nil {
		return err
	}
	file, err := p.folder.OpenFile(temporaryName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(fill(file, want), file.Close()); err != nil {
		return errors.Join(err, p.removeTemporary())
	}
	return p.rename(want.ModTime)
}

// rename gives the temporary file its name, and the time of its last change if
// there is one to be put back.
func (p place) rename(modTime time.Time) error {
	err := p.setTime(temporaryName, modTime)
	if err == nil {
		err = p.folder.Rename(temporaryName, p.name)
	}
	if err != nil {
		return errors.Join(err, p.removeTemporary())
	}
	return p.sync()
}

func (p place) removeTemporary() error {
	if err := p.folder.Remove(temporaryName); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// overwrite writes into the file that is there. It is for a file with several
// names, which a rename would part. A crash in the middle is mended from the
// journal.
func (p place) overwrite(want snapshot) error {
	info, err := p.folder.Lstat(p.name)
	if err != nil {
		return err
	}
	file, err := p.openFile(info, os.O_WRONLY)
	if err != nil {
		return err
	}
	if err := file.Truncate(0); err != nil {
		return errors.Join(err, file.Close())
	}
	return errors.Join(fill(file, want), file.Close(), p.setTime(p.name, want.ModTime))
}

// fill writes content and attributes of an open file, and syncs it. The
// mode comes after the owner, since a change of owner takes set-id bits away,
// and after the access control list, whose mask is the mode of the group.
func fill(file *os.File, want snapshot) error {
	if _, err := file.Write(want.Data); err != nil {
		return err
	}
	if err := setOpen(file, want); err != nil {
		return err
	}
	return file.Sync()
}

func setOpen(file *os.File, want snapshot) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if ownerOf(info) != want.Owner {
		if err := file.Chown(want.Owner.UID, want.Owner.GID); err != nil {
			return err
		}
	}
	if err := writeXattrs(file, want.Xattrs); err != nil {
		return err
	}
	return file.Chmod(permOf(want.Mode))
}

// setTime puts the time of the last change back; a link is not followed. The time
// of the last reading becomes the same, since putting back has read it anyway.
func (p place) setTime(name string, t time.Time) error {
	if t.IsZero() {
		return nil
	}
	folder, err := p.folder.Open(".")
	if err != nil {
		return err
	}
	defer folder.Close()
	at := unix.NsecToTimespec(t.UnixNano())
	if err := unix.UtimesNanoAt(int(folder.Fd()), name, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("time of change of %s: %w", p.path, err)
	}
	return nil
}

// setAttributes sets mode, owner and extended attributes of what is there.
func (p place) setAttributes(want snapshot) error {
	info, err := p.folder.Lstat(p.name)
	if err != nil {
		return err
	}
	file, err := p.openFile(info, os.O_RDONLY)
	if err != nil {
		return err
	}
	return errors.Join(setOpen(file, want), file.Sync(), file.Close(), p.setTime(p.name, want.ModTime))
}

// makeFolder makes a folder and gives it its attributes.
func (p place) makeFolder(want snapshot) error {
	if err := p.folder.Mkdir(p.name, 0o700); err != nil {
		return err
	}
	return errors.Join(p.setAttributes(want), p.sync())
}

// link puts a symbolic link in the place of what is there.
func (p place) link(want snapshot) error {
	if err := p.removeTemporary(); err != nil {
		return err
	}
	if err := p.folder.Symlink(want.Target, temporaryName); err != nil {
		return err
	}
	if want.Owner != ownOwner() {
		if err := p.folder.Lchown(temporaryName, want.Owner.UID, want.Owner.GID); err != nil {
			return errors.Join(err, p.removeTemporary())
		}
	}
	return p.rename(want.ModTime)
}

// ownOwner is whom new files belong to.
func ownOwner() Owner { return Owner{UID: os.Geteuid(), GID: os.Getegid()} }
