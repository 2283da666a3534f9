package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"gateway/health"
)

// backendEnv makes the test binary be a backend: ADDRESS BOOT JOURNAL.
const backendEnv = "GATEWAY_TEST_BACKEND"

// beBackend is a backend that takes a while to boot and writes down every
// request that reached it, in a file that outlives its death.
func beBackend(spec string) int {
	var address, boot, path string
	if _, err := fmt.Sscan(spec, &address, &boot, &path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	journal, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if pause, err := time.ParseDuration(boot); err == nil {
		time.Sleep(pause)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(journal, "%s %s\n", r.Method, r.Header.Get("X-Test-Id"))
		io.Copy(io.Discard, r.Body)
		time.Sleep(2 * time.Millisecond) // so that a kill finds requests in flight
		fmt.Fprintf(w, "done by %d", os.Getpid())
	})}
	stop, stopped := make(chan os.Signal, 1), make(chan struct{})
	notifyTerm(stop)
	go func() {
		defer close(stopped)
		<-stop
		server.Shutdown(context.Background())
	}()
	server.Serve(l)
	<-stopped // the requests that it has
	return 0
}

// world is a gateway with a supervised backend under load.
type world struct {
	t       *testing.T
	ca      *authority
	port    int
	config  string
	journal string
	gateway *process
}

func newWorld(t *testing.T, boot string) *world {
	t.Helper()
	return newWorldWith(t, boot, "")
}

// newWorldWith has more tables in its file, and gateway is started by another
// program if one is named.
func newWorldWith(t *testing.T, boot, more string, by ...string) *world {
	t.Helper()
	w := &world{t: t, ca: newAuthority(t), port: freePort(t), journal: filepath.Join(t.TempDir(), "journal")}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	backend := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	state := t.TempDir()
	// A handshake may take long on a busy machine, where it is not what is tested.
	above := fmt.Sprintf("[log]\naccess = %q\n[timeouts]\nhandshake = \"1m\"\n[admin]\nsocket = %q\n", filepath.Join(state, "access.log"), filepath.Join(state, "gateway.sock"))
	w.config = writeFile(t, t.TempDir(), "config.toml",
		oneSite(t, w.ca.install(t, "api.example.com"), w.port, "http://"+backend, above)+
			fmt.Sprintf("command = [%q]\nenv = [\"%s=%s %s %s\"]\n%s\n", self, backendEnv, backend, boot, w.journal, more))
	words := append(by, builtGateway(t), "run", "-c", w.config)
	w.gateway = startProcess(t, words[0], words[1:]...)
	w.gateway.waitFor(`the backend is up" backend=api`)
	return w
}

// do runs a verb of the program and returns what it prints.
func (w *world) do(args ...string) string {
	w.t.Helper()
	out, err := exec.Command(builtGateway(w.t), append(args, "-c", w.config)...).CombinedOutput()
	if err != nil {
		w.t.Errorf("gateway %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// status is what `gateway backend status --json` tells.
func (w *world) status() health.Status {
	w.t.Helper()
	out, _ := exec.Command(builtGateway(w.t), "backend", "status", "--json", "-c", w.config).Output() // exit code 1 while it is down
	var all []health.Status
	if err := json.Unmarshal(out, &all); err != nil || len(all) != 1 {
		w.t.Fatalf("backend status: %v: %s", err, out)
	}
	return all[0]
}

// backendPID is the backend's process. It is never 0, which would mean whoever
// sends it a signal, and all that belong to that.
func (w *world) backendPID() int {
	w.t.Helper()
	s := w.status()
	if s.PID == 0 {
		w.t.Fatalf("the backend has no process: %+v", s)
	}
	return s.PID
}

// load is the load of these tests: see traffic.
func (w *world) load(lasts time.Duration) []request {
	return w.front().load(w.t, 200, lasts)
}

// front is the one site of the world.
func (w *world) front() *front {
	return newFront(w.t, "api.example.com", w.port, w.ca)
}

func TestKill_FiveDeathsUnderLoadFailOnlyThePostsInFlight(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a load for 20 s")
	}
	w := newWorld(t, "1s")
	killing := every(5, 20*time.Second, func(int) {
		if pid := w.status().PID; pid != 0 {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	all := w.load(20 * time.Second)
	killing.Wait()
	w.tally(all, true)
	if restarts := w.status().Restarts; restarts != 5 {
		t.Errorf("the backend was restarted %d times, want 5", restarts)
	}
	t.Log(w.do("history"))
}

func TestKill_FivePlannedRestartsUnderLoadFailNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a load for 20 s")
	}
	w := newWorld(t, "1s")
	restarting := every(5, 20*time.Second, func(int) { w.do("backend", "restart") })
	all := w.load(20 * time.Second)
	restarting.Wait()
	w.tally(all, false)
}

func TestKill_TheBackendOutlivesGatewayAndIsAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "0s")
	before := w.status()
	w.gateway.signal(syscall.SIGKILL)
	w.gateway.exitCode()

	w.gateway = startProcess(t, builtGateway(t), "run", "-c", w.config)
	w.gateway.waitFor("the backend is up")
	after := w.status()
	if before.PID == 0 || after.PID != before.PID || !after.Adopted || after.Restarts != 0 {
		t.Errorf("pid %d before, %d after (adopted %v, %d restarts): want the same process, adopted", before.PID, after.PID, after.Adopted, after.Restarts)
	}
	if status := w.get(w.ca.client(t, false), w.port); status != http.StatusOK {
		t.Errorf("status %d after the adoption", status)
	}

	w.gateway.signal(syscall.SIGTERM)
	if code := w.gateway.exitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if lives(before.PID) {
		t.Error("the adopted backend outlived a stop of gateway")
	}
}

// lives tells whether a process runs; one that ended and that nobody waited for
// does not.
func lives(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return os.IsNotExist(err) && runtime.GOOS != "linux"
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

func TestKill_ABackendThatIsFrozenForThreeSecondsCostsNothing(t *testing.T) {
	w := newWorld(t, "0s")
	pid := w.backendPID()
	freezing := every(1, time.Second, func(int) {
		syscall.Kill(pid, syscall.SIGSTOP)
		time.AfterFunc(3*time.Second, func() { syscall.Kill(pid, syscall.SIGCONT) })
	})
	all := w.load(5 * time.Second)
	freezing.Wait()
	w.tally(all, false)
	if after := w.status(); after.PID != pid {
		t.Errorf("the backend is pid %d, was %d: a freeze of 3 s was answered by a restart", after.PID, pid)
	}
}
