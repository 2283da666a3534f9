package conda

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"syscall"

	"gateway/cmd/internal/host"
)

// base is what is found at the prefix.
type base struct {
	state baseState
	sum   string // of the installer that gateway ran there; "": others did
	foul  string // for baseForeign: what is in the way
}

type baseState int

const (
	baseAbsent  baseState = iota // nothing is there
	baseEmpty                    // an empty folder
	baseConda                    // a whole conda
	baseForeign                  // something else
)

// markFile is where the mark of an installer is kept, below the prefix.
const markFile = ".gateway-installer"

// look says what is at the prefix.
func look(m host.Machine, prefix string) (base, error) {
	if info, err := m.Lstat(prefix); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return base{state: baseForeign, foul: "a symbolic link, and the files of conda know the folder that they are in"}, nil
	}
	entries, err := m.ReadDir(prefix)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return base{}, nil
	case errors.Is(err, syscall.ENOTDIR):
		return base{state: baseForeign, foul: "no folder"}, nil
	case err != nil:
		return base{}, fmt.Errorf("look at %s: %w", prefix, err)
	case len(entries) == 0:
		return base{state: baseEmpty}, nil
	}
	for _, needed := range []string{"conda-meta/history", "bin/conda"} {
		if _, err := m.Stat(path.Join(prefix, needed)); err != nil {
			return base{state: baseForeign, foul: fmt.Sprintf("not empty, and no whole conda either: it has no %s", needed)}, nil
		}
	}
	mark, err := m.ReadFile(path.Join(prefix, markFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return base{}, err
	}
	return base{state: baseConda, sum: markedSum(mark)}, nil
}

// missingFolders are the folders above a path that are not there, the uppermost
// first, and a refusal if one that is there is in somebody else's hands: whoever
// can rename it can give root another program to run.
func missingFolders(m host.Machine, target string) (missing []string, refusal *host.Refusal, err error) {
	for at := path.Dir(target); ; at = path.Dir(at) {
		info, err := m.Stat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append([]string{at}, missing...)
		case err != nil:
			return nil, nil, err
		default:
			if why := othersMayChange(info); why != "" {
				return nil, &host.Refusal{
					What:    fmt.Sprintf("%s %s", at, why),
					Why:     "whoever can change that folder can put another program in the place of conda, which root runs, too",
					Instead: "write a prefix below folders of root, such as /opt/conda",
				}, nil
			}
		}
		if at == "/" {
			return missing, nil, nil
		}
	}
}

// othersMayChange tells why somebody other than root can change what is in a
// folder, or "". A sticky folder, such as /tmp, is no exception: a name that is
// not taken yet can be taken there by anybody.
func othersMayChange(info fs.FileInfo) string {
	stat, known := info.Sys().(*syscall.Stat_t)
	switch mode := info.Mode().Perm(); {
	case known && stat.Uid != 0:
		return fmt.Sprintf("belongs to user %d", stat.Uid)
	case mode&0o002 != 0:
		return fmt.Sprintf("has mode %04o: everybody can change it", mode)
	case mode&0o020 != 0 && known && stat.Gid != 0:
		return fmt.Sprintf("has mode %04o: group %d can change it", mode, stat.Gid)
	}
	return ""
}
