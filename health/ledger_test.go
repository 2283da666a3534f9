package health

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// ledgerAt opens a ledger and runs it until the test ends or stop is called.
func ledgerAt(t *testing.T, path string) (l *Ledger, stop func()) {
	t.Helper()
	l, err := OpenLedger(path, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	done := false
	stop = func() {
		if !done {
			done = true
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(stop)
	return l, stop
}

func TestLedger_RemembersIncidentsOverARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "incidents.json")
	l, stop := ledgerAt(t, path)
	now := time.Now()
	l.opened("api", "exited with code 3", true, now)
	l.restarted("api")
	l.Count("api", 12, 1)
	l.opened("jupyter", "3 probes in a row failed", false, now)
	l.closed("jupyter", now.Add(90*time.Second))
	stop()

	again, _ := ledgerAt(t, path)
	api, open := again.Current("api")
	if !open || api.Cause != "exited with code 3" || api.Restarts != 1 || api.Held != 12 || api.Failed != 1 || api.Deaths != 1 {
		t.Errorf("api: %+v, open %v", api, open)
	}
	history := again.History(1)
	if len(history) != 1 || history[0].Backend != "jupyter" || history[0].Duration(now) != 90*time.Second {
		t.Errorf("history %+v", history)
	}
	if len(again.History(0)) != 2 {
		t.Error("not all of the history")
	}
}

func TestLedger_WritesTimesWithTheirZone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "incidents.json")
	l, stop := ledgerAt(t, path)
	l.opened("api", "x", true, time.Now().In(time.FixedZone("CST", 8*60*60)))
	stop()
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "+08:00") {
		t.Errorf("no offset in %s, %v", text, err)
	}
}

func TestLedger_IsBoundedInNumberAndSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "incidents.json")
	l, stop := ledgerAt(t, path)
	now := time.Now()
	for i := range 3 * ledgerLimit {
		l.opened("api", strings.Repeat("very long ", 1000), true, now)
		now = now.Add(time.Minute)
		l.closed("api", now)
		now = now.Add(time.Hour + time.Duration(i))
	}
	stop()
	if n := len(l.History(0)); n != ledgerLimit {
		t.Errorf("%d incidents, want %d", n, ledgerLimit)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 300<<10 {
		t.Errorf("the file: %v, %v", info.Size(), err)
	}
}

func TestLedger_OpensATroubleAgainThatComesBackWithinAMinute(t *testing.T) {
	l := &Ledger{wake: make(chan struct{}, 1)}
	now := time.Now()
	first := l.opened("api", "a", true, now)
	l.closed("api", now.Add(time.Second))
	if second := l.opened("api", "b", true, now.Add(30*time.Second)); second.ID != first.ID || second.Latest != "b" || !second.Open() {
		t.Errorf("within a minute: %+v", second)
	}
	l.closed("api", now.Add(time.Minute))
	if third := l.opened("api", "c", true, now.Add(3*time.Minute)); third.ID == first.ID {
		t.Errorf("after it: %+v", third)
	}
}

func TestLedger_SetsAsideAFileThatItCannotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "incidents.json")
	if err := os.WriteFile(path, []byte("[{\"id\":"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, _ := ledgerAt(t, path)
	if len(l.History(0)) != 0 {
		t.Error("incidents out of nothing")
	}
	if _, err := os.Stat(path + ".bad"); err != nil {
		t.Error(err)
	}
}

func TestLedger_TriesAgainWhenTheDiskWasFull(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	synctest.Test(t, func(t *testing.T) {
		l, _ := ledgerAt(t, filepath.Join(dir, "incidents.json"))
		l.opened("api", "x", true, time.Now())
		time.Sleep(5 * time.Second) // in fake time: five tries, told once
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if _, err := os.Stat(filepath.Join(dir, "incidents.json")); err != nil {
			t.Error(err)
		}
	})
}

// TestLedger_IsNeverTornByKill9 kills a process that writes incidents as fast
// as it can, at another moment each time.
func TestLedger_IsNeverTornByKill9(t *testing.T) {
	path := filepath.Join(t.TempDir(), "incidents.json")
	for round := range 20 {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), "HEALTH_ROLE=ledger", "HEALTH_LEDGER="+path)
		begun, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := begun.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Duration(round) * time.Millisecond) // the moment is the point
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		text, err := os.ReadFile(path)
		var incidents []Incident
		if err == nil {
			err = json.Unmarshal(text, &incidents)
		}
		if err != nil || len(incidents) == 0 {
			t.Fatalf("round %d: %d incidents, %v", round, len(incidents), err)
		}
	}
}

// playLedger writes without the pause that Run makes.
func playLedger() {
	l := &Ledger{path: os.Getenv("HEALTH_LEDGER"), wake: make(chan struct{}, 1)}
	for i := 0; ; i++ {
		l.opened(fmt.Sprint("api", i), "x", true, time.Now())
		if err := l.write(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if i == 1 {
			fmt.Println("begun")
		}
	}
}
