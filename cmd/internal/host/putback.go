package host

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// errNotEmpty is a folder that was made and can't be taken away, since there is
// something in it that is not ours.
var errNotEmpty = errors.New("it is not empty, so it stays")

// putBack makes a place as it was. What is as it was already is not touched.
func (p place) putBack(was snapshot) error {
	is, err := p.snapshot()
	if err != nil {
		return err
	}
	switch was.Kind {
	case kindNone:
		return p.takeAway(is)
	case kindFile:
		return p.putFileBack(was, is)
	case kindFolder:
		return p.putFolderBack(was, is)
	case kindLink:
		if is.look == was.look {
			return nil
		}
		if is.Kind == kindFolder {
			return unsuitable(is, "the link that was there")
		}
		return p.link(was)
	}
	return unsuitable(is, "what was there before")
}

func (p place) takeAway(is snapshot) error {
	if is.Kind == kindNone {
		return nil
	}
	err := p.folder.Remove(p.name)
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, fs.ErrExist) { // POSIX allows both for a folder with something in it
		return errNotEmpty
	}
	return errors.Join(err, p.sync())
}

func (p place) putFileBack(was, is snapshot) error {
	switch {
	case is.Kind == kindFolder || is.Kind == kindOther:
		return unsuitable(is, "the file that was there")
	case is.Kind == kindFile && bytes.Equal(is.Data, was.Data):
		if is.look == was.look && is.ModTime.Equal(was.ModTime) && maps.EqualFunc(is.Xattrs, was.Xattrs, slices.Equal) {
			return nil
		}
		return p.setAttributes(was)
	case is.Kind == kindFile && p.within == "" && is.Links > 1 && was.Links > 1:
		return p.overwrite(was)
	}
	err := p.replace(was)
	if errors.Is(err, unix.ENOSPC) && is.Kind == kindFile && p.within == "" {
		// There is no room for a second copy, but perhaps for one in the place of
		// what is there. If not, the journal still has it.
		return p.overwrite(was)
	}
	return err
}

func (p place) putFolderBack(was, is snapshot) error {
	switch is.Kind {
	case kindFolder:
		if is.look == was.look && maps.EqualFunc(is.Xattrs, was.Xattrs, slices.Equal) {
			return nil
		}
		was.ModTime = is.ModTime // it goes with what is in the folder
		return p.setAttributes(was)
	case kindNone:
		return p.makeFolder(was)
	}
	return unsuitable(is, "the folder that was there")
}
