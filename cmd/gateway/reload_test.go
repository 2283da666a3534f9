package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/coder/websocket"
)

// change rewrites the configuration of the world, each old text to its new one.
func (w *world) change(oldAndNew ...string) {
	w.t.Helper()
	text, err := os.ReadFile(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i+1 < len(oldAndNew); i += 2 {
		if !strings.Contains(string(text), oldAndNew[i]) {
			w.t.Fatalf("the file has no %q:\n%s", oldAndNew[i], text)
		}
	}
	if err := os.WriteFile(w.config, []byte(strings.NewReplacer(oldAndNew...).Replace(string(text))), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// verb runs one and tells what it printed and how it ended.
func (w *world) verb(args ...string) (out string, code int) {
	w.t.Helper()
	printed, err := exec.Command(builtGateway(w.t), append(args, "-c", w.config)...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	if exit != nil {
		code = exit.ExitCode()
	}
	return string(printed), code
}

// get asks a port of the world and returns the status, 0 if there was no answer.
func (w *world) get(client *http.Client, port int) int {
	w.t.Helper()
	response, err := client.Get(fmt.Sprintf("https://api.example.com:%d/", port))
	if err != nil {
		return 0
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
	return response.StatusCode
}

func TestReload_ASignalOrAVerbTakesTheFileOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "0s")
	client, added := w.ca.client(t, false), freePort(t)
	before := w.status()
	listen := fmt.Sprintf(`"127.0.0.1:%d"`, w.port)
	w.change(listen, fmt.Sprintf(`%s, "127.0.0.1:%d"`, listen, added))
	if out := w.do("reload"); !strings.Contains(out, "site api.example.com: changed") {
		t.Errorf("reload printed %q", out)
	}
	for _, port := range []int{w.port, added} {
		if status := w.get(client, port); status != http.StatusOK {
			t.Errorf("port %d: status %d", port, status)
		}
	}
	w.change(fmt.Sprintf(`, "127.0.0.1:%d"`, added), "")
	w.gateway.signal(syscall.SIGHUP)
	eventually(t, "an address that is not in the file any more falls silent", func() bool { return w.get(w.ca.client(t, false), added) == 0 })
	if out := w.do("reload"); !strings.Contains(out, "nothing to change") {
		t.Errorf("reload printed %q", out)
	}
	if after := w.status(); after.PID != before.PID || after.Adopted || after.Restarts != 0 {
		t.Errorf("the backend, which has not changed, was touched: %+v", after)
	}
}

func TestReload_ABadFileChangesNothingAndIsToldWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "0s")
	taken := freePort(t)
	blocker, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", taken))
	if err != nil {
		t.Fatal(err)
	}
	defer blocker.Close()
	for name, test := range map[string]struct {
		change []string
		want   []string
	}{
		"two mistakes":    {[]string{`backend = "api"`, `backend = "apu"`, `[admin]`, "[admin]\nsokcet = 1"}, []string{"sokcet", "apu"}},
		"a taken address": {[]string{fmt.Sprintf(`"127.0.0.1:%d"`, w.port), fmt.Sprintf(`"127.0.0.1:%d"`, taken)}, []string{strconv.Itoa(taken), "in use"}},
		"another state":   {[]string{"state = ", "state = '/nonexistent/elsewhere' # "}, []string{"state", "is another folder"}},
		"no log folder":   {[]string{"access.log", "config.toml/x/access.log", `access = "`, `access = "/dev/null/`}, []string{"log"}},
	} {
		good, err := os.ReadFile(w.config)
		if err != nil {
			t.Fatal(err)
		}
		w.change(test.change...)
		out, code := w.verb("reload")
		if code != exitFailed || !strings.Contains(out, "nothing was changed") {
			t.Errorf("%s: exit code %d: %s", name, code, out)
		}
		for _, words := range test.want {
			if !strings.Contains(out, words) {
				t.Errorf("%s: %q is not in %s", name, words, out)
			}
		}
		if status := w.get(w.ca.client(t, false), w.port); status != http.StatusOK {
			t.Errorf("%s: then the old address answers %d", name, status)
		}
		if err := os.WriteFile(w.config, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var report reloadReport
	if out := w.do("reload", "--json"); json.Unmarshal([]byte(out), &report) != nil || report.Changes == nil || len(report.Changes) != 0 {
		t.Errorf("with the good file back: %s", out)
	}
}

func TestReload_RestartsABackendOnlyIfItIsStartedInAnotherWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "0s")
	before := w.status()
	w.change("env = [", "stop_grace = '7s'\nenv = [")
	w.do("reload")
	eventually(t, "the backend has another monitor", func() bool { s := w.status(); return s.Adopted && s.State == "up" })
	if after := w.status(); after.PID != before.PID || after.Restarts != 0 {
		t.Errorf("pid %d before, %d after, %d restarts: only stop_grace was changed", before.PID, after.PID, after.Restarts)
	}
	stop := make(chan struct{})
	var client sync.WaitGroup
	asked, failed := 0, 0
	client.Go(func() {
		c := w.ca.client(t, false)
		for {
			select {
			case <-stop:
				return
			default:
				asked++
				if w.get(c, w.port) != http.StatusOK {
					failed++
				}
			}
		}
	})
	w.change("env = [", "env = [\"NEW=1\", ")
	if out := w.do("reload"); !strings.Contains(out, "backend api: changed, and restarted") {
		t.Errorf("reload printed %q", out)
	}
	eventually(t, "another process", func() bool { s := w.status(); return s.PID != 0 && s.PID != before.PID && s.State == "up" })
	close(stop)
	client.Wait()
	t.Logf("%d requests meanwhile, %d failed", asked, failed)
	if failed > 0 || lives(before.PID) {
		t.Errorf("%d of %d requests failed; the old process lives: %v", failed, asked, lives(before.PID))
	}
}

func TestReload_RenamesABackendAtTheSameAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "0s")
	before := w.status()
	w.change(`backend = "api"`, `backend = "renamed"`, `name = "api"`, `name = "renamed"`)
	if out := w.do("reload"); !strings.Contains(out, "backend renamed: added") || !strings.Contains(out, "backend api: removed") {
		t.Errorf("reload printed %q", out)
	}
	if status := w.get(w.ca.client(t, false), w.port); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	after := w.status()
	if after.Backend != "renamed" || after.PID == 0 || after.PID == before.PID || lives(before.PID) {
		t.Errorf("pid %d before, now %+v", before.PID, after)
	}
}

