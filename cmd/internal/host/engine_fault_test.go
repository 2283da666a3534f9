package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// engineDisk is a journal's file that fails at one of its writes, in one of
// several ways.
type engineDisk struct {
	journalFile
	writes *int // of all journals of the process
	fault  engineFault
}

type engineFault struct {
	at  int    // number of the write, from 1; 0: never
	how string // see engineWays
}

// engineWays are what can happen at a write to a journal. "kill" ends the process.
func engineWays() []string {
	return []string{"full", "full for good", "kill within", "kill after"}
}

func (f engineFault) open(folder *os.Root, name string) (journalFile, error) {
	file, err := openJournal(folder, name)
	return &engineDisk{journalFile: file, writes: new(int), fault: f}, err
}

func (d *engineDisk) Write(p []byte) (int, error) {
	*d.writes++
	if *d.writes < d.fault.at || d.fault.at == 0 || *d.writes > d.fault.at && d.fault.how != "full for good" {
		return d.journalFile.Write(p)
	}
	if d.fault.how == "kill after" {
		n, err := d.journalFile.Write(p)
		if err == nil {
			engineKill()
		}
		return n, err
	}
	n, err := d.journalFile.Write(p[:len(p)/2])
	if d.fault.how == "kill within" {
		engineKill()
	}
	return n, errors.Join(err, syscall.ENOSPC)
}

func engineKill() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// engineMemory is a folder on a file system in memory, if there is one: these
// tests sync some ten thousand files, which would keep a disk busy for a minute.
func engineMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "gateway-engine")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// engineWrites is how many records applying and undoing the world writes.
const engineWrites = 60

func TestEngine_ChangesNothingWhenTheDiskIsFullAtAnyRecord(t *testing.T) {
	for _, how := range engineWays()[:2] {
		faults := 0
		for at := 1; at <= engineWrites; at++ {
			w := newEngineWorld(t, engineMemory(t)).furnish()
			before := w.state()
			w.engine.open = engineFault{at, how}.open
			_, err := w.apply()
			if err == nil {
				break
			}
			faults++
			engineContains(t, err, "no space left on device", "df -h")
			if at > 1 {
				engineContains(t, err, "everything that was done was taken back: free space there (`df -h`)")
			} else {
				engineContains(t, err, "nothing was changed")
			}
			w.same(before, fmt.Sprintf("%s at record %d", how, at))
			w.engine.open = openJournal
			if _, err := w.engine.Recover(t.Context()); err != nil {
				t.Errorf("%s at record %d: afterwards: %v", how, at, err)
			}
			w.same(before, fmt.Sprintf("%s at record %d, recovered", how, at))
			w.mustApply() // there is room again
		}
		if want := 2 + 2*len(newEngineWorld(t, engineMemory(t)).step.changes); faults != want {
			t.Errorf("%s: %d records could not be written, want %d", how, faults, want)
		}
	}
}

func TestEngine_ChangesNothingOnAFullDiskOfAnySize(t *testing.T) {
	if os.Geteuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("needs root on Linux, to mount a small file system")
	}
	failures := 0
	for kilobytes := 8; kilobytes < 1024; kilobytes += 16 {
		w := newEngineWorld(t, engineMemory(t)).furnish()
		before := w.state()
		engineSmallDisk(t, w.root+"/var/lib/gateway", kilobytes)
		_, err := w.apply()
		if err == nil {
			break
		}
		failures++
		engineContains(t, err, "no space left on device")
		w.same(before, fmt.Sprintf("on %d KB", kilobytes))
		if _, err := w.engine.Recover(t.Context()); err != nil {
			t.Errorf("on %d KB, afterwards: %v", kilobytes, err)
		}
		w.same(before, fmt.Sprintf("on %d KB, recovered", kilobytes))
	}
	if failures < 2 {
		t.Errorf("only %d disks were too small", failures)
	}
}

