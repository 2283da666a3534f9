package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// storm is what happens while an admin changes everything at noon.
type storm struct {
	traffic
	reloads, upgrades, restarts int
	replaced                    int // times that certificate files are replaced in their folder
	mistakes                    int // bad files
	renewals                    int // certificates from the CA that are seen at least
	renewing                    int // requests a second to the site that has them
}

// shortLife is how many seconds a certificate of the CA lives here. It is renewed
// after two thirds of that, so that a busy machine has ten seconds for it.
const shortLife = 30

// TestNothingDrops_WhileEverythingChanges is the short form of the soak below.
func TestNothingDrops_WhileEverythingChanges(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a load for 30 s; left out with -short")
	}
	t.Parallel()
	storm{
		traffic: traffic{lasts: 30 * time.Second, rate: 100, sockets: 50, downloads: 6},
		reloads: 12, upgrades: 3, restarts: 2, replaced: 2, mistakes: 3, renewals: 1, renewing: 10,
	}.blow(t)
}

func TestSoak_NothingDropsWhileEverythingChanges(t *testing.T) {
	needSoak(t)
	storm{
		traffic: traffic{lasts: time.Minute, rate: 300, sockets: 200, downloads: 20},
		reloads: 50, upgrades: 10, restarts: 5, replaced: 3, mistakes: 5, renewals: 2, renewing: 20,
	}.blow(t)
}

// needSoak skips what takes long, or a machine of its own.
func needSoak(t *testing.T) {
	t.Helper()
	if os.Getenv("GATEWAY_SOAK") == "" {
		t.Skip("takes minutes, and a machine that does nothing else: make soak")
	}
}

// blow loads a gateway and changes everything about it meanwhile.
func (s storm) blow(t *testing.T) {
	stream, w, renewing := newStormyWorld(t)
	visit := traffic{lasts: s.lasts, rate: s.renewing}
	var visited *borne
	var visiting sync.WaitGroup
	visiting.Go(func() { visited = renewing.bear(t, visit, nil) })
	changing := s.change(w)
	front := w.front()
	got := front.bear(t, s.traffic, stream)
	changing.Wait()
	visiting.Wait()
	w.tally(slices.Concat(got.requests, visited.requests), false)
	t.Log(got)
	t.Logf("meanwhile %d reloads, %d upgrades, %d restarts of the backend, %d files replaced, %d bad files; %d certificates were seen",
		s.reloads, s.upgrades, s.restarts, s.replaced, s.mistakes, front.certificates())
	t.Logf("the site whose certificates are renewed: %v; %d certificates were seen", visited, renewing.certificates())
	got.judge(t)
	if n := renewing.certificates(); n <= s.renewals {
		t.Errorf("only %d certificates of the CA were seen", n)
	}
}

// judge wants that no WebSocket and no download was dropped, and that there were
// some; world.tally judges the requests.
func (b *borne) judge(t *testing.T) {
	t.Helper()
	for _, why := range b.whys {
		t.Error(why)
	}
	if b.cut.Load() > 0 || b.corrupt.Load() > 0 || b.messages.Load() == 0 || b.downloads.Load() == 0 {
		t.Errorf("dropped: %v", b)
	}
}

// newStreamingWorld has a route to WebSockets and downloads.
func newStreamingWorld(t *testing.T) (*world, *streams) {
	t.Helper()
	return newStreamingWorldWith(t, "")
}

func newStreamingWorldWith(t *testing.T, more string) (*world, *streams) {
	t.Helper()
	stream := newStreams(t)
	w := newWorldWith(t, "0s", more+fmt.Sprintf("[[backend]]\nname = \"streams\"\nurl = %q\n", stream.url))
	w.change("[[backend]]\nname = \"api\"", "[[site.route]]\npath = \"/streams/\"\nbackend = \"streams\"\n[[backend]]\nname = \"api\"")
	w.do("reload")
	return w, stream
}

