package conda

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"gateway/cmd/internal/host"
)

// wrongRight is a file that others than root can change, or that users can't read.
type wrongRight struct {
	path       string // on the machine
	perm       fs.FileMode
	wantedPerm fs.FileMode
	foreign    bool // belongs to another user or group than root
}

// wrongRights looks through trees for files that are not root's own and readable
// by all. Files of others within skip are none of its business.
func wrongRights(m host.Machine, trees []string, skip string) ([]wrongRight, error) {
	var wrong []wrongRight
	for _, tree := range trees {
		err := filepath.WalkDir(m.Path(tree), func(at string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			here := path.Join("/", strings.TrimPrefix(at, m.Path("/")))
			if entry.IsDir() && skip != "" && path.Dir(here) == skip && here != tree {
				return fs.SkipDir
			}
			info, err := entry.Info()
			if err == nil {
				if w, bad := judge(here, info); bad {
					wrong = append(wrong, w)
				}
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("look whose %s is: %w", tree, err)
		}
	}
	return wrong, nil
}

// judge compares one file with what `chown root:root` and `chmod a+rX,go-w` make
// of it. A symbolic link has no rights of its own.
func judge(at string, info fs.FileInfo) (w wrongRight, bad bool) {
	if info.Mode()&fs.ModeSymlink != 0 {
		return w, false
	}
	stat, known := info.Sys().(*syscall.Stat_t)
	w = wrongRight{path: at, perm: info.Mode().Perm(), foreign: known && (stat.Uid != 0 || stat.Gid != 0)}
	w.wantedPerm = (w.perm | 0o444) &^ 0o022
	if info.IsDir() || w.perm&0o111 != 0 {
		w.wantedPerm |= 0o111
	}
	return w, w.foreign || w.perm != w.wantedPerm
}

// maxAttributes is up to how many files are mended one by one, so that each has
// its old owner and mode back after `setup undo`.
const maxAttributes = 2000

// mendRights is the change that gives the trees to root and lets all read them.
func mendRights(prefix string, trees []string, wrong []wrongRight) host.Change {
	change := host.Change{
		What: fmt.Sprintf("make files and folders in %s (%d) root's own and readable by all", prefix, len(wrong)),
		Why:  fmt.Sprintf("who can write there decides what everybody runs, and who can't read there has no conda; the first is %s, with mode %04o", wrong[0].path, wrong[0].perm),
	}
	if len(wrong) <= maxAttributes {
		for _, w := range wrong {
			change.Acts = append(change.Acts, host.Attributes{Path: w.path, Perm: w.wantedPerm})
		}
		return change
	}
	change.NoUndo = fmt.Sprintf("they are more than %d: it is not written down whose each of them was", maxAttributes)
	for _, tree := range trees {
		change.Acts = append(change.Acts, giveToRoot(tree))
	}
	return change
}

// giveToRoot does the same to all of a tree at once, whatever it was. What lies
// in envs may be a user's, and chmod would follow a symbolic link.
func giveToRoot(tree string) host.Act {
	const script = `find "$1" -path "$1/envs/*" -prune -o -exec chown -h 0:0 -- {} + &&
find "$1" -path "$1/envs/*" -prune -o ! -type l -exec chmod a+rX,go-w -- {} +`
	return host.Program{Do: host.Command{Argv: []string{"sh", "-c", script, "sh", tree}}}
}
