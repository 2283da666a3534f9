package health

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// DelegatedCgroup returns the folder of gateway's own control group when its
// manager has left what is below it to gateway (systemd's Delegate=yes), and
// "" otherwise. Only version 2 is looked at, and only the mark that systemd
// sets for it: making groups elsewhere would be meddling
// (https://systemd.io/CGROUP_DELEGATION).
func DelegatedCgroup() string {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(own)) {
		path, found := strings.CutPrefix(strings.TrimSpace(line), "0::/")
		if !found {
			continue
		}
		dir := filepath.Join("/sys/fs/cgroup", path)
		mark := make([]byte, 8)
		n, err := unix.Getxattr(dir, "user.delegate", mark)
		if err == nil && string(mark[:n]) == "1" {
			return dir
		}
	}
	return ""
}

// group is the control group of one backend, which no process leaves by
// itself. Its zero value is none: then a backend's processes are told by their
// session, parents and environment.
type group struct{ dir string }

// groupFor names the backend's group below parent, "" for none.
func groupFor(parent, file string) group {
	if parent == "" {
		return group{}
	}
	return group{dir: filepath.Join(parent, "backend-"+file)}
}

// attach makes the process that attr belongs to begin its life in the group.
// The closer is for after the start.
func (g group) attach(attr *syscall.SysProcAttr) (io.Closer, error) {
	if g.dir == "" {
		return io.NopCloser(nil), nil
	}
	if err := os.Mkdir(g.dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("control group of the backend: %w", err)
	}
	if !startsInGroups() {
		return io.NopCloser(nil), nil // it joins by itself
	}
	folder, err := os.Open(g.dir)
	if err != nil {
		return nil, fmt.Errorf("control group of the backend: %w", err)
	}
	attr.UseCgroupFD, attr.CgroupFD = true, int(folder.Fd())
	return folder, nil
}

// startsInGroups tells whether the kernel can start a process in a group. That
// takes clone3(2), which Linux has not before 5.3, and which systemd's
// RestrictNamespaces= hides since it can't look into its arguments. The call
// itself is one that is always refused, as too short.
func startsInGroups() bool {
	_, _, errno := syscall.RawSyscall(unix.SYS_CLONE3, 0, 0, 0)
	return errno != syscall.ENOSYS
}

// toJoin is the folder of the group that a process must join by itself before it
// becomes the backend; "" where there is none, or the kernel does it.
func (g group) toJoin() string {
	if g.dir == "" || startsInGroups() {
		return ""
	}
	return g.dir
}

// joinGroup moves this process into a group (cgroups(7)); "" is none.
func joinGroup(dir string) error {
	if dir == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0)
}

// holds returns a question for the processes that are in the group now.
func (g group) holds() func(pid int) bool {
	in := map[int]bool{}
	if g.dir != "" {
		text, _ := os.ReadFile(filepath.Join(g.dir, "cgroup.procs")) // none: not made yet
		for _, line := range bytes.Fields(text) {
			if pid, err := strconv.Atoi(string(line)); err == nil {
				in[pid] = true
			}
		}
	}
	return func(pid int) bool { return in[pid] }
}

// kill ends all that is in the group at once, so that no fork escapes. Before
// Linux 5.14 there is no such file, and each process is killed by itself.
func (g group) kill() {
	if g.dir != "" {
		_ = os.WriteFile(filepath.Join(g.dir, "cgroup.kill"), []byte("1"), 0)
	}
}

// remove takes an empty group away.
func (g group) remove() {
	if g.dir != "" {
		_ = os.Remove(g.dir) // busy: something lives in it, and it is used again
	}
}