// newStormyWorld has a second site, with certificates of a CA that live shortly.
func newStormyWorld(t *testing.T) (stream *streams, w *world, renewing *front) {
	t.Helper()
	ca := startACME(t, shortLife)
	w, stream = newStreamingWorldWith(t, fmt.Sprintf(`
[acme]
directory = %q
ca_file = %q
[[site]]
name = "renewing.example.com"
listen = ["127.0.0.1:%d", "http://127.0.0.1:%d"]
certificate = "acme"
backend = "api"
`, ca.directory, ca.caFile, ca.tlsPort, ca.httpPort))
	w.gateway.waitFor("certificate obtained")
	return stream, w, newFront(t, "renewing.example.com", ca.tlsPort, &authority{pool: ca.roots(t)})
}

// change does all changes one after the other, spread over the time.
func (s storm) change(w *world) *sync.WaitGroup {
	good := readAll(w.t, w.config)
	folder, other, extra := w.certificates(), w.ca.install(w.t, "api.example.com"), freePort(w.t)
	var acts []func(i int)
	reload := func(i int) { w.reloadTo(variant(good, other, extra, i)) }
	for range s.reloads {
		acts = append(acts, reload)
	}
	spread := func(n int, act func(int)) {
		for i := range n {
			at := (i + 1) * len(acts) / (n + 1)
			acts = append(acts[:at], append([]func(int){act}, acts[at:]...)...)
		}
	}
	spread(s.upgrades, func(int) { w.upgradedBeside() })
	spread(s.restarts, func(int) { w.do("backend", "restart", "api") })
	spread(s.replaced, func(int) { w.ca.installIn(w.t, folder, "api.example.com") })
	spread(s.mistakes, func(int) {
		w.write("nonsense = 1\n" + good)
		if out, code := w.verb("reload"); code != exitFailed {
			w.t.Errorf("a bad file was taken over: %s", out)
		}
		w.write(good)
	})
	return every(len(acts), s.lasts, func(i int) { acts[i](i) })
}

// certificates is the folder that the file names.
func (w *world) certificates() string {
	w.t.Helper()
	for line := range strings.Lines(readAll(w.t, w.config)) {
		var folder string
		if n, _ := fmt.Sscanf(line, "files = %q", &folder); n == 1 {
			return folder
		}
	}
	w.t.Fatal("the file names no folder of certificates")
	return ""
}

// variant is the file with another certificate, with and without another site,
// with other limits and times.
func variant(good, certificates string, port, i int) string {
	text := strings.Replace(good, "[admin]", fmt.Sprintf("[timeouts]\nidle = \"%ds\"\n[admin]", 60+i), 1)
	if i%2 == 0 {
		at := strings.Index(text, "files = ")
		text = text[:at] + fmt.Sprintf("files = %q\n#", certificates) + text[at:]
	}
	if i%3 == 0 {
		text += fmt.Sprintf("\n[limits]\nstreams = %d\n[[site]]\nname = \"other.example.com\"\nlisten = [\"127.0.0.1:%d\"]\ncertificate = \"local\"\nbackend = \"streams\"\n", 100+i, port)
	}
	return text
}

// write replaces the file as an editor does.
func (w *world) write(text string) {
	next := filepath.Join(filepath.Dir(w.config), "next.toml")
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		w.t.Error(err)
		return
	}
	if err := os.Rename(next, w.config); err != nil {
		w.t.Error(err)
	}
}

func (w *world) reloadTo(text string) {
	w.write(text)
	if out, code := w.verb("reload"); code != exitDone {
		w.t.Errorf("reload: exit code %d: %s", code, out)
	}
}

// upgradedBeside is for another goroutine than that of the test. It returns the
// process that serves now, 0 if the upgrade failed.
func (w *world) upgradedBeside() int {
	out, code := w.verb("upgrade", "--json")
	var report upgradeReport
	if code != exitDone || json.Unmarshal([]byte(out), &report) != nil || report.PID == 0 {
		w.t.Errorf("upgrade: exit code %d: %s", code, out)
		return 0
	}
	endWithTest(w.t, report.PID)
	return report.PID
}
