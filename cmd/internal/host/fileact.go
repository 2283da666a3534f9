package host

import (
	"errors"
	"fmt"
	"path/filepath"
)

// fileAct is an act on one path: all but Program.
type fileAct interface {
	Act
	target() target
	// after is how the path will be, and an error if the act can't be done to what
	// is there.
	after(before snapshot) (look, error)
	// do makes it so.
	do(p place, before snapshot) error
}

// target is where a fileAct acts.
type target struct {
	path, within string
	throughLink  bool // a link at the path itself is followed
}

// unsuitable is the error where something else is at a path than an act can change.
func unsuitable(before snapshot, needed string) error {
	switch before.Kind {
	case kindNone:
		return fmt.Errorf("there is nothing, and %s is needed", needed)
	case kindOther:
		return fmt.Errorf("there is a device, pipe or socket, and %s is needed: move it away", needed)
	}
	return fmt.Errorf("there is a %s, and %s is needed: move it away", before.Kind, needed)
}

func (a File) target() target       { return target{a.Path, a.Within, a.Within == ""} }
func (a Gone) target() target       { return target{a.Path, "", false} }
func (a Folder) target() target     { return target{a.Path, a.Within, false} }
func (a Attributes) target() target { return target{a.Path, a.Within, false} }
func (a Symlink) target() target    { return target{a.Path, "", false} }

func (a File) after(before snapshot) (look, error) {
	if before.Kind != kindNone && before.Kind != kindFile {
		return look{}, unsuitable(before, "a file")
	}
	return look{Kind: kindFile, SHA256: digest(a.Data), Mode: permOf(a.Perm), Owner: a.Owner}, nil
}

func (a File) do(p place, before snapshot) error {
	want := snapshot{look: look{Kind: kindFile, Mode: a.Perm, Owner: a.Owner}, Data: a.Data, Xattrs: forNewContent(before.Xattrs)}
	if p.within == "" && before.Links > 1 {
		return p.overwrite(want)
	}
	return p.replace(want)
}

func (a Gone) after(before snapshot) (look, error) {
	if before.Kind == kindFolder || before.Kind == kindOther {
		return look{}, unsuitable(before, "a file or a link")
	}
	return look{Kind: kindNone}, nil
}

func (a Gone) do(p place, before snapshot) error {
	if before.Kind == kindNone {
		return nil
	}
	return errors.Join(p.folder.Remove(p.name), p.sync())
}

func (a Folder) after(before snapshot) (look, error) {
	switch before.Kind {
	case kindNone:
		return look{Kind: kindFolder, Mode: permOf(a.Perm), Owner: a.Owner}, nil
	case kindFolder:
		return before.look, nil
	}
	return look{}, unsuitable(before, "a folder")
}

func (a Folder) do(p place, before snapshot) error {
	if before.Kind == kindFolder {
		return nil
	}
	return p.makeFolder(snapshot{look: look{Kind: kindFolder, Mode: a.Perm, Owner: a.Owner}})
}

func (a Attributes) after(before snapshot) (look, error) {
	if before.Kind != kindFile && before.Kind != kindFolder {
		return look{}, unsuitable(before, "a file or a folder")
	}
	wanted := before.look
	wanted.Mode, wanted.Owner = permOf(a.Perm), a.Owner
	return wanted, nil
}

func (a Attributes) do(p place, before snapshot) error {
	if p.within != "" && before.Kind == kindFile && before.Links > 1 && before.Owner.UID != p.owner {
		return fmt.Errorf("%s is another name of a file of user %d: it is not given to user %d; remove that name", p.path, before.Owner.UID, p.owner)
	}
	return p.setAttributes(snapshot{look: look{Mode: a.Perm, Owner: a.Owner}, Xattrs: before.Xattrs})
}

func (a Symlink) after(before snapshot) (look, error) {
	if before.Kind == kindFolder || before.Kind == kindOther {
		return look{}, unsuitable(before, "a link")
	}
	return look{Kind: kindLink, Target: a.Target, Owner: ownOwner()}, nil
}

func (a Symlink) do(p place, _ snapshot) error {
	return p.link(snapshot{look: look{Target: a.Target, Owner: ownOwner()}})
}

// checkAct finds what no act of a step may be, before the first one is done.
func checkAct(act Act) error {
	switch act := act.(type) {
	case Download:
		return nil
	case Program:
		for _, undo := range act.Undo {
			if len(undo.Stdin) > 0 {
				return fmt.Errorf("%s: what undoes it must have no standard input, which the journal does not keep", printable(undo.Argv))
			}
		}
		return nil
	case fileAct:
		return checkFileAct(act)
	}
	return fmt.Errorf("%T is no act that can be journalled", act)
}

func checkFileAct(act fileAct) error {
	if t := act.target(); !filepath.IsAbs(t.path) || filepath.Clean(t.path) != t.path || t.path == "/" {
		return fmt.Errorf("%q is no whole path", t.path)
	}
	if file, is := act.(File); is && len(file.Data) > maxKept {
		return fmt.Errorf("%s: a content of %d bytes is too large for a file of settings", file.Path, len(file.Data))
	}
	return nil
}
