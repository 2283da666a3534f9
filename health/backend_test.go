package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	psnet "github.com/shirou/gopsutil/v4/net"
	psprocess "github.com/shirou/gopsutil/v4/process"
	"go.uber.org/goleak"
)

// TestMain lets the test binary be the backend: with HEALTH_ROLE set it plays
// that role instead of running tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == LaunchVerb {
		os.Exit(Launch(os.Args[2:], os.Stderr))
	}
	if role := os.Getenv("HEALTH_ROLE"); role != "" {
		play(role)
		return
	}
	goleak.VerifyTestMain(m)
}

func play(role string) {
	switch role {
	case "serve":
		boot, _ := time.ParseDuration(os.Getenv("HEALTH_BOOT"))
		time.Sleep(boot) // it is what a slow boot is
		serve()
	case "daemon": // goes into the background, as nohup ./x & does
		spawnRole("serve", true)
	case "double fork": // as daemon(7) asks for
		spawnRole("middle", true)
	case "middle":
		spawnRole("serve", false)
		time.Sleep(20 * time.Millisecond) // it still lives when the first one is gone
	case "orphans":
		playOrphans()
	case "workers": // a master that ends well on TERM, whose workers do not
		for _, session := range []bool{false, true} {
			spawnRole("stubborn", session)
		}
		go func() {
			term := make(chan os.Signal, 1)
			signal.Notify(term, syscall.SIGTERM)
			<-term
			os.Exit(0)
		}()
		serve()
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		select {}
	case "exit":
		code, _ := strconv.Atoi(os.Getenv("HEALTH_CODE"))
		fmt.Println("leaving with", code)
		os.Exit(code)
	case "flood":
		flood()
		serve()
	case "ledger":
		playLedger()
	case "gateway":
		playGateway()
	}
}

func spawnRole(role string, session bool) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "HEALTH_ROLE="+role)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: session}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
}

// serve answers at HEALTH_ADDR. Files in HEALTH_DIR steer it: "sick" makes it
// answer 500, "hang" makes it answer never, "greedy" makes it want memory.
func serve() {
	fmt.Println("listening", os.Getpid())
	dir := os.Getenv("HEALTH_DIR")
	var greed [][]byte
	is := func(file string) bool { _, err := os.Stat(filepath.Join(dir, file)); return err == nil }
	server := &http.Server{Addr: os.Getenv("HEALTH_ADDR"), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case is("hang"):
			select {}
		case is("greedy"):
			greed = append(greed, make([]byte, 256<<20))
			for i := range greed[0] {
				greed[0][i] = 1 // or the kernel gives nothing
			}
		case is("sick"):
			http.Error(w, "sick", http.StatusInternalServerError)
		default:
			fmt.Fprintln(w, "pid", os.Getpid())
		}
	})}
	if err := server.ListenAndServe(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func flood() {
	line := []byte(strings.Repeat("x", 1023) + "\n")
	block := []byte(strings.Repeat(string(line), 64))
	total, _ := strconv.Atoi(os.Getenv("HEALTH_BYTES"))
	for written := 0; written < total; written += len(block) {
		if _, err := os.Stdout.Write(block); err != nil {
			os.Exit(7)
		}
	}
	fmt.Println("the flood is over")
}

// toldEvent is an event, and whether a request might be sent when it came.
type toldEvent struct {
	Event
	availability Availability
}

// monitored is a monitor of the test binary in a role, and what it tells.
type monitored struct {
	*Monitor
	options Options
	dir     string // HEALTH_DIR
	events  chan toldEvent
	stop    func() error // ends Run and waits
	ledger  *Ledger
}

// freeAddress is an address that is the test's own until its end, and at which
// nobody listens. A socket that is bound and does not listen holds it, so that the
// system gives it to nobody else; whoever sets SO_REUSEADDR may listen there, as
// every net.Listen does.
func freeAddress(t testing.TB) string {
	t.Helper()
	syscall.ForkLock.RLock()
	holder, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(holder)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(holder) })
	if err := errors.Join(syscall.SetsockoptInt(holder, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(holder, &syscall.SockaddrInet4{})); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(holder)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}

