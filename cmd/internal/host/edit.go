package host

import (
	"bytes"
	"errors"
	"io/fs"
	"syscall"
)

// Edit is the change that gives a file another text, made from the one that it
// has, or none if it has that already. Mode and owner stay; a new file is root's
// and readable by all.
func Edit(m Machine, path string, edit func(old string) string, what, why string) ([]Change, error) {
	old, err := m.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	file := File{Path: path, Data: []byte(edit(string(old))), Perm: 0o644}
	if err == nil {
		if bytes.Equal(old, file.Data) {
			return nil, nil
		}
		if file.Perm, file.Owner, err = rightsOf(m, path); err != nil {
			return nil, err
		}
	}
	return []Change{{What: what, Why: why, Diff: Diff(path, old, file.Data), Acts: []Act{file}}}, nil
}

func rightsOf(m Machine, path string) (perm fs.FileMode, owner Owner, err error) {
	info, err := m.Stat(path)
	if err != nil {
		return 0, Owner{}, err
	}
	if stat, known := info.Sys().(*syscall.Stat_t); known {
		owner = Owner{UID: int(stat.Uid), GID: int(stat.Gid)}
	}
	return info.Mode().Perm(), owner, nil
}
