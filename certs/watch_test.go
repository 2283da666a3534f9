package certs

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// watchLog collects log lines of a store that runs.
type watchLog struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (w *watchLog) Write(p []byte) (int, error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.text.Write(p)
}

// count returns the number of lines with all of the parts.
func (w *watchLog) count(parts ...string) int {
	w.lock.Lock()
	defer w.lock.Unlock()
	lines := 0
	for line := range strings.Lines(w.text.String()) {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			lines++
		}
	}
	return lines
}

// watched is a live server whose files are replaced while clients connect.
type watched struct {
	t      *testing.T
	ca     *pkiCA
	store  *Store
	folder string
	log    *watchLog
}

func newWatched(t *testing.T) *watched {
	w := &watched{t: t, ca: pkiRoot(t, "Root"), folder: t.TempDir(), log: &watchLog{}}
	w.store = pkiStore(t, slog.New(slog.NewTextHandler(w.log, nil)))
	w.store.Roots = pkiPool(w.ca)
	w.write(w.issue())
	if err := w.store.Apply(t.Context(), []Site{pkiSite("api.example.com", w.folder)}); err != nil {
		t.Fatal(err)
	}
	pkiRunning(t, w.store)
	w.clients(pkiServer(t, w.store.TLSConfig()))
	return w
}

// clients connect all the time until the test ends. None may fail.
func (w *watched) clients(address string) {
	stop := make(chan struct{})
	var running sync.WaitGroup
	var handshakes atomic.Int64
	for range 2 {
		running.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := pkiDial(address, &tls.Config{ServerName: "api.example.com", RootCAs: pkiPool(w.ca)}); err != nil {
					w.t.Error("handshake failed:", err)
					return
				}
				handshakes.Add(1)
			}
		})
	}
	w.t.Cleanup(func() {
		close(stop)
		running.Wait()
		w.t.Logf("%d handshakes", handshakes.Load())
	})
}

func (w *watched) issue(options ...pkiOption) pkiLeaf {
	return w.ca.issue(w.t, nil, []string{"api.example.com"}, options...)
}

func (w *watched) path(name string) string { return filepath.Join(w.folder, name) }

func (w *watched) writeCert(leaf pkiLeaf) {
	pkiWrite(w.t, w.folder, map[string]string{"cert.pem": pkiPEM(leaf.cert, w.ca.cert)})
}

func (w *watched) writeKey(leaf pkiLeaf) {
	pkiWrite(w.t, w.folder, map[string]string{"cert.key": pkiKeyPEM(w.t, leaf.key)})
}

func (w *watched) write(leaf pkiLeaf) { w.writeCert(leaf); w.writeKey(leaf) }

