package deadman

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"gateway/cmd/internal/host"
)

// makeFolder makes the folder anew, so that nothing of a former run is in it.
func makeFolder(m host.Machine) error {
	if err := os.MkdirAll(m.Path(path.Dir(folder)), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(m.Path(folder), 0o700); err == nil || !errors.Is(err, os.ErrExist) {
		return err
	}
	return os.Chmod(m.Path(folder), 0o700)
}

// copyProgram copies the program that runs.
func copyProgram(m host.Machine, source string) error {
	from, err := os.Open(source)
	if err != nil {
		return fmt.Errorf("copy gateway for the dead man's switch: %w", err)
	}
	defer from.Close()
	return put(m, program, from, 0o700)
}

func write(m host.Machine, name, text string) error {
	return put(m, name, strings.NewReader(text), 0o644)
}

// put writes a file whole or not at all: it must be there after a power failure.
func put(m host.Machine, name string, content io.Reader, perm os.FileMode) error {
	dir := m.Path(path.Dir(name))
	temporary, err := os.CreateTemp(dir, ".gateway-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(temporary, content)
	err = errors.Join(err, temporary.Chmod(perm), temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), m.Path(name))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(temporary.Name()))
	}
	return syncFolder(dir)
}

func syncFolder(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
