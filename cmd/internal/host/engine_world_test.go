package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// engineWorld is a small host in a folder, with one of each thing that a step
// can find, and a step that wants all of it changed.
type engineWorld struct {
	t       testing.TB
	root    string
	machine Machine
	engine  *Engine
	step    *engineStep
	ran     []string // programs
}

// engineStep wants acts done that have not been done, each as a change.
type engineStep struct {
	name          string
	changes       []Change
	ready, verify error
	planned       func()
}

func (s *engineStep) Name() string                         { return s.name }
func (s *engineStep) Ready(context.Context, Machine) error { return s.ready }
func (s *engineStep) Verify(_ context.Context, m Machine) error {
	if s.verify != nil {
		return s.verify
	}
	if p, err := s.Plan(context.Background(), m); err != nil || len(p.Changes) > 0 {
		return fmt.Errorf("after all acts, the step still wants %+v (%w)", p.Changes, err)
	}
	return nil
}

func (s *engineStep) Plan(_ context.Context, m Machine) (Plan, error) {
	var p Plan
	for _, c := range s.changes {
		wanted, err := engineWants(m, c)
		if err != nil {
			return Plan{}, err
		}
		if wanted {
			p.Changes = append(p.Changes, c)
		}
	}
	if s.planned != nil {
		s.planned()
	}
	return p, nil
}

// engineWants tells whether a machine lacks a change, by its first act.
func engineWants(m Machine, c Change) (bool, error) {
	if program, is := c.Acts[0].(Program); is {
		_, err := m.Lstat(program.Do.Argv[1])
		return errors.Is(err, fs.ErrNotExist), nil
	}
	act := c.Acts[0].(fileAct)
	t := act.target()
	p, err := m.open(t.path, t.within, t.throughLink)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer p.close()
	before, err := p.snapshot()
	if err != nil {
		return false, err
	}
	after, err := act.after(before)
	return after != before.look, err
}

func engineChange(what string, acts ...Act) Change { return Change{What: what, Acts: acts} }

func newEngineWorld(t testing.TB, root string) *engineWorld {
	w := &engineWorld{t: t, root: root}
	w.machine = Machine{Root: root, OS: "linux", UID: 0, Run: w.run}
	w.engine = NewEngine(w.machine, "/var/lib/gateway")
	own := ownOwner()
	w.step = &engineStep{name: "app", changes: []Change{
		engineChange("make a folder", Folder{Path: "/etc/app/conf.d", Perm: 0o750, Owner: own}),
		engineChange("write a new file", File{Path: "/etc/app/conf.d/00.conf", Data: []byte("new\n"), Perm: 0o644, Owner: own}),
		engineChange("replace a file", File{Path: "/etc/app/a.conf", Data: []byte("changed\n"), Perm: 0o600, Owner: own}),
		engineChange("run a program", Program{Do: Command{Argv: []string{"touch", "/etc/app/marker"}, Stdin: []byte("s3cret")}, Undo: []Command{{Argv: []string{"rm", "/etc/app/marker"}}}}),
		engineChange("set attributes", Attributes{Path: "/etc/app/b.conf", Perm: 0o400, Owner: own}),
		engineChange("set attributes of a folder", Attributes{Path: "/etc/app/wide", Perm: 0o700, Owner: own}),
		engineChange("remove a file", Gone{Path: "/etc/app/c.conf"}),
		engineChange("point a link elsewhere", Symlink{Path: "/etc/app/current", Target: "b.conf"}),
		engineChange("write through a link", File{Path: "/etc/app/d.conf", Data: []byte("behind the link\n"), Perm: 0o644, Owner: own}),
		engineChange("write a file with two names", File{Path: "/etc/app/one", Data: []byte("both\n"), Perm: 0o644, Owner: own}),
		engineChange("write the new file again, and a key", File{Path: "/home/alice/.ssh/authorized_keys", Data: []byte("ssh-ed25519 AAAA\n"), Perm: 0o600, Owner: own, Within: "/home/alice"}),
	}}
	return w
}

// furnish makes the host as it is before any setup.
func (w *engineWorld) furnish() *engineWorld {
	for _, folder := range []string{"etc/app/wide", "etc/real", "home/alice/.ssh"} {
		w.must(os.MkdirAll(filepath.Join(w.root, folder), 0o755))
	}
	w.must(os.Chmod(w.root+"/etc/app/wide", 0o777|fs.ModeSticky))
	w.write("etc/app/a.conf", "old\n", 0o640)
	w.write("etc/app/b.conf", "kept\n", 0o666)
	w.write("etc/app/c.conf", strings.Repeat("gone\n", 1000), 0o644)
	w.write("etc/real/d.conf", "old behind the link\n", 0o644)
	w.write("etc/app/one", "shared\n", 0o644)
	w.write("home/alice/.ssh/authorized_keys", "ssh-rsa BBBB", 0o666)
	w.must(os.Link(w.root+"/etc/app/one", w.root+"/etc/app/two"))
	w.must(os.Symlink("a.conf", w.root+"/etc/app/current"))
	w.must(os.Symlink("/etc/real/d.conf", w.root+"/etc/app/d.conf"))
	if err := unix.Setxattr(w.root+"/etc/app/a.conf", "user.note", []byte("mine"), 0); err != nil && !errors.Is(err, unix.ENOTSUP) {
		w.t.Fatal(err)
	}
	past := time.Date(2020, 1, 2, 3, 4, 5, 678, time.UTC)
	w.must(filepath.WalkDir(w.root, func(path string, _ fs.DirEntry, err error) error {
		past = past.Add(time.Hour)
		at := unix.NsecToTimespec(past.UnixNano())
		return errors.Join(err, unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW))
	}))
	return w
}

