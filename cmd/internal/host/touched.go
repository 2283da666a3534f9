package host

import (
	"fmt"
	"path/filepath"
)

// Touched changes nothing. It stands in front of programs that write a file on
// their own, such as useradd, which writes /etc/passwd and keeps a copy of the
// old one in /etc/passwd-. Once these programs were taken back, a file with the
// content that it had gets its times back. A file that goes With another, as the
// copy does, is put back whole, or taken away, if that other has its old content;
// else others have been at work since, and it stays.
type Touched struct {
	Path string
	With string // "": none
}

func (Touched) act() {}

func (a Touched) target() target { return target{a.Path, "", false} }

func (a Touched) after(before snapshot) (look, error) {
	if before.Kind != kindFile && before.Kind != kindNone {
		return look{}, unsuitable(before, "a file")
	}
	return before.look, nil
}

func (a Touched) do(place, snapshot) error { return nil }

// side describes a Touched in the journal.
func (a Touched) side(i *intent) {
	i.Side = a.With
	if a.With == "" {
		i.Side = a.Path
		i.Before.Data = nil // it is compared, and never written
	}
}

// undoSide takes back what a program has left beside its work.
func (r *running) undoSide(p place, a loadedAct) error {
	before, known := r.run.sideBefore(a.Side)
	if !known {
		return nil
	}
	main, err := r.lookAt(intent{Path: filepath.Clean(a.Side)})
	if err != nil || main.Kind != before.Kind || main.SHA256 != before.SHA256 {
		return err
	}
	if a.Side != a.Path {
		err = p.putBack(*a.Before)
	} else if a.Before.Kind == kindFile {
		err = p.setAttributes(*a.Before)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", a.Path, err)
	}
	return nil
}

// sideBefore is how a file was before the programs of the run wrote it.
func (l *loadedRun) sideBefore(path string) (snapshot, bool) {
	for _, a := range l.acts {
		if a.Path == path && a.Side == path {
			return *a.Before, true
		}
	}
	return snapshot{}, false
}
