package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"

	"gateway/cmd/internal/handover"
)

// upgraded runs `gateway upgrade` and has the process that serves now ended with
// the test.
func (w *world) upgraded(args ...string) upgradeReport {
	w.t.Helper()
	out, code := w.verb(append([]string{"upgrade", "--json"}, args...)...)
	var report upgradeReport
	if code != exitDone || json.Unmarshal([]byte(out), &report) != nil || report.PID == 0 {
		w.t.Fatalf("upgrade: exit code %d: %s", code, out)
	}
	endWithTest(w.t, report.PID)
	return report
}

// endWithTest ends a gateway that is not a child of the test.
func endWithTest(t *testing.T, pid int) {
	t.Cleanup(func() {
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM, syscall.SIGKILL} {
			if syscall.Kill(pid, s) != nil {
				return
			}
			awaitEnd(pid, 10*time.Second)
		}
	})
}

// awaitEnd waits for the end of a process that is no child of the test.
func awaitEnd(pid int, within time.Duration) {
	look, over := time.NewTicker(20*time.Millisecond), time.After(within)
	defer look.Stop()
	for lives(pid) {
		select {
		case <-look.C:
		case <-over:
			return
		}
	}
}

func TestUpgrade_AnotherProcessServesAndTheBackendIsNotTouched(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "0s")
	before, old := w.status(), w.gateway.cmd.Process.Pid
	report := w.upgraded()
	if report.PID == old || !lives(report.PID) {
		t.Errorf("process %d serves, it was %d", report.PID, old)
	}
	if code := w.gateway.exitCode(); code != exitDone {
		t.Errorf("the old gateway ended with exit code %d", code)
	}
	if status := w.get(w.ca.client(t, false), w.port); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	after := w.status()
	if after.PID != before.PID || !after.Adopted || after.Restarts != 0 {
		t.Errorf("the backend was process %d and is %+v", before.PID, after)
	}
	again := w.upgraded() // also the one that was taken over to
	if status := w.get(w.ca.client(t, false), w.port); status != http.StatusOK || again.PID == report.PID {
		t.Errorf("status %d by process %d after the second upgrade", status, again.PID)
	}
	w.killOnce()
	eventually(t, "a backend that died is started by the new gateway", func() bool {
		s := w.status()
		return s.State == "up" && s.PID != before.PID
	})
}

func TestUpgrade_UnderLoadFailsNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a load for 10 s")
	}
	w := newWorld(t, "0s")
	upgrading := every(5, 10*time.Second, func(int) { w.upgraded() })
	all := w.load(10 * time.Second)
	upgrading.Wait()
	w.tally(all, false)
}

func TestUpgrade_AProgramThatIsNoGoodChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "0s")
	old, backend := w.gateway.cmd.Process.Pid, w.status().PID
	good, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ binary, file, want string }{
		"it is not there":       {binary: "/nonexistent/gateway", want: "no such file"},
		"it is no program":      {binary: w.config, want: "may not be run: chmod 755 it"},
		"it crashes":            {binary: mistakeScript(t, "echo boom >&2; exit 3"), want: "exit status 3): boom"},
		"it is another program": {binary: mistakeScript(t, "exit 0"), want: "it ended before it could serve"},
		"it refuses the file":   {file: "nonsense = 1\n", want: "nonsense"},
	} {
		args := []string{"upgrade"}
		if test.binary != "" {
			args = append(args, "--binary", test.binary)
		}
		caller := world{t: t, config: writeFile(t, t.TempDir(), "good.toml", string(good))} // finds the socket by its file
		if err := os.WriteFile(w.config, []byte(test.file+string(good)), 0o600); err != nil {
			t.Fatal(err)
		}
		out, code := caller.verb(args...)
		if err := os.WriteFile(w.config, good, 0o600); err != nil {
			t.Fatal(err)
		}
		if code != exitFailed || !strings.Contains(out, test.want) || !strings.Contains(out, "nothing was changed") {
			t.Errorf("%s: exit code %d: %s", name, code, out)
		}
		if status := w.get(w.ca.client(t, false), w.port); status != http.StatusOK {
			t.Errorf("%s: then status %d", name, status)
		}
	}
	if !lives(old) || w.status().PID != backend {
		t.Errorf("gateway lives: %v, backend %d, was %d", lives(old), w.status().PID, backend)
	}
}

