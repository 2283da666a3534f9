package health

import (
	"fmt"
	"os"
	"path/filepath"
)

// writeFile replaces a file so that a reader, also one after a crash, finds the
// old or the new content whole. A file has one writer, so the temporary name is
// always the same, and what a kill -9 leaves of it does not pile up.
func writeFile(path string, content []byte) (err error) {
	name := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	temp, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			temp.Close()
			os.Remove(temp.Name())
		}
	}()
	if _, err = temp.Write(content); err != nil {
		return err
	}
	if err = temp.Sync(); err != nil {
		return err
	}
	if err = temp.Close(); err != nil {
		return err
	}
	if err = os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil {
		return fmt.Errorf("fsync of %s: %w", dir, err)
	}
	return nil
}