func TestReload_SeveralAtOnceEndInTheLastFileAndOneProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "0s")
	w.change("env = [", `env = ["ROUND=0", `)
	for i := range 9 {
		w.change(fmt.Sprintf("ROUND=%d", i), fmt.Sprintf("ROUND=%d", i+1))
		w.gateway.signal(syscall.SIGHUP)
		w.gateway.waitFor("the file was taken over")
	}
	var last int
	eventually(t, "the last process", func() bool {
		s := w.status()
		last = s.PID
		environment, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", s.PID))
		return s.State == "up" && strings.Contains(string(environment), "ROUND=9")
	})
	w.gateway.signal(syscall.SIGTERM)
	if code := w.gateway.exitCode(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	if lives(last) {
		t.Error("the backend outlived gateway")
	}
}

func TestReload_WebSocketsAndRequestsInFlightLiveOn(t *testing.T) {
	t.Parallel()
	ca, backend, port := newAuthority(t), newSlowBackend(t), freePort(t)
	text := oneSite(t, ca.install(t, "api.example.com"), port, backend.URL, adminTable(t))
	path := writeFile(t, t.TempDir(), "config.toml", text)
	p := startProcess(t, racyGateway(t), "run", "-c", path)
	p.waitFor("serving")
	c, _, err := websocket.Dial(t.Context(), fmt.Sprintf("wss://api.example.com:%d/ws", port), &websocket.DialOptions{HTTPClient: ca.client(t, false)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	url := fmt.Sprintf("https://api.example.com:%d/", port)
	h1, h2 := ask(ca.client(t, false), url), ask(ca.client(t, true), url)
	<-backend.asked
	<-backend.asked
	for i := range 20 {
		changed := strings.Replace(text, "url = ", fmt.Sprintf("first_byte = \"%ds\"\nurl = ", 100+i), 1)
		writeFile(t, filepath.Dir(path), "config.toml", changed)
		p.signal(syscall.SIGHUP)
		p.waitFor("the file was taken over")
		checkEcho(t, c, fmt.Sprint("round ", i))
	}
	close(backend.release)
	for _, answers := range []<-chan answer{h1, h2} {
		if got := <-answers; got.err != nil || got.body != "finished" {
			t.Errorf("a request in flight got %q, %v", got.body, got.err)
		}
	}
}

func TestReload_MovesTheControlSocketAndTheLogs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "0s")
	dir := shortDir(t)
	socket, log := filepath.Join(dir, "moved.sock"), filepath.Join(dir, "moved.log")
	text, _ := os.ReadFile(w.config)
	var kept []string
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "socket = "):
			line = fmt.Sprintf("socket = %q\n", socket)
		case strings.HasPrefix(line, "access = "):
			line = fmt.Sprintf("access = %q\n", log)
		}
		kept = append(kept, line)
	}
	writeFile(t, filepath.Dir(w.config), "config.toml", strings.Join(kept, ""))
	w.gateway.signal(syscall.SIGHUP) // the verb already looks for the new socket
	w.gateway.waitFor("the file was taken over")
	eventually(t, "the new socket", func() bool { _, code := w.verb("status"); return code == exitDone })
	w.get(w.ca.client(t, false), w.port)
	eventually(t, "the new log", func() bool { text, _ := os.ReadFile(log); return strings.Contains(string(text), "GET / HTTP") })
}