// heirEnv makes the test binary a new version that ends as soon as it has the
// lease, or does nothing more then if the value is "hang".
const heirEnv = "GATEWAY_TEST_HEIR"

func beHeir() int {
	from, err := handover.Find()
	if err != nil || from == nil {
		return 1
	}
	if _, err := from.AwaitLease(); err != nil {
		return 2
	}
	if os.Getenv(heirEnv) == "hang" {
		select {}
	}
	return 7
}

func TestUpgrade_TheDutyComesBackWhenTheNewProcessDiesWithIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "0s")
	backend := w.status().PID
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dying := mistakeScript(t, fmt.Sprintf("%s=1 exec %q", heirEnv, self))
	for range 3 {
		out, code := w.verb("upgrade", "--binary", dying)
		if code != exitFailed || !strings.Contains(out, "it ended before it served (exit status 7)") {
			t.Errorf("exit code %d: %s", code, out)
		}
		if status := w.get(w.ca.client(t, false), w.port); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
		if s := w.status(); s.PID != backend || !s.Adopted {
			t.Errorf("the backend was process %d and is %+v", backend, s)
		}
	}
	w.upgraded() // and a good one is welcome
	if s := w.status(); s.PID != backend || s.Restarts != 0 {
		t.Errorf("the backend was process %d and is %+v", backend, s)
	}
}

func TestUpgrade_AReloadInTheMiddleOfItIsDoneByWhoServesThen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "0s")
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	slow := writeFile(t, t.TempDir(), "gateway", fmt.Sprintf("#!/bin/sh\nread line <%q\nexec %q \"$@\"\n", pipe, builtGateway(t)))
	if err := os.Chmod(slow, 0o700); err != nil {
		t.Fatal(err)
	}
	type end struct {
		out  string
		code int
	}
	upgraded, reloaded := make(chan end, 1), make(chan end, 1)
	do := func(ended chan end, args ...string) {
		out, code := w.verb(args...)
		ended <- end{out, code}
	}
	go do(upgraded, "upgrade", "--json", "--binary", slow)
	release, err := os.OpenFile(pipe, os.O_WRONLY, 0) // once the new program has begun
	if err != nil {
		t.Fatal(err)
	}
	go do(reloaded, "reload")
	release.Close()
	var report upgradeReport
	if got := <-upgraded; json.Unmarshal([]byte(got.out), &report) != nil {
		t.Fatalf("upgrade: exit code %d: %s", got.code, got.out)
	}
	endWithTest(t, report.PID)
	if got := <-reloaded; got.code != exitDone || strings.Contains(got.out, "another gateway") {
		t.Errorf("reload: exit code %d: %s", got.code, got.out)
	}
	if got := w.running().PID; got != report.PID {
		t.Errorf("process %d serves, not %d", got, report.PID)
	}
}

