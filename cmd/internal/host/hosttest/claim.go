package hosttest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// runFolder holds a folder and a lock for every host. A host whose lock nobody
// holds was left behind by a test that was killed.
const runFolder = "/run/gateway-hosttest"

// cgroupRoots are where the hierarchies are that systemd uses: the unified one,
// or the two of a machine that still has version 1 besides.
var cgroupRoots = []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"}

// claim makes the folder of a host, and a lock that the kernel lets go of when
// this process ends, however it ends. It clears away the hosts without one.
func claim(t testing.TB, name string) {
	t.Helper()
	must(t, os.MkdirAll(runFolder, 0o700))
	defer lock(t, filepath.Join(runFolder, "lock"))()
	sweep(t)
	unlock := lock(t, filepath.Join(runFolder, name+".lock"))
	t.Cleanup(func() {
		_ = os.Remove(filepath.Join(runFolder, name+".lock"))
		unlock()
	})
	must(t, os.Mkdir(filepath.Join(runFolder, name), 0o700))
}

// sweep removes what killed tests have left behind.
func sweep(t testing.TB) {
	t.Helper()
	locks, err := filepath.Glob(filepath.Join(runFolder, namePrefix+"*.lock"))
	must(t, err)
	for _, path := range locks {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			name := strings.TrimSuffix(filepath.Base(path), ".lock")
			must(t, remove(name))
			must(t, os.Remove(path))
		}
		_ = f.Close()
	}
}

// lock waits until nobody else holds the lock of that path.
func lock(t testing.TB, path string) (unlock func()) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	must(t, err)
	must(t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	return func() { _ = f.Close() }
}

// remove takes away everything that bears the name of a host: its processes,
// its networks, its mounts, its folder.
func remove(name string) error {
	problems := []error{removeCgroups(name)}
	for _, network := range []string{hostNetwork(name), clientNetwork(name)} {
		if _, err := os.Stat("/run/netns/" + network); err == nil {
			problems = append(problems, command("ip", "netns", "delete", network))
		}
	}
	dir := filepath.Join(runFolder, name)
	for _, mount := range []string{filepath.Join(dir, "root"), dir} {
		if mounted(mount) {
			problems = append(problems, command("umount", "--lazy", mount))
		}
	}
	for _, path := range []string{dir, "/run/systemd/nspawn/propagate/" + name} {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func removeCgroups(name string) error {
	var problems []error
	for _, root := range cgroupRoots {
		problems = append(problems, removeCgroup(filepath.Join(root, name)))
	}
	return errors.Join(problems...)
}

// removeCgroup kills what runs in a control group and removes it. The kernel
// needs a moment to let a killed process go.
func removeCgroup(path string) error {
	var err error
	for range 100 {
		if _, err = os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		var folders []string
		_ = filepath.WalkDir(path, func(p string, d fs.DirEntry, _ error) error {
			if d != nil && d.IsDir() {
				folders = append(folders, p)
				killAll(filepath.Join(p, "cgroup.procs"))
			}
			return nil
		})
		for i := len(folders) - 1; i >= 0; i-- {
			err = os.Remove(folders[i])
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}

func killAll(procs string) {
	list, _ := os.ReadFile(procs)
	for line := range strings.Lines(string(list)) {
		if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && pid > 1 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func mounted(path string) bool {
	table, _ := os.ReadFile("/proc/self/mounts")
	return strings.Contains(string(table), " "+path+" ")
}
