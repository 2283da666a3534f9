package hosttest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Result is how a program ended and what it printed.
type Result struct {
	Stdout, Stderr string
	Code           int // exit status; -1 when a signal ended it
}

// Run runs a program in the host as root and returns what it printed on its
// standard output. Another exit status than 0 ends the test.
func (h *Host) Run(t testing.TB, argv ...string) string {
	t.Helper()
	r := h.Try(t, argv...)
	if r.Code != 0 {
		t.Fatalf("%s ended with %d\n%s%s", strings.Join(argv, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// Script runs the lines of a script in the host as root; the first that fails
// ends the test.
func (h *Host) Script(t testing.TB, lines string) string {
	t.Helper()
	return h.Run(t, "/bin/sh", "-euc", lines)
}

// Try runs a program in the host as root.
func (h *Host) Try(t testing.TB, argv ...string) Result {
	t.Helper()
	return finish(t, h.Command(argv...))
}

// Command is a program in the host, run as root with the environment of a login
// and nothing of ours. It belongs to no session and to no service of the host.
func (h *Host) Command(argv ...string) *exec.Cmd {
	enter := []string{"--target", strconv.Itoa(h.boot.leader), "--all", "--wdns=/root", "env", "-i",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/bash", "LANG=C.UTF-8", "TERM=dumb"}
	return exec.Command("nsenter", append(enter, argv...)...)
}

// finish runs a program and gathers what became of it.
func finish(t testing.TB, cmd *exec.Cmd) Result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
}

// Write writes a file in the host, owned by root. The folders above it are made.
func (h *Host) Write(t testing.TB, path, content string, perm os.FileMode) {
	t.Helper()
	cmd := h.Command("/bin/sh", "-euc", `mkdir -p "${1%/*}"; cat >"$1"; chmod "$2" "$1"`, "write", path, strconv.FormatUint(uint64(perm.Perm()), 8))
	cmd.Stdin = strings.NewReader(content)
	if r := finish(t, cmd); r.Code != 0 {
		t.Fatalf("write %s in the host: %s", path, r.Stderr)
	}
}

// Await waits until a file of the host has something in it, and returns that.
func (h *Host) Await(t testing.TB, path string) string {
	t.Helper()
	return h.Run(t, "timeout", "120", "/bin/sh", "-c", `while [ ! -s "$1" ]; do sleep 0.05; done; cat "$1"`, "await", path)
}

// Put copies a file of this machine into the host, owned by root.
func (h *Host) Put(t testing.TB, from, to string, perm os.FileMode) {
	t.Helper()
	content, err := os.ReadFile(from)
	must(t, err)
	h.Write(t, to, string(content), perm)
}

// GatewayPath is where the gateway of this source is in a host, once
// PutGateway has put it there.
const GatewayPath = "/usr/local/bin/gateway"

// PutGateway puts the gateway of this source into the host.
func (h *Host) PutGateway(t testing.TB) {
	t.Helper()
	binary, err := gatewayBinary()
	must(t, err)
	h.Write(t, GatewayPath, binary, 0o755)
}

// Gateway runs gateway in the host as root, after it has put it there.
func (h *Host) Gateway(t testing.TB, args ...string) Result {
	t.Helper()
	if h.Try(t, "test", "-x", GatewayPath).Code != 0 {
		h.PutGateway(t)
	}
	return h.Try(t, append([]string{GatewayPath}, args...)...)
}

// gatewayBinary is the program, built once for all hosts of a test.
var gatewayBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "gateway-hosttest-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "gateway")
	build := exec.Command("go", "build", "-trimpath", "-o", path, "gateway/cmd/gateway")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", errors.New("build gateway: " + string(out))
	}
	binary, err := os.ReadFile(path)
	return string(binary), err
})

// selfPath is where the running test is in a host.
const selfPath = "/usr/local/bin/host.test"

// Self runs the tests of the running binary whose name is given in the host, as
// root, with these variables (NAME=VALUE) in their environment. There Inside is
// true.
func (h *Host) Self(t testing.TB, name string, environment ...string) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	h.Put(t, self, selfPath, 0o755)
	argv := append([]string{"env", insideVariable + "=yes"}, environment...)
	r := h.Try(t, append(argv, selfPath, "-test.v", "-test.run", "^"+name+"$")...)
	t.Logf("in the host:\n%s%s", r.Stdout, r.Stderr)
	if r.Code != 0 || !strings.Contains(r.Stdout, "--- PASS: "+name) {
		t.Fatalf("%s ended with %d in the host", name, r.Code)
	}
}

const insideVariable = "GATEWAY_TEST_INSIDE"

// Inside tells whether the test runs in a host, started by Self.
func Inside() bool { return os.Getenv(insideVariable) != "" }
