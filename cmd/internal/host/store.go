package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// store is the folder of the journals. It holds old contents of files that only
// root may read, and commands that root runs to undo: it is root's alone.
type store struct {
	folder *os.Root
	path   string // for messages
}

// journalName is the number of a run. More digits come by themselves.
var journalName = regexp.MustCompile(`^([0-9]{4,9})\.journal$`)

// openStore opens the folder, and makes it if it is asked to. Without, the error
// is fs.ErrNotExist where setup has never changed anything.
func openStore(path string, create bool) (*store, error) {
	if create {
		if err := makeStore(path); err != nil {
			return nil, fmt.Errorf("the folder for what undo needs: %w", err)
		}
	}
	folder, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	s := &store{folder: folder, path: path}
	if err := s.private(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func makeStore(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// private refuses a folder that somebody else could have put there: the account
// of gateway itself may own the folder above.
func (s *store) private() error {
	info, err := s.folder.Stat(".")
	if err != nil {
		return err
	}
	if owner := ownerOf(info).UID; owner != os.Geteuid() || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s belongs to user %d with mode %04o, and must be open to user %d alone, as what it holds is run and written by that user: look who made it, and move it away",
			s.path, owner, info.Mode().Perm(), os.Geteuid())
	}
	return s.inItsPlace(info)
}

// inItsPlace refuses a link of somebody else to a folder that is private, such as
// root's home: the journals would be looked for, and written, there.
func (s *store) inItsPlace(folder fs.FileInfo) error {
	named, err := os.Lstat(s.path)
	if err != nil {
		return err
	}
	if owner := ownerOf(named).UID; named.Mode().Type() == fs.ModeSymlink && owner != os.Geteuid() {
		return fmt.Errorf("%s is a symbolic link that belongs to user %d, who could lead what user %d writes anywhere: look who made it, and move it away", s.path, owner, os.Geteuid())
	}
	if named.IsDir() && !os.SameFile(named, folder) {
		return fmt.Errorf("%s was replaced meanwhile", s.path)
	}
	return nil
}

func (s *store) close() { _ = s.folder.Close() }

// runs reads all journals, the oldest run first.
func (s *store) runs() ([]*loadedRun, error) {
	entries, err := fs.ReadDir(s.folder.FS(), ".")
	if err != nil {
		return nil, err
	}
	var runs []*loadedRun
	for _, entry := range entries {
		found := journalName.FindStringSubmatch(entry.Name())
		if found == nil {
			continue
		}
		number, err := strconv.Atoi(found[1])
		if err != nil {
			return nil, err
		}
		l, err := s.run(number, entry.Name())
		if err != nil {
			return nil, fmt.Errorf("%s: %w: it cannot be told what setup did then; put the file right, or move it away and nothing of it is undone", filepath.Join(s.path, entry.Name()), err)
		}
		if l != nil {
			runs = append(runs, l)
		}
	}
	slices.SortFunc(runs, func(a, b *loadedRun) int { return a.Number - b.Number })
	return runs, nil
}

// run reads one journal. One without a whole record is of a run that was
// interrupted before it began, and is none.
func (s *store) run(number int, name string) (*loadedRun, error) {
	file, err := s.folder.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	records, size, err := readRecords(text)
	if err != nil || len(records) == 0 {
		return nil, err
	}
	l, err := replay(records)
	if err != nil {
		return nil, err
	}
	l.Number, l.path, l.size = number, name, size
	return &l, nil
}

// nextNumber is that of a new run.
func nextNumber(runs []*loadedRun) int {
	if len(runs) == 0 {
		return 1
	}
	return runs[len(runs)-1].Number + 1
}

func journalOf(number int) string { return fmt.Sprintf("%04d.journal", number) }

// keep saves a content that is about to be replaced and is nowhere else, and
// returns where. It never replaces what was kept before.
func (s *store) keep(run int, data []byte) (path string, err error) {
	for i := 1; ; i++ {
		name := fmt.Sprintf("%04d.kept-%d", run, i)
		file, err := s.folder.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		_, err = file.Write(data)
		return filepath.Join(s.path, name), errors.Join(err, file.Sync(), file.Close(), s.sync())
	}
}

func (s *store) sync() error {
	folder, err := s.folder.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
