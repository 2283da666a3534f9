package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What can go wrong with a backend, each with real processes.

func TestMonitor_NamesWhatIsMissingAndStartsOnceItIsThere(t *testing.T) {
	var script string
	m := monitor(t, "serve", func(o *Options) {
		script = filepath.Join(o.Config.Dir, "run.sh")
		o.Config.Command = []string{"./run.sh"}
	})
	opened := m.waitEvent(t, Opened)
	if want := "run.sh does not exist"; !strings.Contains(opened.Incident.Cause, want) {
		t.Fatalf("cause %q, want %q in it", opened.Incident.Cause, want)
	}
	text := fmt.Sprintf("#!/bin/sh\nexec %s -test.run=^$\n", os.Args[0])
	writeScript(t, script+".new", text, 0o755)
	if err := os.Rename(script+".new", script); err != nil {
		t.Fatal(err)
	}
	m.waitUp(t)
}

func TestMonitor_SaysWhyACommandCannotBeStarted(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, want string
		change     func(c *Config)
	}{
		{"not executable", "is not executable for user", func(c *Config) { c.Command = []string{"./plain"} }},
		{"folder gone", "gone does not exist: create it", func(c *Config) { c.Dir += "/gone" }},
		{"user unknown", `no user "nobody-of-that-name"`, func(c *Config) { c.User = "nobody-of-that-name" }},
		{"no first line", "a script needs a first line such as #!/bin/sh", func(c *Config) { c.Command = []string{"./bare"} }},
		{"no interpreter", `the interpreter of its first line "#!/no/such/sh" is missing: the file has Windows line endings`, func(c *Config) { c.Command = []string{"./windows"} }},
		{"not on PATH", `"no-such-program" is in no folder of PATH`, func(c *Config) { c.Command = []string{"no-such-program"} }},
		{"one word for many", `write every word by itself: ["./run.sh", "--port", "1"]`, func(c *Config) { c.Command = []string{"./run.sh --port 1"} }},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := monitor(t, "serve", func(o *Options) {
				for name, text := range map[string]string{"plain": "", "bare": "echo", "windows": "#!/no/such/sh\r\n"} {
					mode := map[bool]os.FileMode{true: 0o644, false: 0o755}[name == "plain"]
					writeScript(t, filepath.Join(o.Config.Dir, name), text, mode)
				}
				row.change(&o.Config)
			})
			if got := m.waitEvent(t, Opened).Incident.Cause; !strings.Contains(got, row.want) {
				t.Errorf("cause %q, want %q in it", got, row.want)
			}
		})
	}
}

func TestMonitor_WatchesAStrangerInsteadOfStartingASecondCopy(t *testing.T) {
	dir, address := t.TempDir(), freeAddress(t)
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	stranger := &http.Server{Handler: http.NotFoundHandler()}
	ended := make(chan error, 1)
	go func() { ended <- stranger.Serve(listener) }()
	config := roleConfig(t, "serve", address, dir)
	config.Probe.Status = "200-499"
	m := monitorAt(t, Options{Name: "api", URL: "http://" + address, State: t.TempDir(), Config: config, Holder: testHolder}, dir, nil)
	m.waitUp(t)
	s := m.Status()
	if want := fmt.Sprintf("process %d of user", os.Getpid()); s.PID != 0 || !strings.Contains(s.ServedBy, want) {
		t.Errorf("status %+v, want no pid and %q", s, want)
	}
	if err := m.Stop(limit(t), nil); err == nil || !strings.Contains(err.Error(), "which gateway did not start") {
		t.Errorf("stopping a stranger's process: %v", err)
	}
	if err := stranger.Close(); err != nil {
		t.Fatal(err)
	}
	<-ended
	m.waitEvent(t, Recovered)
	if pid := m.get(t); pid != m.Status().PID {
		t.Errorf("pid %d answers, want ours, %d", pid, m.Status().PID)
	}
}

func TestMonitor_FollowsABackendIntoTheBackground(t *testing.T) {
	t.Parallel()
	t.Run("one fork", func(t *testing.T) { faultFollow(t, "daemon") })
	t.Run("two forks", func(t *testing.T) { faultFollow(t, "double fork") })
}

