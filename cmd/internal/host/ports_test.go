package host

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"
)

// portsRole makes the test binary play a part in a process of its own.
const portsRole = "GATEWAY_TEST_PORTS_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(portsRole) {
	case "listen":
		os.Exit(portsListen())
	case "holder":
		fmt.Println(Holder(context.Background(), "tcp", os.Args[1]))
		os.Exit(0)
	case "engine":
		os.Exit(engineChild())
	}
	os.Exit(m.Run())
}

// portsListen tells its address and listens until its standard input ends.
func portsListen() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer l.Close()
	fmt.Println(l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// portsChild starts a listening process and returns it with its address.
func portsChild(t *testing.T, args ...string) (pid int, address string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), portsRole+"=listen", "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the child did not tell its address: %v", err)
	}
	return cmd.Process.Pid, strings.TrimSpace(line)
}

func portsListener(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Skipf("this host can't listen on %s: %v", address, err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func portsMe(t *testing.T) string {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return me.Username
}

func TestHolder_NamesTheProcessThatListens(t *testing.T) {
	pid, address := portsChild(t, "--flag", "two words", "--db-password=hunter2")
	got, err := Holder(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if got.PID != pid || got.User != portsMe(t) || got.Address != address {
		t.Errorf("got %+v, want pid %d of user %s at %s", got, pid, portsMe(t), address)
	}
	if !strings.Contains(got.Command, filepath.Base(os.Args[0])) || strings.Contains(got.Command, "hunter2") {
		t.Errorf("command is %q", got.Command)
	}
}

func TestHolder_FindsAWildcardListenerBehindEveryAddress(t *testing.T) {
	l := portsListener(t, "tcp", ":0")
	port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	for _, host := range []string{"", "127.0.0.1", "0.0.0.0", "localhost", "::", "::1"} {
		got, err := Holder(t.Context(), "tcp", net.JoinHostPort(host, port))
		if err != nil || got.PID != os.Getpid() {
			t.Errorf("host %q: got %+v, %v", host, got, err)
		}
	}
}

func TestHolder_FindsASpecificListenerBehindTheWildcard(t *testing.T) {
	_, port, _ := net.SplitHostPort(portsListener(t, "tcp", "127.0.0.1:0").Addr().String())
	for _, network := range []string{"tcp", "tcp4"} {
		got, err := Holder(t.Context(), network, ":"+port)
		if err != nil || got.PID != os.Getpid() {
			t.Errorf("%s: got %+v, %v", network, got, err)
		}
	}
}

func TestHolder_FindsAConnectionThatUsesThePort(t *testing.T) {
	server := portsListener(t, "tcp", "127.0.0.1:0")
	var got Listener
	for range 5 { // the system may choose a port that another process listens on at another address
		c, err := net.Dial("tcp", server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got, err = Holder(t.Context(), "tcp", c.LocalAddr().String()); err != nil {
			t.Fatal(err)
		}
		if got.PID == os.Getpid() {
			return
		}
	}
	t.Errorf("got %+v", got)
}

func TestHolder_FindsAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	portsListener(t, "unix", path)
	got, err := Holder(t.Context(), "unix", path)
	if err != nil || got.PID != os.Getpid() || got.Address != path {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestHolder_SaysWhenNothingHoldsTheAddress(t *testing.T) {
	l := portsListener(t, "tcp", "127.0.0.1:0")
	_ = l.Close()
	if got, err := Holder(t.Context(), "tcp", l.Addr().String()); !errors.Is(err, ErrNoHolder) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestHolder_RefusesWhatIsNoAddress(t *testing.T) {
	for network, address := range map[string]string{"tcp": "nonsense", "udp": "127.0.0.1:53", "tcp4": "127.0.0.1:no-such-service"} {
		if got, err := Holder(t.Context(), network, address); err == nil || errors.Is(err, ErrNoHolder) {
			t.Errorf("%s %s: got %+v, %v", network, address, got, err)
		}
	}
}

func TestHolder_NamesTheUserOfAProcessThatItCannotSee(t *testing.T) {
	if os.Getuid() != 0 || runtime.GOOS != "linux" {
		t.Skip("needs root, to become another user")
	}
	address := portsListener(t, "tcp", "127.0.0.1:0").Addr().String()
	cmd := exec.Command(portsPublicCopy(t), address)
	cmd.Env = []string{portsRole + "=holder", "GORACE=atexit_sleep_ms=0"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if want := "a process of user root (run as root to see which) <nil>\n"; err != nil || string(out) != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
}

// portsPublicCopy copies the test binary to where every user may run it.
func portsPublicCopy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	binary, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "public.test")
	for _, err := range []error{os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755), os.WriteFile(path, binary, 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestListeners_ListsThisProcessAmongThem(t *testing.T) {
	want := portsListener(t, "tcp", "127.0.0.1:0").Addr().String()
	pid, child := portsChild(t)
	all, err := Listeners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, l := range all {
		found[l.Address] = l.PID
	}
	if found[want] != os.Getpid() || found[child] != pid {
		t.Errorf("want %s of %d and %s of %d in %v", want, os.Getpid(), child, pid, all)
	}
}

func TestClosest_PrefersWhatIsInTheWay(t *testing.T) {
	at := netip.MustParseAddrPort
	for _, c := range []struct {
		wanted, better, worse string
		betterIs, worseIs     string
	}{
		{"127.0.0.1:80", "127.0.0.1:80", "0.0.0.0:80", "LISTEN", "LISTEN"},
		{"127.0.0.1:80", "0.0.0.0:80", "[::]:80", "LISTEN", "LISTEN"},
		{"127.0.0.1:80", "[::]:80", "[::1]:80", "LISTEN", "LISTEN"},
		{"127.0.0.1:80", "[::]:80", "127.0.0.1:80", "LISTEN", "ESTABLISHED"},
		{"127.0.0.1:80", "127.0.0.1:80", "127.0.0.1:80", "ESTABLISHED", "TIME_WAIT"},
		{"[::]:80", "127.0.0.1:80", "127.0.0.1:81", "LISTEN", "LISTEN"},
		{"0.0.0.0:80", "192.0.2.1:80", "[::1]:80", "LISTEN", "LISTEN"},
	} {
		better := closest([]netip.AddrPort{at(c.wanted)}, at(c.better), c.betterIs)
		worse := closest([]netip.AddrPort{at(c.wanted)}, at(c.worse), c.worseIs)
		if better <= worse {
			t.Errorf("%s: %s %s ranks %d, %s %s ranks %d", c.wanted, c.better, c.betterIs, better, c.worse, c.worseIs, worse)
		}
	}
}

func TestListenError_NamesTheHolderAndTheWayOut(t *testing.T) {
	pid, address := portsChild(t, "--flag")
	_, cause := net.Listen("tcp", address)
	err := ListenError(t.Context(), "tcp", address, cause, "choose another port with --listen")
	want := fmt.Sprintf("listen %s: already in use by pid %d (user %s): %s: stop it (kill %d), or choose another port with --listen",
		address, pid, portsMe(t), printable([]string{os.Args[0], "--flag"}), pid)
	if err.Error() != want {
		t.Errorf("got  %q\nwant %q", err, want)
	}
	var taken *InUseError
	if !errors.As(err, &taken) || taken.Holder.PID != pid || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("the cause is lost: %#v", err)
	}
}

func TestFree_LeavesAFreeAddressFreeAndNamesAHolder(t *testing.T) {
	l := portsListener(t, "tcp", "127.0.0.1:0")
	var taken *InUseError
	if err := Free(t.Context(), "tcp", l.Addr().String(), "choose another"); !errors.As(err, &taken) || taken.Holder.PID != os.Getpid() {
		t.Errorf("taken: got %v", err)
	}
	_ = l.Close()
	for range 2 {
		if err := Free(t.Context(), "tcp", l.Addr().String(), "choose another"); err != nil {
			t.Errorf("free: got %v", err)
		}
	}
}

func TestListenError_KnowsGatewayItself(t *testing.T) {
	address := portsListener(t, "tcp", "127.0.0.1:0").Addr().String()
	_, cause := net.Listen("tcp", address)
	err := ListenError(t.Context(), "tcp", address, cause, "write another")
	if want := "listen " + address + ": already in use by gateway itself: write another"; err.Error() != want {
		t.Errorf("got %q", err)
	}
}

func TestListenError_SaysWhichRightIsMissing(t *testing.T) {
	cause := &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EACCES)}
	err := ListenError(t.Context(), "tcp", ":443", cause, "choose a port above 1023")
	if !strings.Contains(err.Error(), "run gateway as root") || !errors.Is(err, syscall.EACCES) {
		t.Errorf("got %q", err)
	}
}

func TestListenError_ExplainsAForeignAddress(t *testing.T) {
	_, cause := net.Listen("tcp", "192.0.2.1:0") // TEST-NET-1, RFC 5737: no host has it
	err := ListenError(t.Context(), "tcp", "192.0.2.1:0", cause, "choose another")
	if !strings.Contains(err.Error(), "no network interface") || !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("got %q", err)
	}
}

func TestListenError_LeavesOtherErrorsAlone(t *testing.T) {
	if cause := io.ErrUnexpectedEOF; ListenError(t.Context(), "tcp", ":1", cause, "") != cause {
		t.Error("an unrelated error was changed")
	}
}

func TestPrintable_IsFitForATerminalAndKeepsSecrets(t *testing.T) {
	for _, c := range []struct{ argv, want string }{
		{"./old-server\x00--flag", "./old-server --flag"},
		{"sh\x00-c\x00sleep 9 # \x1b[2J", `sh -c "sleep 9 # \x1b[2J"`},
		{"a\x00\x00b", `a "" b`},
		{"psql\x00postgres://bob:hunter2@db/x", "psql postgres://bob:[hidden]@db/x"},
		{"s\x00--password\x00hunter2\x00-v", "s --password [hidden] -v"},
		{"s\x00--password=hunter2\x00API_KEY=abc", "s --password=[hidden] API_KEY=[hidden]"},
		{"s\x00--token\x00--verbose\x00x", "s --token --verbose x"},
		{"s\x00--port=80\x00--tokens-file=/etc/x", "s --port=80 --tokens-file=[hidden]"},
		{"s\x00--password=one\ntwo three", "s --password=[hidden]"},
		{"sh\x00-c\x00cd x; PGPASSWORD=x psql; run --db-token abc; ls", `sh -c "cd x; PGPASSWORD=[hidden] psql; run --db-token [hidden]; ls"`},
		{"nginx: worker process", `"nginx: worker process"`},
		{"bad\xff", `"bad\xff"`},
	} {
		if got := printable(strings.Split(c.argv, "\x00")); got != c.want {
			t.Errorf("%q: got %q, want %q", c.argv, got, c.want)
		}
	}
}

func TestPrintable_IsCutTo80Characters(t *testing.T) {
	got := printable([]string{"./ü", strings.Repeat("x", 100)})
	if n := len([]rune(got)); n != commandWidth || !strings.HasSuffix(got, "xxx...") {
		t.Errorf("%d characters: %s", n, got)
	}
}

func FuzzPrintable_NeverLetsAControlCharacterThrough(f *testing.F) {
	f.Add([]byte("a\x00b\x1b[1m\x00--password\x00\xff"))
	f.Fuzz(func(t *testing.T, argv []byte) {
		var words []string
		for _, w := range bytes.Split(argv, []byte{0}) {
			words = append(words, string(w))
		}
		got := printable(words)
		if n := len([]rune(got)); n > commandWidth || !utf8.ValidString(got) {
			t.Errorf("%d characters: %q", n, got)
		}
		for _, r := range got {
			if r < ' ' || r == 0x7f {
				t.Errorf("%q contains %q", got, r)
			}
		}
	})
}

func TestServiceUnit_IsTheOneThatSystemctlCanStop(t *testing.T) {
	for text, want := range map[string]string{
		"0::/system.slice/apache2.service\n":                                              "apache2.service",
		"12:pids:/system.slice/x\n1:name=systemd:/system.slice/postgresql@16.service/a\n": "postgresql@16.service",
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n":          "",
		"0::/system.slice/evil\x1b.service\n":                                             "",
		"0::/\n":                                                                          "",
		"":                                                                                "",
	} {
		if got := serviceUnit(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestUnseen_SaysWhatIsKnown(t *testing.T) {
	for _, c := range []struct {
		euid        int
		owner, want string
	}{
		{0, "bob", "something outside of gateway's sight (the kernel, or a process in another container)"},
		{1000, "", "a process of another user (run as root to see which)"},
		{1000, "bob", "a process of user bob (run as root to see which)"},
	} {
		if got := unseen(c.euid, c.owner); got != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

func TestSocketOwner_ReadsTheKernelsList(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc/net/tcp")
	}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		l := portsListener(t, "tcp", address)
		at := netip.MustParseAddrPort(l.Addr().String())
		if got := socketOwner(at); got != portsMe(t) {
			t.Errorf("%s: got %q, want %q", at, got, portsMe(t))
		}
		if got := socketOwner(netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), at.Port())); got != "" {
			t.Errorf("192.0.2.1: got %q", got)
		}
	}
}

func FuzzOwnerIn_NeverPanics(f *testing.F) {
	f.Add("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"+
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0\n", "127.0.0.1:8080")
	f.Add("x x:y", "[::]:1")
	f.Fuzz(func(t *testing.T, table, address string) {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return
		}
		if _, found := ownerIn(table, at); found && !strings.Contains(table, "0A") {
			t.Errorf("found %s in %q", at, table)
		}
	})
}

func TestStop_PrefersTheServiceManager(t *testing.T) {
	for _, c := range []struct {
		listener Listener
		want     string
	}{
		{Listener{PID: 7}, "kill 7"},
		{Listener{PID: 1, Command: "/sbin/init splash"}, "it is a systemd socket, `systemctl list-sockets` names its unit"},
		{Listener{PID: 1, Command: "node app.js"}, "kill 1"},
		{Listener{PID: 7, Unit: "docker.service", Command: "/usr/bin/docker-proxy -proto tcp"}, "it is a container, `docker ps` names it"},
		{Listener{PID: os.Getpid()}, ""},
		{Listener{PID: 7, Unit: "apache2.service"}, "systemctl stop apache2.service"},
		{Listener{}, ""},
	} {
		if got := c.listener.Stop(); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.listener, got, c.want)
		}
	}
}

// BenchmarkHolder shows what a message about a taken port costs.
func BenchmarkHolder(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for b.Loop() {
		if _, err := Holder(b.Context(), "tcp", l.Addr().String()); err != nil {
			b.Fatal(err)
		}
	}
}