func (w *engineWorld) must(err error) {
	if err != nil && w.t == nil {
		panic(err) // in a process of its own
	}
	if err != nil {
		w.t.Helper()
		w.t.Fatal(err)
	}
}

func (w *engineWorld) write(path, content string, mode fs.FileMode) {
	w.t.Helper()
	w.must(os.WriteFile(filepath.Join(w.root, path), []byte(content), mode))
	w.must(os.Chmod(filepath.Join(w.root, path), mode))
}

func (w *engineWorld) read(path string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.root, path))
	w.must(err)
	return string(text)
}

// run stands for the programs touch and rm of the host.
func (w *engineWorld) run(_ context.Context, c Command) (Result, error) {
	w.ran = append(w.ran, c.Argv[0])
	path := filepath.Join(w.root, c.Argv[1])
	folder, err := os.Stat(filepath.Dir(path))
	w.must(err)
	switch c.Argv[0] {
	case "touch":
		err = os.WriteFile(path, nil, 0o600)
	case "rm":
		if err = os.Remove(path); errors.Is(err, fs.ErrNotExist) {
			return Result{}, nil
		}
	}
	// It puts the time of the folder back, which a program of a host would not, so
	// that the tests can ask for the time of every folder.
	return Result{}, errors.Join(err, os.Chtimes(filepath.Dir(path), folder.ModTime(), folder.ModTime()))
}

// state is everything about the host's files, but for the journals.
func (w *engineWorld) state() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	w.must(filepath.WalkDir(w.root, func(path string, entry fs.DirEntry, err error) error {
		if path == w.root {
			return err
		}
		if path == w.root+"/var" {
			return fs.SkipDir
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		line := fmt.Sprintf("%v %d:%d %s", info.Mode(), stat.Uid, stat.Gid, info.ModTime().UTC().Format(time.RFC3339Nano))
		switch {
		case info.Mode().IsRegular():
			content, err := os.ReadFile(path)
			w.must(err)
			note := make([]byte, 100)
			n, _ := unix.Getxattr(path, "user.note", note)
			line += fmt.Sprintf(" %d names %q %q", stat.Nlink, content, note[:max(n, 0)])
		case info.Mode().Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			w.must(err)
			line += " -> " + target
		}
		all[strings.TrimPrefix(path, w.root)] = line
		return nil
	}))
	return all
}

func (w *engineWorld) same(before map[string]string, when string) {
	w.t.Helper()
	after := w.state()
	for _, path := range slices.Sorted(maps.Keys(before)) {
		if after[path] != before[path] {
			w.t.Errorf("%s: %s is\n%s\nand was\n%s", when, path, after[path], before[path])
		}
	}
	for path := range after {
		if _, was := before[path]; !was {
			w.t.Errorf("%s: %s was left behind", when, path)
		}
	}
}

func (w *engineWorld) plan() Proposal {
	w.t.Helper()
	p, err := w.engine.Plan(context.Background(), []Step{w.step})
	w.must(err)
	return p
}

func (w *engineWorld) apply() (Run, error) {
	w.t.Helper()
	return w.engine.Apply(context.Background(), w.plan(), 0)
}

func (w *engineWorld) mustApply() Run {
	w.t.Helper()
	run, err := w.apply()
	w.must(err)
	return run
}

func (w *engineWorld) lastState() string {
	w.t.Helper()
	runs, err := w.engine.History()
	w.must(err)
	if len(runs) == 0 {
		return ""
	}
	return runs[len(runs)-1].State
}

// journals is all that lies in the folder of the journals.
func (w *engineWorld) journals() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(w.root + "/var/lib/gateway/setup")
	w.must(err)
	for _, entry := range entries {
		text := w.read("var/lib/gateway/setup/" + entry.Name())
		info, err := entry.Info()
		w.must(err)
		all[entry.Name()] = info.ModTime().Format(time.RFC3339Nano) + info.Mode().String() + text
	}
	return all
}

var errEngineTest = errors.New("the test wants it so")

func engineContains(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("there was no error")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error lacks %q: %v", part, err)
		}
	}
}