// engineSmallDisk mounts a file system in memory.
func engineSmallDisk(t *testing.T, path string, kilobytes int) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	mount := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dk,mode=0700", kilobytes), "tmpfs", path)
	if out, err := mount.CombinedOutput(); err != nil {
		t.Fatalf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", path).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
}

func TestEngine_TakesEverythingBackWhenAnyActFails(t *testing.T) {
	for failing := range newEngineWorld(t, engineMemory(t)).step.changes {
		w := newEngineWorld(t, engineMemory(t)).furnish()
		before := w.state()
		// The folder of a file is not there, or a folder is where a file shall be.
		w.step.changes[failing].Acts = append(w.step.changes[failing].Acts, File{Path: "/nowhere/file"})
		_, err := w.apply()
		engineContains(t, err, w.step.changes[failing].What, "everything that was done was taken back")
		w.same(before, "failing at "+w.step.changes[failing].What)
		if got := w.lastState(); got != StateUndone {
			t.Errorf("the run is %s", got)
		}
	}
}

// engineChild applies or undoes in a process of its own, which a fault may kill.
func engineChild() int {
	at, err := strconv.Atoi(os.Args[3])
	if err != nil {
		return 2
	}
	w := newEngineWorld(nil, os.Args[1])
	w.engine.open = engineFault{at, os.Args[4]}.open
	ctx := context.Background()
	if os.Args[2] == "undo" {
		_, err = w.engine.Undo(ctx, Selection{})
	} else if p, planErr := w.engine.Plan(ctx, []Step{w.step}); planErr == nil {
		_, err = w.engine.Apply(ctx, p, 0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// engineProcess runs engineChild and tells whether it was killed.
func engineProcess(t *testing.T, root, what string, f engineFault) (killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], root, what, strconv.Itoa(f.at), f.how)
	cmd.Env = append(os.Environ(), portsRole+"=engine", "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	exit := (*exec.ExitError)(nil)
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		t.Fatalf("%s with %+v: %v\n%s", what, f, err, out)
	}
	return false
}

func TestEngine_IsTakenBackAfterAKillAtAnyRecord(t *testing.T) {
	kills := 0
	for _, how := range engineWays()[2:] {
		for at := 1; at <= engineWrites; at++ {
			w := newEngineWorld(t, engineMemory(t)).furnish()
			before := w.state()
			killed := engineProcess(t, w.root, "apply", engineFault{at, how})
			when := fmt.Sprintf("%s record %d", how, at)
			if !killed || w.lastState() == StateApplied { // the last record had come through
				if w.lastState() != StateApplied {
					t.Errorf("%s: the run is %s", when, w.lastState())
				}
				break
			}
			kills++
			w.recoverBy(at, when)
			w.sameButFolderTimes(before, when)
			engineNothingOpen(t, w, when)
		}
	}
	if kills < 45 {
		t.Errorf("only %d kills", kills)
	}
}

// sameButFolderTimes is same where a process was killed between an act and its
// record: whether others have changed the folder meanwhile is not known then, so
// its time stays.
func (w *engineWorld) sameButFolderTimes(before map[string]string, when string) {
	w.t.Helper()
	after := w.state()
	for path, was := range before {
		if folder, _, is := strings.Cut(was, " 20"); is && strings.HasPrefix(was, "d") && strings.HasPrefix(after[path], folder) {
			before[path] = after[path]
		}
	}
	w.same(before, when)
}

// recoverBy takes back by one of the commands that do.
func (w *engineWorld) recoverBy(number int, when string) {
	w.t.Helper()
	ctx := context.Background()
	var err error
	switch number % 3 {
	case 0:
		_, err = w.engine.Recover(ctx)
	case 1:
		_, err = w.engine.Undo(ctx, Selection{})
		if errors.Is(err, ErrNothingToUndo) { // killed before there was a run
			err = nil
		}
	case 2:
		_, err = w.engine.UndoUnconfirmed(ctx)
	}
	if err != nil {
		w.t.Errorf("%s: %v", when, err)
	}
}

func engineNothingOpen(t *testing.T, w *engineWorld, when string) {
	t.Helper()
	if state := w.lastState(); state != StateUndone && state != "" {
		t.Errorf("%s: afterwards the run is %s", when, state)
	}
	if left, _ := filepath.Glob(w.root + "/var/lib/gateway/setup/reserve"); len(left) > 0 && w.lastState() != "" {
		t.Errorf("%s: %s was left", when, left)
	}
	run := w.mustApply()
	if run.State != StateApplied {
		t.Errorf("%s: the next apply is %s", when, run.State)
	}
}

func TestEngine_GoesOnWithAnUndoThatWasKilledAtAnyRecord(t *testing.T) {
	kills := 0
	for _, how := range engineWays()[2:] {
		for at := 1; at <= engineWrites; at++ {
			w := newEngineWorld(t, engineMemory(t)).furnish()
			before := w.state()
			w.mustApply()
			after := w.state()
			if !engineProcess(t, w.root, "undo", engineFault{at, how}) {
				break
			}
			kills++
			when := fmt.Sprintf("%s record %d", how, at)
			if w.lastState() == StateApplied {
				w.same(after, when) // it had not begun
			}
			if w.lastState() == StateApplied || w.lastState() == StateUnfinished {
				if _, err := w.engine.Undo(t.Context(), Selection{}); err != nil {
					t.Errorf("%s: %v", when, err)
				}
			}
			w.same(before, when)
			engineNothingOpen(t, w, when)
		}
	}
	if kills < 20 {
		t.Errorf("only %d kills", kills)
	}
}

func FuzzReadRecords_GivesWhatWasWrittenAndNeverPanics(f *testing.F) {
	w := newEngineWorld(f, f.TempDir()).furnish()
	w.mustApply()
	text := w.read("var/lib/gateway/setup/0001.journal")
	f.Add([]byte(text), uint(len(text)))
	f.Add([]byte(text), uint(len(text)/2))
	f.Add([]byte(strings.Replace(text, `"kind":"intent"`, `"kind":"done"`, 1)), uint(9))
	f.Add([]byte("00000000 {}\n"), uint(0))
	whole, size, err := readRecords([]byte(text))
	if err != nil || size != int64(len(text)) {
		f.Fatalf("%d of %d bytes were read: %v", size, len(text), err)
	}
	f.Fuzz(func(t *testing.T, damaged []byte, cut uint) {
		if records, _, err := readRecords(damaged); err == nil {
			_, _ = replay(records)
		}
		records, size, err := readRecords([]byte(text)[:min(cut, uint(len(text)))])
		if err != nil || size > int64(cut) || len(records) > len(whole) {
			t.Fatalf("cut at %d: %d records, %d bytes, %v", cut, len(records), size, err)
		}
		if _, err := replay(records); err != nil && len(records) > 0 {
			t.Errorf("cut at %d: %v", cut, err)
		}
	})
}

// Records that fit their checksums can still tell a story that can't be.
func FuzzReplay_NeverPanics(f *testing.F) {
	f.Add(`{"kind":"begin"}`, `{"kind":"intent","intent":{"act":1,"path":"/a"}}`, `{"kind":"done","act":7}`)
	f.Add(`{"kind":"begin"}`, `{"kind":"applied","looks":{"3":{}}}`, `{"kind":"undone","act":-1}`)
	f.Add(`{"kind":"begin"}`, `{"kind":"intent","intent":{"act":1,"before":{},"after":{},"path":"/a"}}`, `{"kind":"undoing","steps":["x"]}`)
	f.Fuzz(func(t *testing.T, a, b, c string) {
		var text []byte
		for _, line := range []string{a, b, c} {
			text = fmt.Appendf(text, "%08x %s\n", checksum([]byte(line)), line)
		}
		records, _, err := readRecords(text)
		if err != nil {
			return
		}
		l, err := replay(records)
		if err == nil && l.State == "" {
			t.Errorf("a run without a state: %+v", l)
		}
	})
}
