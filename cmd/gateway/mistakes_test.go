package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mistake is something wrong that an admin hands to a gateway that bears a load.
type mistake struct {
	program string                   // for `gateway upgrade --binary`; "": none
	folder  string                   // of certificates, that the file names; "": the good one
	file    func(good string) string // what the file says; nil: the good one
	want    string                   // what the caller hears, with FILE, PROGRAM and FOLDER for paths
}

// make hands it over, puts the good file back, and judges what the caller hears.
func (m mistake) make(w *world, name, good string) {
	text, args := good, []string{"reload"}
	if m.file != nil {
		text = m.file(good)
	}
	if m.program != "" {
		args = []string{"upgrade", "--binary", m.program}
	}
	if m.folder != "" {
		text = strings.Replace(text, "files = ", fmt.Sprintf("files = %q\n# ", m.folder), 1)
	}
	w.write(text)
	defer w.write(good)
	out, code := w.verb(args...)
	for path, word := range map[string]string{m.program: "PROGRAM", m.folder: "FOLDER", w.config: "FILE"} {
		if path != "" {
			out = strings.ReplaceAll(out, path, word)
		}
	}
	if out != m.want || code != exitFailed {
		w.t.Errorf("%s: exit code %d, the caller hears\n%s\nwant\n%s", name, code, out, m.want)
	}
}

// notUpgraded is how the answer to a failed upgrade begins.
const notUpgraded = "gateway: nothing was changed, version unknown goes on: "

// badPrograms cannot take over.
func badPrograms(t *testing.T) map[string]mistake {
	cannotRun := "PROGRAM is no program for this machine, which is " + runtime.GOOS + "/" + runtime.GOARCH + ": copy the one that is: exec format error\n"
	saidNothing := " and said nothing: is it gateway, and all of it? Try: PROGRAM version\n"
	all := map[string]mistake{
		"it crashes at once":   {program: mistakeScript(t, "echo boom >&2; exit 3"), want: "PROGRAM: it ended before it could serve (exit status 3): boom\n"},
		"it ends at once":      {program: mistakeScript(t, "exit 0"), want: "PROGRAM: it ended before it could serve (exit status 0)" + saidNothing},
		"it is killed at once": {program: mistakeScript(t, "kill -9 $$"), want: "PROGRAM: it ended before it could serve (signal: killed)" + saidNothing},
		"it may not be run":    {program: writeFile(t, t.TempDir(), "gateway", "#!/bin/sh\n"), want: "PROGRAM may not be run: chmod 755 it, or name another program with --binary\n"},
		"it is not there":      {program: "/nonexistent/gateway", want: "the new program: stat PROGRAM: no such file or directory: name it with --binary\n"},
		"it is a folder":       {program: t.TempDir(), want: "PROGRAM is no file, so it cannot be run: name a program with --binary\n"},
		"it is empty":          {program: mistakeProgram(t, nil), want: cannotRun},
		"it is still copied":   {program: mistakeBeingCopied(t), want: "PROGRAM is still being written: try again when it is copied: text file busy\n"},
		"it refuses the file": {program: builtGateway(t), file: func(good string) string { return "nonsense = 1\n" + good },
			want: "PROGRAM: FILE:1: nonsense: there is no such key: the keys here are state, trusted_proxies, log, limits, timeouts, site, backend, acme, mail, webhook, admin, setup\n"},
	}
	if runtime.GOOS == "linux" {
		all["it is for another machine"] = mistake{program: mistakeForeign(t), want: cannotRun}
		half := readAll(t, builtGateway(t))[:1<<20]
		all["it is half a copy"] = mistake{program: mistakeProgram(t, []byte(half)), want: "PROGRAM: it ended before it could serve (signal: segmentation fault)" + saidNothing}
	}
	for name, m := range all {
		m.want = notUpgraded + m.want
		all[name] = m
	}
	return all
}

func mistakeScript(t *testing.T, text string) string {
	return mistakeProgram(t, []byte("#!/bin/sh\n"+text+"\n"))
}

// mistakeProgram lets no other process start while it writes: that one would have
// the file open for writing, too, for a moment, and such a file cannot be run.
func mistakeProgram(t *testing.T, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gateway")
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, text, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// mistakeForeign is gateway for a machine of IBM, as its ELF header says.
func mistakeForeign(t *testing.T) string {
	program := []byte(readAll(t, builtGateway(t)))
	const machine, s390 = 18, 22 // the place of e_machine, and one of its values
	program[machine] = s390
	return mistakeProgram(t, program)
}

func mistakeBeingCopied(t *testing.T) string {
	path := mistakeScript(t, "exit 0")
	copying, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { copying.Close() })
	return path
}

