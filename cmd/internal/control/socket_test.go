package control

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func TestBind_KeepsFolderAndSocketToTheirOwner(t *testing.T) {
	s := controlEcho(controlPath(t))
	controlServe(t, s)
	for path, want := range map[string]fs.FileMode{s.path: 0o600, s.path + ".lock": 0o600, filepath.Dir(s.path): 0o700} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %o", path, info.Mode(), err, want)
		}
	}
}

func TestBind_RefusesWhileAnotherProcessServes(t *testing.T) {
	path := controlPath(t)
	cmd := controlProcess(t, path)
	err := controlEcho(path).Bind()
	var alive *AliveError
	if !errors.As(err, &alive) || alive.PID != cmd.Process.Pid {
		t.Errorf("got %v, want pid %d", err, cmd.Process.Pid)
	}
	controlWantText(t, err, path, fmt.Sprintf("kill %d", cmd.Process.Pid))
	if err := NewClient(path).Call(t.Context(), "echo", "x", nil); err != nil {
		t.Errorf("the first server suffered: %v", err)
	}
}

func TestBind_TakesThePlaceOfAKilledProcess(t *testing.T) {
	path := controlPath(t)
	cmd := controlProcess(t, path)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("kill -9 left no socket to test with: %v", err)
	}
	err := NewClient(path).Call(t.Context(), "echo", "x", nil)
	if !errors.Is(err, ErrNotRunning) {
		t.Errorf("got %v", err)
	}
	c, _ := controlServe(t, controlEcho(path))
	if err := c.Call(t.Context(), "echo", "x", nil); err != nil {
		t.Error(err)
	}
}

func TestBind_LetsOneOfManyStartersWin(t *testing.T) {
	path := controlPath(t)
	cmd := controlProcess(t, path)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	const starters = 8
	results := make(chan error, starters)
	servers := make([]*Server, starters)
	for i := range servers {
		servers[i] = controlEcho(path)
		go func() { results <- servers[i].Bind() }()
	}
	won := 0
	for range starters {
		var alive *AliveError
		if err := <-results; err == nil {
			won++
		} else if !errors.As(err, &alive) {
			t.Error(err)
		}
	}
	for _, s := range servers {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d starters own the socket", won, starters)
	}
}

func TestBind_RefusesAListenerThatKnowsNoLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var alive *AliveError
	if err := controlEcho(path).Bind(); !errors.As(err, &alive) || alive.PID != os.Getpid() {
		t.Errorf("got %v", err)
	}
}

func TestBind_LeavesWhatIsNoSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	controlWantText(t, controlEcho(path).Bind(), path, "something else", "not removed")
	if text, err := os.ReadFile(path); err != nil || string(text) != "data" {
		t.Errorf("the file was touched: %q, %v", text, err)
	}
}

func TestBind_RefusesAFolderThatEverybodyMayWriteTo(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	controlWantText(t, controlEcho(filepath.Join(dir, "s")).Bind(), "chmod o-w "+dir)
	if err := os.Chmod(dir, 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	s := controlEcho(filepath.Join(dir, "s"))
	if err := s.Bind(); err != nil {
		t.Errorf("a sticky folder, like /tmp, is safe: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestBind_SaysWhyTheFolderCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	controlWantText(t, controlEcho(filepath.Join(file, "s")).Bind(), file, "folder can't be made")
}

func TestBind_ReachesAPathLongerThanASocketsAddress(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("d", 120), "gateway.sock")
	s := controlEcho(path)
	if runtime.GOOS != "linux" {
		controlWantText(t, s.Bind(), "choose a shorter one")
		return
	}
	c, stop := controlServe(t, s)
	if err := c.Call(t.Context(), "echo", "x", nil); err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	controlWantText(t, c.Call(t.Context(), "echo", "x", nil), "gateway is not running")
}

func TestBind_RefusesAFileNameLongerThanASocketsAddress(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("s", 110))
	controlWantText(t, controlEcho(path).Bind(), "choose a shorter one")
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was left behind: %v", err)
	}
}

func TestCall_SaysThatGatewayIsNotRunning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "no", "gateway.sock")
	err := NewClient(path).Call(t.Context(), "status", nil, nil)
	want := "gateway is not running (no socket at " + path + "): start it with `gateway run` or `systemctl start gateway`"
	if !errors.Is(err, ErrNotRunning) || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestCall_SaysThatSomethingElseListens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = c.Write([]byte("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno"))
			_ = c.Close()
		}
	}()
	controlWantText(t, NewClient(path).Call(t.Context(), "status", nil, nil), path, "is it gateway's?")
	_ = l.Close()
	<-done
}

// controlAsNobody calls a server from a process of a user without any right.
func controlAsNobody(t *testing.T, path string) string {
	t.Helper()
	binary, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "public.test")
	for _, err := range []error{os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755), os.WriteFile(program, binary, 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, path)
	cmd.Env = []string{controlRole + "=call"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("another user was served: %s", out)
	}
	return string(out)
}

func TestServer_RefusesOtherUsersTwice(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to become another user")
	}
	s := controlEcho(controlPath(t))
	controlServe(t, s)
	if got := controlAsNobody(t, s.path); !strings.Contains(got, "permission denied: run this as root") {
		t.Errorf("behind the closed folder: %s", got)
	}
	// Somebody has opened every door of the file system.
	for _, path := range []string{s.path, filepath.Dir(s.path), filepath.Dir(filepath.Dir(s.path)), filepath.Dir(filepath.Dir(filepath.Dir(s.path)))} {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if got := controlAsNobody(t, s.path); !strings.Contains(got, "only root and user root may command this gateway") {
		t.Errorf("with the folder open: %s", got)
	}
}

func TestRootOrSelf_LetsNobodyElseIn(t *testing.T) {
	for uid, want := range map[int]bool{0: true, os.Geteuid(): true, 65534: false, -1: false} {
		if got := rootOrSelf(Peer{UID: uid}); got != want {
			t.Errorf("uid %d: %v", uid, got)
		}
	}
}