func roleConfig(t testing.TB, role, address, dir string, env ...string) Config {
	t.Helper()
	return Config{
		Command:   []string{os.Args[0], "-test.run=^$"},
		Dir:       dir,
		Env:       append([]string{"GORACE=atexit_sleep_ms=0", "HEALTH_ROLE=" + role, "HEALTH_ADDR=" + address, "HEALTH_DIR=" + dir}, env...),
		StopGrace: 5 * time.Second,
		Probe:     Probe{Path: "/", Every: 50 * time.Millisecond, Fast: 20 * time.Millisecond},
	}
}

// monitor runs a Monitor until the test ends. change may alter its options.
func monitor(t testing.TB, role string, change func(*Options)) *monitored {
	t.Helper()
	dir, address := t.TempDir(), freeAddress(t)
	return monitorAt(t, Options{
		Name: "api", URL: "http://" + address, State: t.TempDir(),
		Config: roleConfig(t, role, address, dir), Holder: testHolder,
	}, dir, change)
}

func monitorAt(t testing.TB, o Options, dir string, change func(*Options)) *monitored {
	t.Helper()
	m := &monitored{dir: dir, events: make(chan toldEvent, 1000), ledger: &Ledger{wake: make(chan struct{}, 1)}}
	o.Events = func(e Event) { m.events <- toldEvent{e, m.Availability()} }
	o.Ledger, o.Log = m.ledger, testLog(t)
	if change != nil {
		change(&o)
	}
	m.options = o
	made, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	m.Monitor = made
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- made.Run(ctx) }()
	stopped := false
	m.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if err := m.stop(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// waitAtMost is how long a test waits for something that must come: long, because
// it is only spent when the test fails.
const waitAtMost = time.Minute

func limit(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitAtMost)
	t.Cleanup(cancel)
	return ctx
}

func (m *monitored) waitUp(t testing.TB) {
	t.Helper()
	m.waitUpFor(t, limit(t))
}

func (m *monitored) waitUpFor(t testing.TB, ctx context.Context) {
	t.Helper()
	if err := m.Wait(ctx); err != nil {
		t.Fatalf("not up: %v; last probe %+v; it printed:\n%.2000s", err, m.Status().LastProbe, m.Logs(20))
	}
}

// waitState waits, by the availability that changes with it, until the state is wanted.
func (m *monitored) waitState(t testing.TB, want string) Status {
	t.Helper()
	deadline := time.Now().Add(waitAtMost)
	for time.Now().Before(deadline) {
		if s := m.Status(); s.State == want {
			return s
		}
		time.Sleep(2 * time.Millisecond) // there is no event for every state, and there need not be
	}
	t.Fatalf("state is %+v, want %s", m.Status(), want)
	return Status{}
}

func (m *monitored) waitEvent(t testing.TB, want EventKind) toldEvent {
	t.Helper()
	for {
		select {
		case e := <-m.events:
			if e.Kind == want {
				return e
			}
		case <-limit(t).Done():
			t.Fatalf("no event %d; status %+v", want, m.Status())
		}
	}
}

// get asks the backend who it is.
func (m *monitored) get(t testing.TB) int {
	t.Helper()
	response, err := http.Get(m.options.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	body, _ := io.ReadAll(response.Body)
	var pid int
	if _, err := fmt.Sscanf(string(body), "pid %d", &pid); err != nil {
		t.Fatalf("%s: %s", response.Status, body)
	}
	return pid
}

func waitGone(t testing.TB, pid int) {
	t.Helper()
	id, err := identify(pid)
	if err != nil {
		return
	}
	if err := awaitExit(limit(t), id); err != nil {
		t.Fatalf("process %d lives: %v", pid, err)
	}
}

func testHolder(ctx context.Context, _, address string) (Holder, error) {
	sockets, err := psnet.ConnectionsWithContext(ctx, "tcp")
	if err != nil {
		return Holder{}, err
	}
	for _, s := range sockets {
		if s.Status != "LISTEN" || net.JoinHostPort(s.Laddr.IP, strconv.Itoa(int(s.Laddr.Port))) != address {
			continue
		}
		p, err := psprocess.NewProcessWithContext(ctx, s.Pid)
		if err != nil {
			return Holder{}, err
		}
		user, _ := p.UsernameWithContext(ctx)
		command, _ := p.CmdlineWithContext(ctx)
		return Holder{PID: int(s.Pid), User: user, Command: command}, nil
	}
	return Holder{}, errors.New("nobody")
}