// badCertificates are not taken over, and the good one stays.
func badCertificates(t *testing.T, ca *authority) map[string]mistake {
	t.Helper()
	const key = "3_api.example.com.key"
	torn, wrong, ended, other := ca.install(t, "api.example.com"), ca.install(t, "api.example.com"), t.TempDir(), ca.install(t, "other.example.com")
	text := readAll(t, filepath.Join(torn, key))
	writeFile(t, torn, key, text[:len(text)/2])
	writeFile(t, wrong, key, text)
	ca.installUntil(t, ended, time.Now().Add(-50*time.Hour), "api.example.com")
	day := time.Now().Add(-50 * time.Hour).Format(time.DateOnly)
	all := map[string]mistake{
		"a torn key":               {folder: torn, want: `file FOLDER/3_api.example.com.key: block 1 (PRIVATE KEY) can't be read: it has no line "-----END PRIVATE KEY-----": the file was cut off or is still being written: copy the file here again as your CA sent it`},
		"another key":              {folder: wrong, want: "key FOLDER/3_api.example.com.key: fits no certificate; there is FOLDER/2_api.example.com.crt (api.example.com, ECDSA P-256): put the key here that was made together with the certificate's request, or have the certificate reissued for this key"},
		"an ended certificate":     {folder: ended, want: "certificate FOLDER/2_api.example.com.crt: expired on " + day + " (2 days ago): get a renewed one from your CA and put its files in FOLDER"},
		"the name of another site": {folder: other, want: "certificate FOLDER/2_other.example.com.crt: does not cover api.example.com: valid for other.example.com, 127.0.0.1, ::1: get a certificate that covers api.example.com and put its files in FOLDER, or take the name out of this site"},
		"an empty folder":          {folder: t.TempDir(), want: "folder FOLDER: holds no certificate and no key: put the files here that your CA sent: the certificate, its chain and its key, in PEM form"},
	}
	for name, m := range all {
		m.want += "\nnothing was changed: gateway goes on with what it had\n"
		all[name] = m
	}
	return all
}

// TestMistakes_UnderLoadChangeNothingAndTheCallerHearsWhy has each of them in a
// minute at noon, with the words that the admin reads.
func TestMistakes_UnderLoadChangeNothingAndTheCallerHearsWhy(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a load for 20 s; left out with -short")
	}
	w, stream := newStreamingWorld(t)
	good := readAll(t, w.config)
	all := badCertificates(t, w.ca)
	maps.Copy(all, badPrograms(t))
	all["a bad file"] = mistake{file: func(good string) string {
		return "nonsense = 1\n" + strings.Replace(good, `backend = "api"`, `backend = "apu"`, 1)
	}, want: "FILE:1: nonsense: there is no such key: the keys here are state, trusted_proxies, log, limits, timeouts, site, backend, acme, mail, webhook, admin, setup\n" +
		"FILE:16: site.backend: there is no backend \"apu\": did you mean \"api\"?\n" +
		"nothing was changed: gateway goes on with what it had\n"}
	names := slices.Sorted(maps.Keys(all))
	w.unchangedBy(t, stream, traffic{lasts: 20 * time.Second, rate: 100, sockets: 20, downloads: 4}, len(all), func(i int) {
		all[names[i]].make(w, names[i], good)
	})
	t.Logf("meanwhile %d mistakes: %s", len(names), strings.Join(names, ", "))
}

// unchangedBy bears traffic while n things are done that must change nothing: the
// same process serves the same certificate in front of the same backend.
func (w *world) unchangedBy(t *testing.T, stream *streams, tr traffic, n int, do func(i int)) {
	t.Helper()
	before := w.running()
	front := w.front()
	doing := every(n, tr.lasts, do)
	got := front.bear(t, tr, stream)
	doing.Wait()
	w.tally(got.requests, false)
	got.judge(t)
	t.Log(got)
	after := w.running()
	if after.PID != before.PID || after.Backends[0].PID != before.Backends[0].PID || after.Backends[0].Restarts != 0 || front.certificates() != 1 {
		t.Errorf("before\n%+v\nand after\n%+v; %d certificates were seen", before, after, front.certificates())
	}
}

// running is what `gateway status` tells.
func (w *world) running() (report statusReport) {
	w.t.Helper()
	if out := w.do("status", "--json"); json.Unmarshal([]byte(out), &report) != nil || len(report.Backends) == 0 {
		w.t.Fatalf("status: %s", out)
	}
	return report
}

// A program that never gets ready is given up after a minute, before it is lent
// the duty or while it has it.
func TestMistakes_AProgramThatHangsIsGivenUpUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("waits a minute until a program is given up; left out with -short")
	}
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{
		"before it could serve": "exec sleep 600",
		"with the duty":         fmt.Sprintf("%s=hang exec %q", heirEnv, self),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, stream := newStreamingWorld(t)
			good := readAll(t, w.config)
			hangs := mistake{program: mistakeScript(t, script), want: notUpgraded + "PROGRAM: it did not get ready within 1m0s\n"}
			w.unchangedBy(t, stream, traffic{lasts: 75 * time.Second, rate: 20, sockets: 5, downloads: 1}, 1, func(int) {
				hangs.make(w, name, good)
			})
		})
	}
}
