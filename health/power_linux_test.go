package health

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// powerChild makes the test binary print what a program inherits from it.
const powerChild = "GATEWAY_TEST_POWERS"

func TestKeepPowers_KeepsAmbientCapabilitiesFromWhatIsStarted(t *testing.T) {
	if os.Getenv(powerChild) != "" {
		if !mayBecomeOthers() {
			t.Error("with CAP_SETUID and CAP_SETGID another user cannot be become")
		}
		if err := KeepPowers(); err != nil {
			t.Fatal(err)
		}
		if !mayBecomeOthers() {
			t.Error("gateway itself has lost its capabilities")
		}
		out, err := exec.Command("/bin/grep", "Cap", "/proc/self/status").CombinedOutput()
		t.Logf("a program has\n%s%v", out, err)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give capabilities away")
	}
	binary := powerBinary(t)
	child := exec.Command(binary, "-test.run", "^"+t.Name()+"$", "-test.v")
	child.Dir = "/"
	child.Env = append(os.Environ(), powerChild+"=1")
	child.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: 65534, Gid: 65534},
		AmbientCaps: []uintptr{unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_NET_BIND_SERVICE},
	}
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		if !strings.Contains(string(out), set+":\t0000000000000000") {
			t.Errorf("a program of gateway has capabilities in %s:\n%s", set, out)
		}
	}
}

// powerBinary builds the tests of this package without cgo, as gateway is built,
// where everybody may run it.
func powerBinary(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "powers")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "health.test")
	build := exec.Command("go", "test", "-c", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}
