package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"gateway/cmd/internal/host"
)

// installed is where the program is put if it lies where others than root could
// replace it.
const installed = "/usr/local/bin/gateway"

// planProgram settles which program the service runs: the running one if it is
// root's, else a copy of it.
func (d *draft) planProgram(context.Context) error {
	real, err := d.RealPath(d.around.Program)
	if err != nil {
		return d.unseen(d.around.Program, err)
	}
	if d.program = real; d.ofTheSystem(real) {
		return nil
	}
	d.program = installed
	old, err := d.digest(installed)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d.unseen(installed, err)
	}
	running, err := d.digest(real)
	if err != nil {
		return d.unseen(real, err)
	}
	if bytes.Equal(old, running) {
		return nil
	}
	d.start = true
	d.change(install(real, old != nil))
	return nil
}

// install copies the program, and keeps the one that it replaces for undo.
func install(from string, replaces bool) host.Change {
	const (
		put     = `install -m 755 -o 0 -g 0 -- "$1" "$2.new" && mv -f -- "$2.new" "$2"`
		putKept = `[ -e "$2.before" ] || cp -p -- "$2" "$2.before"; ` + put
		take    = `rm -f -- "$1.new" "$1"`
		putBack = `rm -f -- "$1.new"; [ ! -e "$1.before" ] || mv -f -- "$1.before" "$1"`
	)
	do, undo, why := put, take, "the service must not run what others than root can replace"
	if replaces {
		do, undo, why = putKept, putBack, "another version is there; it is kept beside it, for undo"
	}
	return host.Change{
		What: fmt.Sprintf("copy %s to %s", from, installed), Why: why,
		Acts: []host.Act{host.Program{
			Do:   host.Command{Argv: []string{"sh", "-euc", do, "sh", from, installed}},
			Undo: []host.Command{{Argv: []string{"sh", "-c", undo, "sh", installed}}},
		}},
	}
}

// ofTheSystem tells whether a program lies where root alone can replace it, and
// where it stays.
func (d *draft) ofTheSystem(program string) bool {
	if !strings.HasPrefix(program, "/usr/") && !strings.HasPrefix(program, "/opt/") {
		return false
	}
	for at := range ancestors(program) {
		info, err := d.Lstat(at)
		if err != nil || ownerOf(info).UID != 0 || info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return false
		}
	}
	return true
}

func (d *draft) digest(program string) ([]byte, error) {
	file, err := os.Open(d.Path(program))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return nil, err
	}
	return sum.Sum(nil), nil
}