func TestUpgrade_WebSocketsAndRequestsInFlightStayWithTheOldProcess(t *testing.T) {
	t.Parallel()
	ca, backend, port := newAuthority(t), newSlowBackend(t), freePort(t)
	w := &world{t: t, ca: ca, port: port}
	w.config = writeFile(t, t.TempDir(), "config.toml", oneSite(t, ca.install(t, "api.example.com"), port, backend.URL, adminTable(t)+"[timeouts]\nidle = \"2s\"\n")) // so long the old process waits for idle connections
	w.gateway = startProcess(t, builtGateway(t), "run", "-c", w.config)
	w.gateway.waitFor("serving")
	c, _, err := websocket.Dial(t.Context(), fmt.Sprintf("wss://api.example.com:%d/ws", port), &websocket.DialOptions{HTTPClient: ca.client(t, false)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	url := fmt.Sprintf("https://api.example.com:%d/", port)
	h1, h2 := ask(ca.client(t, false), url), ask(ca.client(t, true), url)
	<-backend.asked
	<-backend.asked
	report := w.upgraded()
	checkEcho(t, c, "after the upgrade")
	close(backend.release)
	for _, answers := range []<-chan answer{h1, h2} {
		if got := <-answers; got.err != nil || got.body != "finished" {
			t.Errorf("a request in flight got %q, %v", got.body, got.err)
		}
	}
	checkEcho(t, c, "still here")
	if !lives(w.gateway.cmd.Process.Pid) {
		t.Error("the old gateway has left a WebSocket alone")
	}
	c.Close(websocket.StatusNormalClosure, "done")
	if code := w.gateway.exitCode(); code != exitDone {
		t.Errorf("the old gateway ended with exit code %d", code)
	}
	if !lives(report.PID) {
		t.Error("the new one has ended with it")
	}
}

// A backend that is told to stop may wait for idle connections to end, as Go's
// http.Server does for some seconds.
func TestUpgrade_TheOldProcessKeepsNoIdleConnectionToABackend(t *testing.T) {
	ca, port := newAuthority(t), freePort(t)
	var idle sync.Map
	backend := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ws" {
			echoForever(w, r)
		}
	}))
	backend.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateIdle {
			idle.Store(c, true)
			return
		}
		idle.Delete(c)
	}
	backend.Start()
	t.Cleanup(func() { backend.CloseClientConnections(); backend.Close() })
	waiting := func() (n int) {
		idle.Range(func(any, any) bool { n++; return true })
		return n
	}
	w := &world{t: t, ca: ca, port: port}
	w.config = writeFile(t, t.TempDir(), "config.toml", oneSite(t, ca.install(t, "api.example.com"), port, backend.URL, adminTable(t)))
	w.gateway = startProcess(t, builtGateway(t), "run", "-c", w.config)
	w.gateway.waitFor("serving")
	c, _, err := websocket.Dial(t.Context(), fmt.Sprintf("wss://api.example.com:%d/ws", port), &websocket.DialOptions{HTTPClient: ca.client(t, false)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	w.get(ca.client(t, false), port)
	eventually(t, "a connection to the backend is kept", func() bool { return waiting() > 0 })
	w.upgraded()
	eventually(t, "the old process lets go of it", func() bool { return waiting() == 0 })
	checkEcho(t, c, "still here")
	if !lives(w.gateway.cmd.Process.Pid) {
		t.Error("the old process has ended")
	}
}

func TestUpgrade_AWebSocketOutlivesSeveralUpgradesAndEndsWithTheLastGateway(t *testing.T) {
	t.Parallel()
	ca, backend, port := newAuthority(t), newSlowBackend(t), freePort(t)
	w := &world{t: t, ca: ca, port: port}
	w.config = writeFile(t, t.TempDir(), "config.toml",
		oneSite(t, ca.install(t, "api.example.com"), port, backend.URL, adminTable(t)+"[timeouts]\ndrain = \"2s\"\n"))
	w.gateway = startProcess(t, builtGateway(t), "run", "-c", w.config)
	w.gateway.waitFor("serving")
	c, _, err := websocket.Dial(t.Context(), fmt.Sprintf("wss://api.example.com:%d/ws", port), &websocket.DialOptions{HTTPClient: ca.client(t, false)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	w.upgraded()
	last := w.upgraded().PID // the one in between has nothing left to do
	begun := time.Now()
	eventually(t, "twice the time of draining", func() bool {
		checkEcho(t, c, "still here")
		return time.Since(begun) > 4*time.Second
	})
	syscall.Kill(last, syscall.SIGTERM)
	w.gateway.exitCode()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, _, err := c.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("the WebSocket goes on though no gateway is left: %v", err)
	}
}
