package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// writeFile replaces a file so that a reader, or a crash at any moment, sees the
// old content or the new one.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	temporary, err := writeTemporary(path, data, mode)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return syncFolder(filepath.Dir(path))
}

// createFile makes a file that must not exist yet; the error is fs.ErrExist when
// another process was first.
func createFile(path string, data []byte, mode fs.FileMode) error {
	temporary, err := writeTemporary(path, data, mode)
	if err != nil {
		return err
	}
	err = errors.Join(os.Link(temporary, path), os.Remove(temporary))
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// writeTemporary writes a file beside the final one and syncs it.
func writeTemporary(path string, data []byte, mode fs.FileMode) (name string, err error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, temporary.Close()); err != nil {
			err = errors.Join(fmt.Errorf("writing %s: %w", path, err), os.Remove(temporary.Name()))
		}
	}()
	if err := temporary.Chmod(mode); err != nil {
		return "", err
	}
	if _, err := temporary.Write(data); err != nil {
		return "", err
	}
	return temporary.Name(), temporary.Sync()
}

// syncFolder makes a rename last over a power failure.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
