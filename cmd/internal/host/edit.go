package host

import (
	"bytes"
	"errors"
	"io/fs"
	"syscall"
)

// Edit is the act that gives a file another text, made from the one that it has,
// and whether there is anything to do. Mode and owner stay; a new file is root's
// and readable by all.
func Edit(m Machine, path string, edit func(old string) string) (file File, needed bool, err error) {
	old, err := m.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return File{}, false, err
	}
	file = File{Path: path, Data: []byte(edit(string(old))), Perm: 0o644}
	if err != nil {
		return file, true, nil
	}
	info, err := m.Stat(path)
	if err != nil {
		return File{}, false, err
	}
	file.Perm = info.Mode().Perm()
	if stat, known := info.Sys().(*syscall.Stat_t); known {
		file.Owner = Owner{UID: int(stat.Uid), GID: int(stat.Gid)}
	}
	return file, !bytes.Equal(old, file.Data), nil
}