func (w *watched) rename(name, text string) {
	pkiWrite(w.t, w.folder, map[string]string{".new": text})
	if err := os.Rename(w.path(".new"), w.path(name)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watched) served(leaf pkiLeaf) {
	w.t.Helper()
	pkiEventually(w.t, "the new certificate is served", func() bool { return shows(w.store, leaf) && len(w.store.Status()[0].Refused) == 0 })
}

// refused waits until the replacement was refused with these words.
func (w *watched) refused(part string) {
	w.t.Helper()
	pkiEventually(w.t, "refused: "+part, func() bool {
		status := w.store.Status()[0]
		return len(status.Refused) > 0 && strings.Contains(joined(status.Refused, Warning).Error(), part) && !status.Since.IsZero()
	})
}

// logged waits for so many lines: they come a moment after the status.
func (w *watched) logged(lines int, parts ...string) {
	w.t.Helper()
	pkiEventually(w.t, "logged: "+strings.Join(parts, " "), func() bool { return w.log.count(parts...) >= lines })
}

// pause waits until the files were looked at a few times.
func (w *watched) pause() {
	timer := time.NewTimer(5 * w.store.Interval)
	defer timer.Stop()
	<-timer.C
}

func TestStore_FollowsReplacedFilesWithoutOneFailedHandshake(t *testing.T) {
	w := newWatched(t)
	for _, step := range []struct {
		name    string
		replace func(pkiLeaf)
	}{
		{"in place, the certificate first", w.write},
		{"in place, the key first", func(leaf pkiLeaf) { w.writeKey(leaf); w.pause(); w.writeCert(leaf) }},
		{"the certificate long before the key", func(leaf pkiLeaf) { w.writeCert(leaf); w.pause(); w.writeKey(leaf) }},
		{"renamed over", func(leaf pkiLeaf) {
			w.rename("cert.pem", pkiPEM(leaf.cert))
			w.rename("cert.key", pkiKeyPEM(t, leaf.key))
		}},
		{"deleted, then written", func(leaf pkiLeaf) {
			_ = os.Remove(w.path("cert.pem"))
			_ = os.Remove(w.path("cert.key"))
			w.pause()
			w.write(leaf)
		}},
		{"written slowly", func(leaf pkiLeaf) {
			w.writeKey(leaf)
			text := pkiPEM(leaf.cert, w.ca.cert)
			for end := 0; end < len(text); end += len(text)/5 + 1 {
				pkiWrite(t, w.folder, map[string]string{"cert.pem": text[:end]})
				w.pause()
			}
			w.writeCert(leaf)
		}},
		{"links swapped", func(leaf pkiLeaf) {
			archive := t.TempDir()
			pkiWrite(t, archive, map[string]string{"cert": pkiPEM(leaf.cert), "key": pkiKeyPEM(t, leaf.key)})
			for _, part := range [][2]string{{"cert", "cert.pem"}, {"key", "cert.key"}} {
				if err := os.Symlink(filepath.Join(archive, part[0]), w.path(".link")); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(w.path(".link"), w.path(part[1])); err != nil {
					t.Fatal(err)
				}
			}
		}},
	} {
		next := w.issue()
		step.replace(next)
		w.served(next)
		t.Log("followed:", step.name)
	}
}

func TestStore_KeepsTheLastGoodPairWhenTheNewFilesAreBad(t *testing.T) {
	w := newWatched(t)
	good := w.issue()
	w.write(good)
	w.served(good)
	hour := time.Hour
	for _, step := range []struct {
		name, want string
		spoil      func()
	}{
		{"garbage", "holds neither a certificate nor a key", func() { pkiWrite(t, w.folder, map[string]string{"cert.pem": "<html>"}) }},
		{"torn", "was cut off or is still being written", func() { text := pkiPEM(good.cert); pkiWrite(t, w.folder, map[string]string{"cert.pem": text[:200]}) }},
		{"mismatch", "fits no certificate; there is", func() { w.writeCert(w.issue()) }},
		{"deleted", "fits no certificate: there is none beside it", func() { _ = os.Remove(w.path("cert.pem")) }},
		{"expired", "expired on", func() { w.write(w.issue(pkiDates(time.Now().Add(-48*hour), time.Now().Add(-hour)))) }},
		{"of another name", "does not cover api.example.com: valid for other.example.com", func() { w.write(w.ca.issue(t, nil, []string{"other.example.com"})) }},
		{"of the future", "not valid before", func() { w.write(w.issue(pkiDates(time.Now().Add(hour), time.Now().Add(48*hour)))) }},
	} {
		// A machine under load may show the moment between two files as well, which
		// is an error of its own: only lines with this one are counted.
		before := w.log.count("not in use, the last good ones stay", step.want)
		step.spoil()
		w.refused(step.want)
		w.logged(before+1, "not in use, the last good ones stay", step.want)
		w.pause()
		if lines := w.log.count("not in use, the last good ones stay", step.want) - before; lines != 1 {
			t.Errorf("%s: %d lines in the log, want 1", step.name, lines)
		}
		if !shows(w.store, good) {
			t.Errorf("%s: the good pair is gone", step.name)
		}
		w.write(good)
		w.served(good)
	}
	w.logged(7, "certificate files are good again")
	if lines := w.log.count("certificate files are good again"); lines != 7 {
		t.Errorf("%d times good again, want 7", lines)
	}
}

func TestFiles_AReplacementIsTakenWhenItsTimeComes(t *testing.T) {
	ca, now := pkiRoot(t, "Root"), time.Now()
	names := []string{"api.example.com"}
	folder := pkiInstall(t, ca.issue(t, nil, names), ca.cert)
	source, _ := newFileSource(pkiSite(names[0], folder), time.Second, pkiPool(ca), slog.New(slog.DiscardHandler), now)
	first := source.view.Load().served
	next := ca.issue(t, nil, names, pkiDates(now.Add(time.Hour), now.Add(90*24*time.Hour)))
	pkiWrite(t, folder, map[string]string{"fullchain.pem": pkiPEM(next.cert), "privkey.pem": pkiKeyPEM(t, next.key)})
	source.look(now)
	if view := source.view.Load(); view.served != first || view.candidate != nil {
		t.Error("a bad change was reported at its first sight")
	}
	source.look(now)
	if status := source.Status(now)[0]; len(status.Refused) != 1 || !strings.Contains(status.Refused[0].Cause, "not valid before") {
		t.Errorf("%+v", status)
	}
	source.look(now.Add(2 * time.Hour))
	if view := source.view.Load(); !view.served.pairs[0].leaf.Equal(next.cert) || view.candidate != nil {
		t.Error("not taken over")
	}
}

func TestStore_KeepsBothKindsOfKeyWhenOneFileBreaks(t *testing.T) {
	w := newWatched(t)
	rsaLeaf := w.ca.issue(t, pkiRSA(), []string{"api.example.com"})
	pkiWrite(t, w.folder, map[string]string{"rsa.pem": pkiPEM(rsaLeaf.cert), "rsa.key": pkiKeyPEM(t, rsaLeaf.key)})
	w.served(rsaLeaf)
	pkiWrite(t, w.folder, map[string]string{"rsa.pem": "garbage"})
	w.refused("holds neither")
	if !shows(w.store, rsaLeaf) {
		t.Error("the RSA pair is gone")
	}
	for _, name := range []string{"rsa.pem", "rsa.key"} {
		if err := os.Remove(w.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	pkiEventually(t, "a pair removed as a whole is not served any more", func() bool { return !shows(w.store, rsaLeaf) })
}
