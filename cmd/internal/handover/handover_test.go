package handover

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// roleEnv makes the test binary the process that is to take over.
const roleEnv = "GATEWAY_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		os.Exit(play(role))
	}
	os.Exit(m.Run())
}

// play is a heir of one kind.
func play(role string) int {
	if role == "crashes" {
		fmt.Fprintln(os.Stderr, "a fault of its own")
		return 3
	}
	from, err := Find()
	if err != nil || from == nil {
		fmt.Fprintln(os.Stderr, "no predecessor:", err)
		return 1
	}
	switch role {
	case "refuses":
		from.Refuse(fmt.Errorf("config.toml:1: one\nconfig.toml:2: two"))
		return 1
	case "hangs":
		_, _ = io.Copy(io.Discard, from.wire.conn) // until it is killed
		return 0
	}
	l, err := from.Listen(context.Background(), "tcp4", os.Getenv("GATEWAY_TEST_ADDRESS"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	secrets, err := from.AwaitLease()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 4
	}
	if err := from.Serving("2.0"); err != nil {
		return 5
	}
	c, err := l.Accept()
	if err != nil {
		return 6
	}
	_, _ = io.WriteString(c, "served by the heir, which knows "+string(secrets))
	_ = c.Close()
	return 0
}

// started is a heir of a kind, with one socket.
func started(t *testing.T, role string) (*Heir, net.Listener) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	t.Setenv(roleEnv, role)
	t.Setenv("GATEWAY_TEST_ADDRESS", l.Addr().String())
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	heir, err := Start(self, nil, []Socket{{"tcp4", l.Addr().String(), l}}, null)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(heir.Kill)
	return heir, l
}

const patience = 30 * time.Second

func TestHeir_ServesWhoWaitedInTheQueueOfASocket(t *testing.T) {
	heir, l := started(t, "serves")
	waiting, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	if err := heir.Prepared(patience); err != nil {
		t.Fatal(err)
	}
	served, err := heir.Lease([]byte("the secret"), patience)
	if err != nil || served.Version != "2.0" || served.PID == os.Getpid() {
		t.Fatalf("%+v, %v", served, err)
	}
	l.Close() // the heir has it as well
	_ = waiting.SetDeadline(time.Now().Add(patience))
	if text, err := io.ReadAll(waiting); string(text) != "served by the heir, which knows the secret" {
		t.Errorf("%q, %v", text, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	heir.Gone(ctx)
	if ctx.Err() != nil {
		t.Error("it is not known to have ended")
	}
}

func TestHeir_TellsWhyItCannotTakeOver(t *testing.T) {
	for role, want := range map[string]string{
		"refuses": "config.toml:1: one\nconfig.toml:2: two",
		"crashes": "it ended before it could serve (exit status 3): a fault of its own",
	} {
		heir, _ := started(t, role)
		if err := heir.Prepared(patience); err == nil || err.Error() != want {
			t.Errorf("%s: %v", role, err)
		}
	}
	heir, _ := started(t, "hangs")
	if err := heir.Prepared(50 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "did not get ready within") {
		t.Errorf("hangs: %v", err)
	}
}

func TestKill_EndsWhatAScriptHasStartedToo(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	pipe, script := filepath.Join(dir, "pipe"), filepath.Join(dir, "gateway")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	// The program that hangs is a child of what was started, and has all that it has.
	if err := os.WriteFile(script, []byte("#!/bin/sh\nsleep 1000 &\necho started >"+pipe+"\nwait\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	heir, err := Start(script, nil, []Socket{{"tcp4", l.Addr().String(), l}}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(pipe); err != nil {
		t.Error(err)
	}
	heir.Kill()
	l.Close()
	again, over := time.NewTicker(10*time.Millisecond), time.After(patience)
	defer again.Stop()
	for {
		free, err := net.Listen("tcp4", l.Addr().String())
		if err == nil {
			free.Close()
			return
		}
		select {
		case <-again.C:
		case <-over:
			t.Fatalf("something still has the socket: %v", err)
		}
	}
}

func TestFind_JoinsTheJobOfTheGatewayThatServes(t *testing.T) {
	heir, _ := started(t, "serves")
	if err := heir.Prepared(patience); err != nil {
		t.Fatal(err)
	}
	if group, err := unix.Getpgid(heir.cmd.Process.Pid); err != nil || group != unix.Getpgrp() {
		t.Errorf("group %d, %v: Ctrl-C would not end it with this one, whose group is %d", group, err, unix.Getpgrp())
	}
}

func TestHeir_EndsWhenItIsNotGivenTheLease(t *testing.T) {
	heir, _ := started(t, "serves")
	if err := heir.Prepared(patience); err != nil {
		t.Fatal(err)
	}
	_ = heir.wire.conn.CloseWrite()
	<-heir.gone
	if heir.cmd.ProcessState.ExitCode() != 4 || !strings.Contains(heir.said.String(), "goes on itself") {
		t.Errorf("exit code %d: %s", heir.cmd.ProcessState.ExitCode(), heir.said)
	}
}

func TestFind_FindsNobodyInAnOrdinaryStart(t *testing.T) {
	if from, err := Find(); from != nil || err != nil {
		t.Errorf("%v, %v", from, err)
	}
}

func TestStart_KeepsWhatIsMeantForThisProcessAlone(t *testing.T) {
	env := heirEnvironment([]string{"PATH=/bin", "WATCHDOG_PID=1", "WATCHDOG_USEC=5", "LISTEN_PID=1", "LISTEN_FDS=2", "NOTIFY_SOCKET=/run/x", environment + "=9"})
	if got := strings.Join(env, " "); got != "PATH=/bin WATCHDOG_USEC=5 NOTIFY_SOCKET=/run/x "+environment+"=3" {
		t.Error(got)
	}
}