func faultFollow(t *testing.T, role string) {
	m := monitor(t, role, nil)
	m.waitUp(t)
	pid := m.get(t)
	deadline := limit(t)
	for m.Status().PID != pid && deadline.Err() == nil {
		<-time.After(5 * time.Millisecond)
	}
	if s := m.Status(); s.PID != pid || s.Restarts != 0 || s.Incident != nil {
		t.Errorf("status %+v, want pid %d and nothing wrong", s, pid)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	m.waitEvent(t, Recovered)
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	if left := strays("api@"+testInstance(t, m)+".", group{}); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestMonitor_EndsWorkersThatIgnoreTheSignal(t *testing.T) {
	m := monitor(t, "workers", func(o *Options) { o.Config.StopGrace = 300 * time.Millisecond })
	m.waitUp(t)
	h := &host{name: "api"}
	h.instance, _ = places{m.options.State, "api"}.instance()
	members := strays(h.prefix(), group{})
	if len(members) != 3 {
		t.Fatalf("%d processes, want a master and two workers", len(members))
	}
	t.Run("when the master is killed", func(t *testing.T) {
		if err := syscall.Kill(m.get(t), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		m.waitEvent(t, Recovered)
		for _, id := range identities(members) {
			if id.lives() {
				t.Errorf("process %d of the former tree lives", id.PID)
			}
		}
	})
	t.Run("when it is stopped", func(t *testing.T) {
		if err := m.Stop(limit(t), nil); err != nil {
			t.Fatal(err)
		}
		if left := strays(h.prefix(), group{}); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestMonitor_BacksOffFromACommandThatEndsAtOnce(t *testing.T) {
	t.Parallel()
	m := monitor(t, "exit", func(o *Options) { o.Config.Env = append(o.Config.Env, "HEALTH_CODE=0") })
	for deaths := 1; deaths <= 4; deaths++ {
		e := m.waitEvent(t, map[bool]EventKind{true: Opened, false: Worsened}[deaths == 1])
		if e.Incident.Deaths != deaths || e.Incident.Cause != "exited with code 0" {
			t.Fatalf("event %+v, want death %d", e.Incident, deaths)
		}
	}
	if a := m.Availability(); a.Up || !a.Coming {
		t.Errorf("availability %+v, want coming", a)
	}
}

func TestMonitor_WaitsForASlowBootAndFindsItReadyAtOnce(t *testing.T) {
	t.Parallel()
	m := monitor(t, "serve", func(o *Options) {
		o.Config.Env = append(o.Config.Env, "HEALTH_BOOT=1s")
		o.Config.Probe = Probe{Path: "/", Timeout: 300 * time.Millisecond, Every: time.Minute, Fast: 100 * time.Millisecond}
	})
	m.waitUp(t)
	select {
	case e := <-m.events:
		t.Errorf("a slow boot is no incident: %+v", e)
	default:
	}
}

func TestMonitor_KeepsASickBackendInServiceAndRestartsItInTheEnd(t *testing.T) {
	m := monitor(t, "serve", func(o *Options) { o.Config.Probe.Hang = ptr(400 * time.Millisecond) })
	m.waitUp(t)
	pid := m.get(t)
	touch(t, m.dir, "sick")
	opened := m.waitEvent(t, Opened)
	if want := "it answered 500 Internal Server Error"; !strings.Contains(opened.Incident.Cause, want) {
		t.Errorf("cause %q, want %q in it", opened.Incident.Cause, want)
	}
	if a := opened.availability; !a.Up { // then: it will be restarted, soon
		t.Errorf("availability %+v: its own error is worth more than ours", a)
	}
	worsened := m.waitEvent(t, Worsened)
	if want := "it answered wrongly for too long"; !strings.Contains(worsened.Incident.Latest, want) {
		t.Errorf("cause %q, want %q in it", worsened.Incident.Latest, want)
	}
	if err := os.Remove(filepath.Join(m.dir, "sick")); err != nil {
		t.Fatal(err)
	}
	m.waitEvent(t, Recovered)
	if m.get(t) == pid {
		t.Error("it was not restarted")
	}
}

func TestMonitor_KillsABackendThatHangs(t *testing.T) {
	m := monitor(t, "serve", func(o *Options) {
		o.Config.Probe.Timeout, o.Config.Probe.Hang = 60*time.Millisecond, ptr(500*time.Millisecond)
	})
	m.waitUp(t)
	pid := m.get(t)
	touch(t, m.dir, "hang")
	opened := m.waitEvent(t, Opened)
	if want := "no answer within 60ms"; !strings.Contains(opened.Incident.Cause, want) {
		t.Errorf("cause %q, want %q in it", opened.Incident.Cause, want)
	}
	if a := opened.availability; a.Up || !a.Coming {
		t.Errorf("availability %+v, want coming", a)
	}
	// A stopped process keeps hanging without the file, and cannot see TERM. It may
	// have been ended already.
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(m.dir, "hang")); err != nil {
		t.Fatal(err)
	}
	m.waitEvent(t, Recovered)
	waitGone(t, pid)
}

func TestMonitor_LeavesAFrozenBackendAlone(t *testing.T) {
	m := monitor(t, "serve", func(o *Options) { o.Config.Probe.Timeout = 60 * time.Millisecond })
	m.waitUp(t)
	pid := m.get(t)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	m.waitState(t, "hung")
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	e := m.waitEvent(t, Recovered)
	if got := m.get(t); got != pid || e.Incident.Restarts != 0 {
		t.Errorf("pid %d after the freeze, want %d and no restart: %+v", got, pid, e.Incident)
	}
}

func TestMonitor_ProbesAtOnceWhenARequestIsRefused(t *testing.T) {
	backend := httptest.NewServer(http.NotFoundHandler())
	m := monitorAt(t, Options{Name: "watched", URL: backend.URL, Config: Config{Probe: Probe{Every: time.Hour, Fast: time.Hour, Fall: 1}}}, "", nil)
	m.waitUp(t)
	backend.Close()
	m.Nudge()
	opened := m.waitEvent(t, Opened)
	if want := "connection refused, nothing listens"; !strings.Contains(opened.Incident.Cause, want) {
		t.Errorf("cause %q, want %q in it", opened.Incident.Cause, want)
	}
	if a := m.Availability(); a.Up || a.Coming {
		t.Errorf("availability %+v: nobody will start it", a)
	}
}

func TestMonitor_DrainsBeforeARestart(t *testing.T) {
	m := monitor(t, "serve", nil)
	m.waitUp(t)
	first := m.get(t)
	drained := false
	err := m.Restart(limit(t), func(context.Context) error {
		if a := m.Availability(); a.Up || !a.Coming {
			t.Errorf("while it drains: %+v, want new requests to wait", a)
		}
		if got := m.get(t); got != first {
			t.Errorf("while it drains pid %d answers, want %d", got, first)
		}
		drained = true
		return nil
	})
	if err != nil || !drained {
		t.Fatalf("restart: %v, drained %v", err, drained)
	}
	if second := m.get(t); second == first {
		t.Error("it was not restarted")
	}
	if _, open := m.ledger.Current("api"); open || len(m.events) > 0 {
		t.Error("a planned restart is no incident")
	}
}

func TestMonitor_TellsThatTheRestartedBackendDied(t *testing.T) {
	m := monitor(t, "exit", func(o *Options) { o.Config.Env = append(o.Config.Env, "HEALTH_CODE=3") })
	m.waitEvent(t, Opened)
	if err := m.Restart(limit(t), nil); err == nil || !strings.Contains(err.Error(), "exited with code 3") {
		t.Errorf("restart of a command that dies: %v", err)
	}
}

func TestMonitor_ReplacesABackendThatStaysStoppedThoughItsPortTakesConnections(t *testing.T) {
	t.Parallel()
	hang := 300 * time.Millisecond
	m := monitor(t, "serve", func(o *Options) {
		o.Config.Probe = Probe{Every: 20 * time.Millisecond, Fast: 20 * time.Millisecond, Hang: &hang}
	})
	m.waitUp(t)
	pid := m.get(t)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	opened := m.waitEvent(t, Opened)
	if want := "its process is stopped"; !strings.Contains(opened.Incident.Cause, want) {
		t.Errorf("cause %q, want %q in it", opened.Incident.Cause, want)
	}
	m.waitEvent(t, Recovered)
	if m.get(t) == pid {
		t.Error("the stopped process is still there")
	}
}

func TestMonitor_StaysStoppedUntilItIsStarted(t *testing.T) {
	m := monitor(t, "serve", nil)
	m.waitUp(t)
	pid := m.get(t)
	if err := m.Stop(limit(t), nil); err != nil {
		t.Fatal(err)
	}
	waitGone(t, pid)
	m.Nudge()
	if a := m.Availability(); a.Up || a.Coming || a.Reason != "it was stopped by hand" {
		t.Errorf("availability %+v", a)
	}
	if err := m.Wait(limit(t)); err == nil || err.Error() != "it was stopped by hand" {
		t.Errorf("waiting for a stopped backend: %v", err)
	}
	if err := m.Start(limit(t)); err != nil {
		t.Fatal(err)
	}
	if m.get(t) == pid {
		t.Error("the same process?")
	}
}

func TestMonitor_RunsACommandAsAProbe(t *testing.T) {
	m := monitor(t, "serve", func(o *Options) {
		o.Config.Probe = Probe{Command: []string{"sh", "-c", `test ! -e sick || { echo "the queue is stuck"; exit 2; }`}, Every: 20 * time.Millisecond, Fast: 20 * time.Millisecond}
	})
	m.waitUp(t)
	touch(t, m.dir, "sick")
	opened := m.waitEvent(t, Opened)
	if want := `the probe command ended with exit status 2: "the queue is stuck"`; !strings.Contains(opened.Incident.Cause, want) {
		t.Errorf("cause %q, want %q in it", opened.Incident.Cause, want)
	}
}

func TestMonitor_ServesABackendOnAUnixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "api.sock")
	m := monitorAt(t, Options{Name: "socket", URL: "unix:" + socket, Config: Config{Probe: Probe{Fast: 10 * time.Millisecond, Fall: 1}}}, "", nil)
	m.waitEvent(t, Opened)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	m.waitEvent(t, Recovered)
}

// writeScript lets no process start while it writes: that one would have the file
// open for writing, too, for a moment, and such a file cannot be run.
func writeScript(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func ptr[T any](v T) *T { return &v }

func touch(t testing.TB, dir, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}
