package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// trial is the load under which subjects are compared, and how often they change.
type trial struct {
	traffic
	changes int
}

// trialResult is what came of one subject in one trial.
type trialResult struct {
	*borne
	taken int // changes that were taken over
	twice int // POSTs that the backend carried out more than once
}

func (b *trialResult) cells() string {
	if b == nil {
		return "– | – | – | –"
	}
	failed := 0
	for _, r := range b.requests {
		if r.failed() {
			failed++
		}
	}
	return fmt.Sprintf("%d | %d | %d | %d", b.taken, failed, b.cut.Load(), b.corrupt.Load())
}

// TestCompare_DropsOfOthersUnderTheSameLoad prints the table of the README.
func TestCompare_DropsOfOthersUnderTheSameLoad(t *testing.T) {
	if os.Getenv("GATEWAY_COMPARE") == "" {
		t.Skip("takes ten minutes, and a machine that does nothing else: make compare-drops")
	}
	load := traffic{lasts: time.Minute, rate: 300, sockets: 200, downloads: 20}
	reloads, upgrades := trial{load, 50}, trial{load, 10}
	upgrades.lasts = 30 * time.Second
	lines := []string{
		fmt.Sprintf("%s, %d cores, %s; each: %d requests/s for %v, %d WebSockets, %d slow downloads", time.Now().Format(time.DateOnly), runtime.NumCPU(), runtime.Version(),
			load.rate, load.lasts, load.sockets, load.downloads),
		fmt.Sprintf("| | reloads, of %d | failed requests, of %d | WebSockets cut, of %d at a time | downloads corrupt | upgrades, of %d | failed requests, of %d | WebSockets cut | downloads corrupt |",
			reloads.changes, int(reloads.lasts.Seconds())*load.rate, load.sockets, upgrades.changes, int(upgrades.lasts.Seconds())*load.rate),
		"|---|---|---|---|---|---|---|---|---|",
	}
	for _, make := range []func() subject{
		func() subject { return &gatewaySubject{} }, func() subject { return &nginxSubject{} }, func() subject { return &haproxySubject{} },
		func() subject { return &caddySubject{} }, func() subject { return &caddySubject{delay: "1h"} },
	} {
		reloaded, name := reloads.of(t, "reloads", make(), subject.reload)
		upgraded, _ := upgrades.of(t, "upgrades", make(), func(s subject, _ int) error { return s.upgrade() })
		lines = append(lines, fmt.Sprintf("| %s | %s | %s |", name, reloaded.cells(), upgraded.cells()))
	}
	t.Log("\n" + strings.Join(lines, "\n"))
}

// TestCompare_TheSubjectsAreAllLoaded is a short one, so that the comparison is
// known to work, with what the machine has.
func TestCompare_TheSubjectsAreAllLoaded(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four proxies under load; left out with -short")
	}
	t.Parallel()
	small := trial{traffic{lasts: 4 * time.Second, rate: 30, sockets: 4, downloads: 2}, 3}
	for _, s := range []subject{&gatewaySubject{}, &nginxSubject{}, &haproxySubject{}} {
		got, name := small.of(t, "reloads", s, subject.reload)
		if got == nil {
			continue
		}
		failed := 0
		for _, r := range got.requests {
			if r.failed() {
				failed++
			}
		}
		if got.messages.Load() == 0 || got.downloads.Load() == 0 || failed > len(got.requests)/2 {
			t.Errorf("%s: %v: %q", name, got.borne, got.whys)
		}
		if _, ours := s.(*gatewaySubject); ours && failed > 0 {
			t.Errorf("gateway dropped something: %v", got.borne)
		}
	}
}

// of has a subject bear the load while it changes; nil if it cannot.
func (m trial) of(t *testing.T, what string, s subject, change func(subject, int) error) (result *trialResult, name string) {
	// Names that are alike would get a "#" in their folders, where HAProxy's file has comments begin.
	t.Run(strings.TrimPrefix(fmt.Sprintf("%T", s), "*main.")+" "+what, func(t *testing.T) {
		a, stream := newArena(t)
		if err := s.start(t, a); err != nil {
			without(t, "it cannot be had: %v", err)
		}
		name = s.name()
		a.awaitServed(t)
		unsupported, taken := false, 0
		changing := every(m.changes, m.lasts, func(i int) {
			switch err := change(s, i); {
			case err == nil:
				taken++
			case errors.Is(err, errors.ErrUnsupported):
				unsupported = true
			case !errors.Is(err, errNotTaken):
				t.Errorf("%s: %v", name, err)
			}
		})
		f := newFront(t, "api.example.com", a.port, a.ca)
		got := f.bear(t, m.traffic, stream)
		changing.Wait()
		if unsupported {
			return
		}
		result = &trialResult{borne: got, taken: taken, twice: a.twice(t)}
		t.Logf("%s, %d of %d changes: %v; requests took %s; %d certificates; %d POSTs carried out twice", name, taken, m.changes, got, percentiles(got.requests), f.certificates(), result.twice)
		for _, r := range got.requests {
			if r.failed() {
				got.because("%s %s: %s", r.protocol(), r.method(), r.outcome())
			}
		}
		t.Logf("the first that were dropped: %q", got.whys)
	})
	return result, name
}

func newArena(t *testing.T) (*arena, *streams) {
	t.Helper()
	stream := newStreams(t)
	a := &arena{dir: t.TempDir(), ca: newAuthority(t), port: freePort(t), extra: freePort(t), api: fmt.Sprintf("127.0.0.1:%d", freePort(t)),
		stream: strings.TrimPrefix(stream.url, "http://"), socket: filepath.Join(shortDir(t), "s"), journal: filepath.Join(t.TempDir(), "journal")}
	for i := range a.certificates {
		dir := a.ca.install(t, "api.example.com", "other.example.com")
		a.certificates[i] = dir
		a.joined[i] = writeFile(t, t.TempDir(), "joined.pem", readAll(t, filepath.Join(dir, "2_api.example.com.crt"))+
			pemOf("CERTIFICATE", a.ca.issuer.Raw)+readAll(t, filepath.Join(dir, "3_api.example.com.key")))
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	startProcess(t, "/usr/bin/env", fmt.Sprintf("%s=%s 0s %s", backendEnv, a.api, a.journal), self)
	return a, stream
}

// awaitServed waits until both the proxy and the backend listen.
func (a *arena) awaitServed(t *testing.T) {
	t.Helper()
	for _, address := range []string{a.api, fmt.Sprintf("127.0.0.1:%d", a.port)} {
		eventually(t, address, func() bool {
			c, err := net.Dial("tcp", address)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	}
}

func (a *arena) twice(t *testing.T) (n int) {
	t.Helper()
	for id, times := range executions(t, a.journal) {
		var number int
		if _, err := fmt.Sscanf(id, "api.example.com/%d", &number); err == nil && number%2 == 1 && times > 1 {
			n++
		}
	}
	return n
}
