package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// realpathMachine is a machine in a folder with some folders and links in it.
func realpathMachine(t *testing.T, links map[string]string) Machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, since only links of root are followed")
	}
	m := Machine{Root: t.TempDir(), OS: "linux"}
	for name, target := range links {
		if err := os.MkdirAll(filepath.Dir(m.Path(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, m.Path(name)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func TestRealPath_FollowsTheLinksOfRootWithinTheMachine(t *testing.T) {
	m := realpathMachine(t, map[string]string{"/home": "/data/home", "/data/home/alice": "../people/./alice", "/loop": "loop"})
	if err := os.MkdirAll(m.Path("/data/people/alice"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"/home/alice/.ssh": "/data/people/alice/.ssh",
		"/home/bob":        "/data/home/bob",
		"/home/../etc":     "/etc",
		"/":                "/",
	} {
		if got, err := m.RealPath(name); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := m.RealPath("/loop/x"); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a loop: %v", err)
	}
}

func TestRealPath_RefusesTheLinkOfAUser(t *testing.T) {
	m := realpathMachine(t, map[string]string{"/home/alice/.ssh": "/etc"})
	if err := os.Lchown(m.Path("/home/alice/.ssh"), 1000, 1000); err != nil {
		t.Fatal(err)
	}
	if got, err := m.RealPath("/home/alice/.ssh/authorized_keys"); err == nil || !strings.Contains(err.Error(), "belongs to user 1000") {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestReadRegular_WaitsForNoPipeAndReadsNoFlood(t *testing.T) {
	m := Machine{Root: t.TempDir()}
	if err := syscall.Mkfifo(m.Path("/pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.Path("/file"), []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"/pipe": "no regular file", "/": "no regular file"} {
		if _, err := m.ReadRegular(name, 9); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := m.ReadRegular("/file", 4); err == nil || !strings.Contains(err.Error(), "5 bytes, more than the 4") {
		t.Errorf("too large: %v", err)
	}
	if text, err := m.ReadRegular("/file", 5); err != nil || string(text) != "12345" {
		t.Errorf("got %q, %v", text, err)
	}
}
