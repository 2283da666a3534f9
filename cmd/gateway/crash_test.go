package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gateway/health"
)

// serviceKeeper starts gateway anew whenever it ends, and keeps its listening
// socket meanwhile, as systemd does with a socket unit.
type serviceKeeper struct {
	t      *testing.T
	config string
	socket *os.File
	output *os.File

	mu      sync.Mutex
	current *exec.Cmd
	stopped bool
	starts  int
	ended   chan struct{}
}

func keepService(t *testing.T, config, address string) *serviceKeeper {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	output, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	k := &serviceKeeper{t: t, config: config, socket: socket, output: output, ended: make(chan struct{})}
	binary := builtGateway(t)
	go func() {
		defer close(k.ended)
		for k.start(binary) {
			_ = k.current.Wait()
		}
	}()
	t.Cleanup(k.stop)
	return k
}

// start is told of its own process by the shell, since only that knows its number.
func (k *serviceKeeper) start(binary string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return false
	}
	k.current = exec.Command("sh", "-c", `LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" run -c "$1"`, binary, k.config)
	k.current.ExtraFiles = []*os.File{k.socket}
	k.current.Stdout, k.current.Stderr = k.output, k.output
	k.current.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := k.current.Start(); err != nil {
		k.t.Error(err)
		return false
	}
	k.starts++
	return true
}

// started is how often gateway was started so far.
func (k *serviceKeeper) started() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.starts
}

func (k *serviceKeeper) signal(s syscall.Signal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.current.Process.Signal(s); err != nil {
		k.t.Error(err)
	}
}

func (k *serviceKeeper) stop() {
	k.mu.Lock()
	k.stopped = true
	_ = k.current.Process.Signal(syscall.SIGTERM) // it may have ended
	k.mu.Unlock()
	<-k.ended
	k.socket.Close()
	k.output.Close()
	if k.t.Failed() {
		k.t.Logf("gateway printed:\n%s", readAll(k.t, k.output.Name()))
	}
}

// TestCrash_UnderLoadCostsOnlyWhatWasInFlight kills gateway while requests come,
// sites are changed and a second backend dies. Who connects meanwhile waits.
func TestCrash_UnderLoadCostsOnlyWhatWasInFlight(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a load for 20 s; left out with -short")
	}
	box := newMailbox(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dying := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	w := newWorldWith(t, "0s", mailTable(box.addr)+fmt.Sprintf("[[backend]]\nname = \"dying\"\nurl = \"http://%s\"\ncommand = [%q]\nenv = [\"%s=%[1]s 0s %[4]s\"]\n",
		dying, self, backendEnv, filepath.Join(t.TempDir(), "journal")))
	w.gateway.signal(syscall.SIGKILL)
	w.gateway.exitCode()
	keeper := keepService(t, w.config, fmt.Sprintf("127.0.0.1:%d", w.port))
	eventually(t, "both backends are up", func() bool { return w.backend("api").State == "up" && w.backend("dying").State == "up" })
	before := w.backend("api").PID
	const kills = 5
	var killed []time.Time
	killing := every(kills, 20*time.Second, func(i int) {
		eventually(t, "gateway answers", func() bool { _, code := w.verb("reload"); return code == exitDone })
		var other int
		eventually(t, "the other backend runs", func() bool {
			s := w.backend("dying")
			other = s.PID
			return s.State == "up" && other != 0
		})
		_ = syscall.Kill(other, syscall.SIGKILL) // gateway may have seen its end already
		eventually(t, "the incident is on the disk", func() bool {
			text, _ := os.ReadFile(filepath.Join(w.state(), "incidents.json")) // the first makes the file
			return strings.Contains(string(text), `"dying"`)
		})
		killed = append(killed, time.Now())
		keeper.signal(syscall.SIGKILL)
	})
	begun := time.Now()
	all := w.front().load(t, 100, 20*time.Second)
	killing.Wait()
	eventually(t, "both backends are up again", func() bool { return w.backend("api").State == "up" && w.backend("dying").State == "up" })
	if after := w.backend("api"); after.PID != before || after.Restarts != 0 {
		t.Errorf("the backend was process %d and is %+v", before, after)
	}
	if starts := keeper.started(); starts != kills+1 {
		t.Errorf("gateway was started %d times, want %d", starts, kills+1)
	}
	lost := judgeCrashes(t, all, begun, killed)
	outcomes := map[string]int{}
	for _, r := range all {
		outcomes[r.outcome()]++
	}
	t.Logf("%d requests, %d kills of gateway: %d were in flight and lost; requests took %s; %v", len(all), kills, lost, percentiles(all), outcomes)
	eventually(t, "the mails of the other backend's deaths", func() bool {
		down, up := 0, 0
		for _, mail := range box.mails(t) {
			down += strings.Count(mail.subject, "dying is DOWN")
			up += strings.Count(mail.subject, "dying is UP")
		}
		return down > 0 && up > 0
	})
	checkNothingTorn(t, w.state())
}

// judgeCrashes wants that what was lost was under way at a kill, and counts it.
func judgeCrashes(t *testing.T, all []request, begun time.Time, killed []time.Time) (lost int) {
	t.Helper()
	executed := bounded{most: 5}
	for _, r := range all {
		if !r.failed() {
			continue
		}
		lost++
		due := begun.Add(time.Duration(r.n) * 10 * time.Millisecond)
		under := false
		for _, at := range killed { // a moment beside it, for the machine
			under = under || due.Before(at.Add(time.Second)) && due.Add(r.took).After(at.Add(-time.Second))
		}
		if !under && executed.next() {
			t.Errorf("%s %s at %v: %s, and gateway was not killed just then", r.protocol(), r.method(), due.Sub(begun), r.outcome())
		}
	}
	return lost
}

// backend is one of those of which `gateway backend status` tells.
func (w *world) backend(name string) health.Status {
	out, _ := exec.Command(builtGateway(w.t), "backend", "status", name, "--json", "-c", w.config).Output() // fails while gateway is away
	var all []health.Status
	if json.Unmarshal(out, &all) != nil || len(all) != 1 {
		return health.Status{}
	}
	return all[0]
}

// state is the folder that the file names.
func (w *world) state() (folder string) {
	w.t.Helper()
	for line := range strings.Lines(readAll(w.t, w.config)) {
		if n, _ := fmt.Sscanf(line, "state = %q", &folder); n == 1 {
			return folder
		}
	}
	w.t.Fatal("the file names no state")
	return ""
}

// checkNothingTorn reads all that gateway has written.
func checkNothingTorn(t *testing.T, state string) {
	t.Helper()
	read := 0
	err := filepath.WalkDir(state, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		switch filepath.Ext(path) {
		case ".json":
			if read++; !json.Valid(text) {
				t.Errorf("%s is torn: %q", path, text)
			}
		case ".key", ".crt", ".pem":
			if block, _ := pem.Decode(text); block == nil {
				t.Errorf("%s is torn: %q", path, bytes.TrimSpace(text))
			}
		}
		return nil
	})
	if err != nil || read == 0 {
		t.Errorf("%d files were read: %v", read, err)
	}
}
