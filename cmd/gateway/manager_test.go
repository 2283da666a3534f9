package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serviceManager listens as systemd does, for the gateways of this test.
func serviceManager(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	listener, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return listener
}

// hears waits for a message that holds the words.
func hears(t *testing.T, manager *net.UnixConn, words string) string {
	t.Helper()
	manager.SetReadDeadline(time.Now().Add(patience))
	message := make([]byte, 64<<10)
	for {
		n, err := manager.Read(message)
		if err != nil {
			t.Fatalf("waiting for %q: %v", words, err)
		}
		if text := string(message[:n]); strings.Contains(text, words) {
			return text
		}
	}
}

func TestRun_TellsTheServiceManagerHowItIs(t *testing.T) {
	manager := serviceManager(t)
	t.Setenv("WATCHDOG_USEC", "300000")
	port := freePort(t)
	p := startGateway(t, builtGateway(t), oneSite(t, newAuthority(t).install(t, "api.example.com"), port, "http://127.0.0.1:1", ""))
	if text := hears(t, manager, "READY=1"); !strings.Contains(text, "STATUS=serving https://127.0.0.1:") {
		t.Errorf("ready, it said %q", text)
	}
	for range 3 {
		hears(t, manager, "WATCHDOG=1")
	}
	p.signal(syscall.SIGTERM)
	if text := hears(t, manager, "STOPPING=1"); !strings.Contains(text, "EXTEND_TIMEOUT_USEC=80000000") {
		t.Errorf("stopping, it did not ask for the time that it may take: %q", text)
	}
	if code := p.exitCode(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
}

func TestRun_GivesNoSignOfLifeBeforeItServes(t *testing.T) {
	manager := serviceManager(t)
	t.Setenv("WATCHDOG_USEC", "300000")
	p := startProcess(t, builtGateway(t), "run", "-c", writeFile(t, t.TempDir(), "config.toml", "nonsense = 1\n"))
	if code := p.exitCode(); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	manager.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := manager.Read(make([]byte, 1000)); err == nil {
		t.Errorf("%d bytes were told of a gateway that never served", n)
	}
}

// The gateway that systemd knows was killed after its heir had the duty, and before
// it could tell of that one.
func TestRun_HasTheServiceManagerAdoptAGatewayThatServes(t *testing.T) {
	w := newWorld(t, "0s")
	serving := w.gateway.cmd.Process.Pid
	manager := serviceManager(t)
	second := startProcess(t, builtGateway(t), "run", "-c", w.config)
	text := hears(t, manager, fmt.Sprintf("MAINPID=%d\n", serving))
	if !strings.Contains(text, "\nREADY=1\n") {
		t.Errorf("it is told of the one that serves by %q", text)
	}
	if code := second.exitCode(); code != exitDone {
		t.Errorf("exit code %d: %s", code, second.text())
	}
	if got := w.running().PID; got != serving {
		t.Errorf("process %d serves", got)
	}
}

func TestRun_ServesWhoQueuedAtASocketOfTheServiceManager(t *testing.T) {
	t.Parallel()
	needPrograms(t, "systemd-socket-activate")
	ca, backend, port := newAuthority(t), newSlowBackend(t), freePort(t)
	close(backend.release)
	config := writeFile(t, t.TempDir(), "config.toml", oneSite(t, ca.install(t, "api.example.com"), port, backend.URL, ""))
	p := startProcess(t, "systemd-socket-activate", "-l", fmt.Sprintf("127.0.0.1:%d", port), builtGateway(t), "run", "-c", config)
	// The program is started only when the first client is in the queue.
	var got answer
	eventually(t, "the first answer", func() bool {
		got = <-ask(ca.client(t, false), fmt.Sprintf("https://api.example.com:%d/", port))
		return got.err == nil
	})
	if got.body != "finished" {
		t.Errorf("%q, %v", got.body, got.err)
	}
	p.waitFor("serving")
	if strings.Contains(p.text(), "is closed") {
		t.Errorf("the socket was not taken:\n%s", p.text())
	}
}
