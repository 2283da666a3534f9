package health

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestMonitor_StartsTheBackendAndEndsItWithItself(t *testing.T) {
	m := monitor(t, "serve", nil)
	m.waitUp(t)
	pid := m.get(t)
	if s := m.Status(); s.PID != pid || s.State != "up" {
		t.Errorf("status %+v, want pid %d", s, pid)
	}
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	waitGone(t, pid)
	if _, err := os.Stat(places{m.options.State, "api"}.record()); !os.IsNotExist(err) {
		t.Errorf("the record of a process that is gone is left: %v", err)
	}
}

func TestMonitor_StartsAKilledBackendAgainAndTellsWhy(t *testing.T) {
	m := monitor(t, "serve", nil)
	m.waitUp(t)
	first := m.get(t)
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	m.storm(t) // of refused requests, which must not be taken for the cause
	opened := m.waitEvent(t, Opened)
	if want := "killed by signal 9 (KILL), not by gateway"; opened.Incident.Cause != want {
		t.Errorf("cause %q, want %q", opened.Incident.Cause, want)
	}
	if !strings.Contains(string(opened.Output), "listening") {
		t.Errorf("output %q lacks what the backend printed", opened.Output)
	}
	recovered := m.waitEvent(t, Recovered)
	if recovered.Incident.Restarts != 1 || recovered.Incident.Open() {
		t.Errorf("incident %+v, want closed with one restart", recovered.Incident)
	}
	if second := m.get(t); second == first {
		t.Errorf("the backend still has pid %d", second)
	}
}

// storm nudges as a flood of refused requests does, until the death is known.
func (m *monitored) storm(t *testing.T) {
	t.Helper()
	for ctx := limit(t); m.Availability().Up; m.Nudge() {
		if ctx.Err() != nil {
			t.Fatal("the death was never known")
		}
	}
}
