package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestSlow_AttacksDoNotKeepAWellBehavedClientOut lets slowhttptest attack the
// real binary in its three ways with a thousand connections, or with 250 where each
// first fills the system's buffers with megabytes, and asks like a normal client
// meanwhile, from the same address, for as long as it takes to ask often enough.
func TestSlow_AttacksDoNotKeepAWellBehavedClientOut(t *testing.T) {
	attacker, err := exec.LookPath("slowhttptest")
	if err != nil {
		without(t, "slowhttptest is not installed (Debian package slowhttptest)")
	}
	needDescriptors(t, 4000)
	ca, large := newAuthority(t), make([]byte, 8<<20)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/large" {
			_, _ = w.Write(large)
			return
		}
		fmt.Fprint(w, "served")
	}))
	t.Cleanup(backend.Close)

	attacks := map[string][]string{
		"slow headers": {"-H", "-i", "2", "-c", "1000"},
		"slow bodies":  {"-B", "-i", "2", "-s", "1000000", "-c", "1000"},
		"slow readers": {"-X", "-w", "10", "-y", "20", "-n", "1", "-z", "32", "-c", "250"},
	}
	for name, flags := range attacks {
		t.Run(name, func(t *testing.T) {
			port := freePort(t)
			p := startGateway(t, builtGateway(t), oneSite(t, ca.install(t, "api.example.com"), port, backend.URL, ""))
			target := fmt.Sprintf("https://localhost:%d/large", port)
			attack := exec.Command(attacker, append(flags, "-r", "500", "-l", "60", "-u", target)...)
			if err := attack.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() { _ = attack.Wait(); close(ended) }()
			t.Cleanup(func() { attack.Process.Kill(); <-ended })
			served, slowest := askDuring(t, ca, port, ended)
			peak := residentPeak(t, p.cmd.Process.Pid)
			t.Logf("%d requests served beside the attack, the slowest in %v, resident memory at most %d KiB", served, slowest.Round(time.Millisecond), peak)
			if served < 5 {
				t.Errorf("only %d requests were served beside the attack", served)
			}
			if peak > 256<<10 {
				t.Errorf("resident memory reached %d KiB", peak)
			}
		})
	}
}

// askDuring asks on new connections, one after the other: for some seconds, in
// which all of the attack arrives, and until it was served a few times, or the
// attack has ended.
func askDuring(t *testing.T, ca *authority, port int, ended <-chan struct{}) (served int, slowest time.Duration) {
	t.Helper()
	least := time.After(6 * time.Second)
	for served < 5 || least != nil {
		select {
		case <-ended:
			return served, slowest
		case <-least:
			least = nil
		default:
		}
		client := ca.client(t, false)
		begun := time.Now()
		got := <-ask(client, fmt.Sprintf("https://api.example.com:%d/", port))
		client.CloseIdleConnections()
		if got.err != nil || !strings.Contains(got.body, "served") {
			t.Fatalf("a well-behaved client got %q, %v", got.body, got.err)
		}
		served, slowest = served+1, max(slowest, time.Since(begun))
	}
	return served, slowest
}
