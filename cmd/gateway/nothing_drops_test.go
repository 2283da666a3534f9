package main

import (
	"encoding/json"
	"fmt"
	"maps"
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
	changes := s.changes(w)
	changing := every(len(changes.acts), s.lasts, func(i int) { changes.acts[i](i) })
	front := w.front()
	got := front.bear(t, s.traffic, stream)
	changing.Wait()
	visiting.Wait()
	w.tally(slices.Concat(got.requests, visited.requests), false)
	t.Log(got)
	t.Logf("meanwhile %v; %d certificates were seen", changes, front.certificates())
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

// changes are made one after the other.
type changes struct {
	acts []func(i int)
	made map[string]int
}

// add has one more kind made so many times, spread among the others. It tells
// whether it was made.
func (c *changes) add(times int, what string, act func(i int) bool) {
	for n := range times {
		at := (n + 1) * len(c.acts) / (times + 1)
		c.acts = slices.Insert(c.acts, at, func(i int) {
			if act(i) {
				c.made[what]++
			}
		})
	}
}

// until makes them again and again.
func (c *changes) until(stop <-chan struct{}, rest time.Duration) {
	for i := 0; !pause(rest, stop); i++ {
		c.acts[i%len(c.acts)](i)
	}
}

func (c *changes) String() string {
	var all []string
	for _, what := range slices.Sorted(maps.Keys(c.made)) {
		all = append(all, fmt.Sprintf("%d %s", c.made[what], what))
	}
	return strings.Join(all, ", ")
}

// reloads have sites added and taken away, certificates and limits changed.
func (w *world) reloads(times int, good string) *changes {
	other, extra := w.ca.install(w.t, "api.example.com"), freePort(w.t)
	c := &changes{made: map[string]int{}}
	c.add(times, "reloads", func(i int) bool { return w.reloadTo(variant(good, other, extra, i)) })
	return c
}

func (w *world) restarted(int) bool {
	w.do("backend", "restart", "api")
	return true
}

// replacer puts other certificates into the folder that the file names.
func (w *world) replacer() func(int) bool {
	folder := w.certificates()
	return func(int) bool {
		w.ca.installIn(w.t, folder, "api.example.com")
		return true
	}
}

// changes are those of a storm.
func (s storm) changes(w *world) *changes {
	good := readAll(w.t, w.config)
	c := w.reloads(s.reloads, good)
	c.add(s.upgrades, "upgrades", func(int) bool { return w.upgradedBeside() != 0 })
	c.add(s.restarts, "restarts of the backend", w.restarted)
	c.add(s.replaced, "replaced certificates", w.replacer())
	c.add(s.mistakes, "bad files", func(int) bool {
		w.write("nonsense = 1\n" + good)
		defer w.write(good)
		out, code := w.verb("reload")
		if code != exitFailed {
			w.t.Errorf("a bad file was taken over: %s", out)
		}
		return true
	})
	return c
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
	text := strings.Replace(good, "[timeouts]", fmt.Sprintf("[timeouts]\nhandover = \"3h\"\nidle = \"%ds\"", 60+i%60), 1)
	if i%2 == 0 {
		at := strings.Index(text, "files = ")
		text = text[:at] + fmt.Sprintf("files = %q\n#", certificates) + text[at:]
	}
	if i%3 == 0 {
		text += fmt.Sprintf("\n[limits]\nstreams = %d\n[[site]]\nname = \"other.example.com\"\nlisten = [\"127.0.0.1:%d\"]\ncertificate = \"local\"\nbackend = \"streams\"\n", 100+i%60, port)
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

// reloadTo tells whether the text was taken over.
func (w *world) reloadTo(text string) bool {
	w.write(text)
	out, code := w.verb("reload")
	if code != exitDone {
		w.t.Errorf("reload: exit code %d: %s", code, out)
	}
	return code == exitDone
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
