package health

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// playGateway is a gateway of its own: one monitor of one backend, until it is killed.
func playGateway() {
	env := func(name string) string { return os.Getenv("HEALTH_" + name) }
	m, err := New(Options{
		Name: "api", URL: "http://" + env("ADDR"), State: env("STATE"), Holder: testHolder,
		Config: Config{
			Command: []string{os.Args[0], "-test.run=^$"}, Dir: env("DIR"),
			Env:   []string{"GORACE=atexit_sleep_ms=0", "HEALTH_ROLE=" + env("BACKEND"), "HEALTH_ADDR=" + env("ADDR"), "HEALTH_DIR=" + env("DIR")},
			Probe: Probe{Path: "/"},
		},
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err == nil {
		err = m.Run(context.Background())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// killedGateway starts a gateway in a process of its own, kills it -9 when its
// backend serves, and returns options to go on with.
func killedGateway(t *testing.T, backend string) (Options, string, int) {
	t.Helper()
	dir, state, address := t.TempDir(), t.TempDir(), freeAddress(t)
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "HEALTH_ROLE=gateway", "HEALTH_BACKEND="+backend,
		"HEALTH_ADDR="+address, "HEALTH_DIR="+dir, "HEALTH_STATE="+state)
	said := &headWriter{limit: 4 << 10}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	at, err := parseTarget("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	if err := at.await(limit(t)); err != nil {
		t.Fatalf("the backend does not serve: %v\n%s", err, said.kept)
	}
	o := Options{Name: "api", URL: "http://" + address, State: state, Holder: testHolder, Config: roleConfig(t, backend, address, dir)}
	serving := (&monitored{options: o}).get(t)
	waitRecorded(t, places{state, "api"}, serving)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the gateway was not killed")
	}
	return o, dir, serving
}

// waitRecorded waits until the gateway has written down which process it is.
func waitRecorded(t *testing.T, p places, pid int) {
	t.Helper()
	for ctx := limit(t); ; time.Sleep(5 * time.Millisecond) {
		if known, err := p.load(); err == nil && known.Process.PID == pid {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("process %d was never recorded", pid)
		}
	}
}

func TestMonitor_AdoptsTheBackendOfAKilledGateway(t *testing.T) {
	o, dir, pid := killedGateway(t, "serve")
	if id, err := identify(pid); err != nil || !id.lives() {
		t.Fatalf("the backend did not survive its gateway: %v", err)
	}
	m := monitorAt(t, o, dir, nil)
	m.waitUp(t)
	if s := m.Status(); s.PID != pid || !s.Adopted || m.get(t) != pid {
		t.Errorf("status %+v, want the adopted pid %d", s, pid)
	}
	if got := len(strays("api@"+testInstance(t, m)+".", group{})); got != 1 {
		t.Errorf("%d copies run, want one", got)
	}
	if !strings.Contains(string(m.Logs(0)), "listening") {
		t.Errorf("the log of the former life is not shown: %q", m.Logs(0))
	}
	// Its death is seen at once, though it is not our child, and its exit code unknown.
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	opened := m.waitEvent(t, Opened)
	if want := "its exit code is unknown, because an earlier gateway had started it"; !strings.Contains(opened.Incident.Cause, want) {
		t.Errorf("cause %q, want %q in it", opened.Incident.Cause, want)
	}
	m.waitEvent(t, Recovered)
}

func testInstance(t *testing.T, m *monitored) string {
	t.Helper()
	id, err := places{m.options.State, "api"}.instance()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestMonitor_FindsTheBackendWithoutARecord(t *testing.T) {
	o, dir, pid := killedGateway(t, "serve")
	if err := os.WriteFile(places{o.State, "api"}.record(), []byte(`{"torn`), 0o600); err != nil {
		t.Fatal(err)
	}
	m := monitorAt(t, o, dir, nil)
	m.waitUp(t)
	if got := m.get(t); got != pid || m.Status().PID != pid {
		t.Errorf("pid %d serves, status %+v, want %d", got, m.Status(), pid)
	}
}

func TestStarted_KnowsWhatAKilledGatewayStartedWithAndWithoutItsRecord(t *testing.T) {
	o, _, pid := killedGateway(t, "serve")
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	if !Started(o.State, "api", pid) {
		t.Error("the recorded process is not known")
	}
	for state, backend := range map[string]string{o.State: "other", t.TempDir(): "api"} {
		if Started(state, backend, pid) {
			t.Errorf("%s of %s claims process %d", backend, state, pid)
		}
	}
	if Started(o.State, "api", os.Getpid()) || Started(o.State, "api", 0) {
		t.Error("it claims what it did not start")
	}
	if err := os.Remove(places{o.State, "api"}.record()); err != nil {
		t.Fatal(err)
	}
	if got, want := Started(o.State, "api", pid), runtime.GOOS == "linux"; got != want {
		t.Errorf("without its record: %v, want %v", got, want)
	}
}

func TestMonitor_AdoptsABackendThatWentIntoTheBackground(t *testing.T) {
	o, dir, pid := killedGateway(t, "daemon")
	m := monitorAt(t, o, dir, nil)
	m.waitUp(t)
	if got := m.get(t); got != pid || m.Status().PID != pid {
		t.Errorf("pid %d serves, status %+v, want %d", got, m.Status(), pid)
	}
}

func TestMonitor_ReplacesAStrayOfItsOwn(t *testing.T) {
	// The workers outlive their master, which was killed while no gateway ran.
	o, dir, master := killedGateway(t, "workers")
	if err := syscall.Kill(master, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitGone(t, master)
	instance, err := places{o.State, "api"}.instance()
	if err != nil {
		t.Fatal(err)
	}
	left := identities(strays("api@"+instance+".", group{}))
	if len(left) != 2 {
		t.Fatalf("%d strays, want two workers", len(left))
	}
	o.Config.StopGrace = 100 * time.Millisecond
	m := monitorAt(t, o, dir, nil)
	m.waitUp(t)
	for _, id := range left {
		if id.lives() {
			t.Errorf("stray %d lives", id.PID)
		}
	}
}

func TestMonitor_LeavesTheBackendToTheNextGatewayAfterRelease(t *testing.T) {
	m := monitor(t, "serve", nil)
	m.waitUp(t)
	pid := m.get(t)
	m.Release()
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	if s, err := New(m.options); err != nil || s.Status().State != "starting" || s.Status().Since.IsZero() {
		t.Errorf("before it is run: status %+v, %v", s.Status(), err)
	}
	next := monitorAt(t, m.options, m.dir, nil)
	<-next.Looked()
	if s := next.Status(); s.PID != pid || !s.Adopted {
		t.Errorf("after the first look: status %+v, want pid %d, adopted", s, pid)
	}
	next.waitUp(t)
	if got := next.get(t); got != pid || next.Status().PID != pid {
		t.Errorf("pid %d serves, status %+v, want %d", got, next.Status(), pid)
	}
}

func TestIdentity_IsNotFooledByANumberThatIsGivenAgain(t *testing.T) {
	me, err := identify(os.Getpid())
	if err != nil || !me.lives() {
		t.Fatalf("identity of this process: %+v, %v", me, err)
	}
	other := me
	other.Start++
	if other.lives() {
		t.Error("another start time is another process")
	}
	other = me
	other.Boot = "another"
	if other.lives() {
		t.Error("another boot is another process")
	}
	if err := sendSignal(other, syscall.SIGKILL); err == nil {
		t.Error("another process was signalled")
	}
}

func TestPlaces_KeepsEveryNameInItsFolder(t *testing.T) {
	for _, name := range []string{"api", "../../etc/passwd", "a/b", "..", ".", "%2e%2e"} {
		p := places{dir: "/state", name: name}
		if dir := filepath.Dir(p.record()); dir != "/state/backends" {
			t.Errorf("record of %q is in %s", name, dir)
		}
	}
}

func TestTree_FindsMembersBySessionGroupParentAndMark(t *testing.T) {
	root := identity{PID: 10, Start: 100}
	all := []fact{
		{pid: 14, ppid: 13, start: 140}, // grandchild of a marked one, listed first
		{pid: 1, start: 1}, {pid: 10, ppid: 1, group: 10, session: 10, start: 100},
		{pid: 11, ppid: 1, group: 11, session: 10, start: 110},  // left the group
		{pid: 12, ppid: 10, group: 12, session: 12, start: 120}, // left the session
		{pid: 13, ppid: 1, group: 13, session: 13, start: 130},  // left everything, but is marked
		{pid: 15, ppid: 1, group: 15, session: 15, start: 150},  // a stranger
		{pid: 16, ppid: 10, group: 10, session: 10, start: 160, zombie: true},
		{pid: 9, ppid: 1, group: 10, session: 10, start: 90}, // older than the root
	}
	got := pids(selectMembers(all, root, func(pid int) bool { return pid == 13 }))
	if fmt.Sprint(got) != "[10 11 12 13 14]" {
		t.Errorf("members %v", got)
	}
}

func FuzzParseMarker(f *testing.F) {
	f.Add("api@ABC.DEF")
	f.Add("a@b.c@d.e")
	f.Fuzz(func(t *testing.T, text string) {
		if m, ok := parseMarker(text); ok && m.String() != text {
			t.Errorf("%q becomes %q", text, m)
		}
	})
}

func TestInstance_IsOneForAllBackendsThatBeginAtOnce(t *testing.T) {
	dir := t.TempDir()
	if err := (places{dir: dir}).prepare(); err != nil {
		t.Fatal(err)
	}
	ids := make([]string, 20)
	var begun sync.WaitGroup
	for i := range ids {
		begun.Go(func() {
			id, err := places{dir: dir, name: fmt.Sprint("b", i)}.instance()
			if err != nil {
				t.Error(err)
			}
			ids[i] = id
		})
	}
	begun.Wait()
	if different := slices.Compact(slices.Sorted(slices.Values(ids))); len(different) != 1 || different[0] == "" {
		t.Errorf("%d instances: %q", len(different), different)
	}
}