func TestReload_AThousandLeakNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("reloads a thousand times")
	}
	t.Parallel()
	w := newWorldWith(t, "0s", "", "env", "GOGC=100") // without the room that the heap has at work
	client := w.ca.client(t, true)
	good, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	reload := func(i int) {
		text := strings.Replace(string(good), "name = \"api.example.com\"", fmt.Sprintf("name = \"api.example.com\"\naliases = [\"a%d.example.com\"]", i), 1)
		text = strings.Replace(text, "url = ", fmt.Sprintf("first_byte = \"%ds\"\nurl = ", 60+i%2), 1)
		text = strings.Replace(text, "env = [", fmt.Sprintf("stop_grace = \"%ds\"\nenv = [", 5+i%2), 1)
		text += fmt.Sprintf("[limits]\nstreams = %d\n", 100+i%2)
		writeFile(t, filepath.Dir(w.config), "config.toml", text)
		w.gateway.signal(syscall.SIGHUP)
		w.gateway.waitFor("the file was taken over")
		if status := w.get(client, w.port); status != http.StatusOK {
			t.Fatalf("reload %d: status %d", i, status)
		}
	}
	for i := range 100 {
		reload(i)
	}
	before := w.resources()
	for i := range 900 {
		reload(100 + i)
	}
	after := w.resources()
	t.Logf("after 100 reloads: %+v; after 1,000: %+v", before, after)
	if after.threads > before.threads+10 || after.descriptors > before.descriptors+10 || after.memory > before.memory+16<<10 {
		t.Errorf("something leaks: after 100 reloads %+v, after 1,000 %+v", before, after)
	}
	if s := w.status(); s.Restarts != 0 {
		t.Errorf("the backend was restarted %d times", s.Restarts)
	}
}

// resources is what a process uses.
type resources struct {
	threads, descriptors int
	memory               int // most that was resident so far, in KiB
}

func (w *world) resources() resources {
	w.t.Helper()
	pid := w.gateway.cmd.Process.Pid
	descriptors, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		w.t.Fatal(err)
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		w.t.Fatal(err)
	}
	return resources{len(threads), len(descriptors), residentPeak(w.t, pid)}
}

func TestReload_ACertificateThatClientsWouldRefuseChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "0s")
	text, _ := os.ReadFile(w.config)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "files = ") {
			w.change(line, fmt.Sprintf("files = %q\n", w.ca.install(t, "other.example.com")))
		}
	}
	out, code := w.verb("reload")
	if code != exitFailed || !strings.Contains(out, "api.example.com") {
		t.Errorf("exit code %d: %s", code, out)
	}
	c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.port), &tls.Config{ServerName: "api.example.com", RootCAs: w.ca.pool})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
