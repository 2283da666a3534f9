package conda

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/hosttest"
)

// The tests below run twice: here they boot a Debian and start themselves in it
// (hosttest.Self), and there they do the work.

// condaSource serves an installer over HTTPS, and can be made to break off.
type condaSource struct {
	*httptest.Server
	script  []byte
	sum, ca string
	cut     atomic.Int64
}

func condaServe(t *testing.T, version, afterwards string) *condaSource {
	t.Helper()
	s := &condaSource{}
	s.script, s.sum = condaInstaller(t, version, afterwards)
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"`+s.sum+`"`)
		if cut := s.cut.Load(); cut > 0 {
			w = condaCutter{w, cut}
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.script))
	}))
	t.Cleanup(s.Close)
	s.ca = filepath.Join(t.TempDir(), "ca.pem")
	condaMust(t, os.WriteFile(s.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o644))
	return s
}

// condaCutter sends so many bytes and then ends the connection.
type condaCutter struct {
	http.ResponseWriter
	left int64
}

func (c condaCutter) Write(p []byte) (int, error) {
	_, _ = c.ResponseWriter.Write(p[:min(int64(len(p)), c.left)])
	_ = http.NewResponseController(c.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

func (s *condaSource) config() Config {
	c := Default()
	c.Installer, c.SHA256, c.CAFile = s.URL+"/Standin.sh", s.sum, s.ca
	return c
}

// condaInHost starts the running test in a booted host, and tells whether it is there.
func condaInHost(t *testing.T, o hosttest.Options) bool {
	t.Helper()
	if hosttest.Inside() {
		return true
	}
	hosttest.Boot(t, o).Self(t, t.Name())
	return false
}

// condaApply plans and applies on this very machine.
func condaApply(t *testing.T, c Config) (host.Proposal, error) {
	t.Helper()
	step := New(c, Surroundings{Arch: "amd64"})
	engine := host.NewEngine(host.This(), "/var/lib/gateway")
	p, err := engine.Plan(t.Context(), []host.Step{step})
	condaMust(t, err)
	if p.Refused() || p.Empty() {
		return p, nil
	}
	_, err = engine.Apply(t.Context(), p, 0)
	return p, err
}

func condaUndo(t *testing.T) {
	t.Helper()
	_, err := host.NewEngine(host.This(), "/var/lib/gateway").Undo(t.Context(), host.Selection{})
	condaMust(t, err)
}

// condaShell runs lines in a shell, with the environment of a service.
func condaShell(t *testing.T, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%q: %v\n%s", argv, err, out)
	}
	return string(out)
}

// condaFingerprint is all that matters of the files that the step may touch.
func condaFingerprint(t *testing.T) string {
	t.Helper()
	return condaShell(t, "sh", "-c", `find /etc /opt /root /home /usr/local /var/lib/gateway-setup -not -path /usr/local/bin/host.test `+
		`\( -type f -printf '%m %U:%G %T@ %p\n' -o -type l -printf '%U:%G %T@ %p -> %l\n' -o -printf '%m %U:%G %p\n' \) 2>/dev/null | sort; `+
		`find /etc /home /opt /root -type f -print0 | sort -z | xargs -0 -r sha256sum`)
}

func TestHost_CondaIsThereForEverybodyAndGoesAgain(t *testing.T) {
	t.Parallel()
	if !condaInHost(t, hosttest.Options{Seed: "useradd -m -s /bin/bash alice; useradd -m -s /bin/zsh zoe"}) {
		return
	}
	syscall.Umask(0o077) // an admin's, which would lock everybody else out of conda
	s, before := condaServe(t, "1", ""), condaFingerprint(t)
	c := s.config()
	c.Envs = []Environment{{Name: "shared", Packages: []string{"python=3.12"}}, {Name: "work", User: "alice", Packages: []string{"numpy"}}}
	p, err := condaApply(t, c)
	condaMust(t, err)
	if p.Refused() {
		t.Fatalf("refused: %+v", p)
	}
	after := condaFingerprint(t)
	if p, err := condaApply(t, c); err != nil || !p.Empty() || condaFingerprint(t) != after {
		t.Errorf("a second time: %v, %+v", err, p)
	}
	condaWorksFor(t)
	condaUndo(t)
	if now := condaFingerprint(t); now != before {
		t.Errorf("undo has left this:\n%s", condaDiff(before, now))
	}
}

// condaWorksFor looks at conda with the eyes of different shells and users.
func condaWorksFor(t *testing.T) {
	t.Helper()
	for _, argv := range [][]string{
		{"conda", "--version"},
		{"runuser", "-u", "alice", "--", "conda", "--version"},
		{"runuser", "-l", "alice", "-c", "conda activate work && conda --version"},
		{"runuser", "-l", "zoe", "-c", "conda activate x && conda --version"},
		{"runuser", "-u", "zoe", "--", "zsh", "-c", "conda activate x && conda --version"},
		{"runuser", "-u", "alice", "--", "bash", "-i", "-c", "conda activate x && conda --version"},
		{"runuser", "-u", "alice", "--", "sh", "-c", ". /etc/profile && conda activate x && conda --version"},
		{"env", "-i", "/usr/local/bin/conda", "--version"},
	} {
		if out := condaShell(t, argv...); !strings.Contains(out, "conda 0.0.1") {
			t.Errorf("%q: got %q", argv, out)
		}
	}
	for path, want := range map[string]string{"/opt/conda/pkgs/big": "644 root", "/opt/conda/bin/conda": "755 root", "/opt/conda/envs/shared/conda-meta/history": "644 root",
		"/home/alice/.conda/envs/work/conda-meta/numpy-1.0-0.json": "644 alice", "/opt/conda/.gateway-installer": "644 root"} {
		if got := strings.TrimSpace(condaShell(t, "stat", "-c", "%a %U", path)); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	if out, err := exec.Command("runuser", "-u", "alice", "--", "conda", "install", "-p", "/opt/conda", "x").CombinedOutput(); err == nil || !strings.Contains(string(out), "EnvironmentNotWritable") {
		t.Errorf("alice can write to base: %s, %v", out, err)
	}
	if rest := condaShell(t, "sh", "-c", "ls -A /root/.conda /var/lib/gateway-setup 2>/dev/null; true"); rest != "" {
		t.Errorf("left behind: %s", rest)
	}
}

func condaDiff(before, after string) string {
	was := map[string]bool{}
	for line := range strings.Lines(before) {
		was[line] = true
	}
	var b strings.Builder
	for line := range strings.Lines(after) {
		if !was[line] {
			b.WriteString("+ " + line)
		}
		delete(was, line)
	}
	for line := range was {
		b.WriteString("- " + line)
	}
	return b.String()
}

// The faults share a host, since each leaves it as it was.
func TestHost_TakesEveryFault(t *testing.T) {
	t.Parallel()
	if !condaInHost(t, hosttest.Options{Seed: "useradd -m -s /bin/bash alice"}) {
		return
	}
	t.Run("what goes wrong leaves the host as it was", condaWhatGoesWrongLeavesTheHostAsItWas)
	t.Run("a full disk is left as full as it was", condaAFullDiskIsLeftAsFullAsItWas)
	t.Run("a kill in the middle of the installer is taken back", condaAKillInTheMiddleOfTheInstallerIsTakenBack)
	t.Run("a download goes on in the next run", condaADownloadGoesOnInTheNextRun)
	t.Run("environments come and go by command", condaEnvironmentsComeAndGo)
	t.Run("environments are worth more than an undo", condaAUsersEnvironmentsAreWorthMoreThanAnUndo)
}

func condaWhatGoesWrongLeavesTheHostAsItWas(t *testing.T) {
	before := condaFingerprint(t)
	for name, c := range map[string]struct {
		afterwards string
		change     func(*Config)
		want       string
	}{
		"a wrong sum":                       {"", func(c *Config) { c.SHA256 = strings.Repeat("ab", 32) }, "not run"},
		"an installer that fails half-way":  {"echo the disk is broken >&2; exit 3", nil, "exit status 3: the disk is broken"},
		"a conda that does not work":        {`rm "$prefix/bin/conda"; printf '#!/bin/sh\nexit 9\n' >"$prefix/bin/conda"; chmod 755 "$prefix/bin/conda"`, nil, "does not work"},
		"an environment that can't be made": {"", func(c *Config) { c.Envs = []Environment{{Name: "a", Packages: []string{"unobtainable"}}} }, "PackagesNotFoundError"},
		"one of a user that can't be made": {"", func(c *Config) {
			c.Envs = []Environment{{Name: "a", User: "alice", Packages: []string{"unobtainable"}}}
		}, "PackagesNotFoundError"},
	} {
		config := condaServe(t, "1", c.afterwards).config()
		if c.change != nil {
			c.change(&config)
		}
		_, err := condaApply(t, config)
		var failed *host.FailedError
		if !errors.As(err, &failed) || failed.Left != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
		condaTidied(t)
		if now := condaFingerprint(t); now != before {
			t.Errorf("%s has left this:\n%s", name, condaDiff(before, now))
		}
	}
}

// condaTidied removes the download that a failed run keeps for the next one.
func condaTidied(t *testing.T) { condaMust(t, os.RemoveAll(Folder)) }

func condaADownloadGoesOnInTheNextRun(t *testing.T) {
	s := condaServe(t, "1", "")
	part := filepath.Join(Folder, "download", "Standin.sh.part")
	s.cut.Store(int64(len(s.script) / 2))
	ctx, cancel := context.WithCancel(t.Context())
	engine := host.NewEngine(host.This(), "/var/lib/gateway")
	engine.Machine.Progress = func(_ string, done, _ int64) {
		if done > 0 {
			cancel() // Ctrl-C
		}
	}
	p, err := engine.Plan(ctx, []host.Step{New(s.config(), Surroundings{Arch: "amd64"})})
	condaMust(t, err)
	if _, err := engine.Apply(ctx, p, 0); err == nil || !strings.Contains(err.Error(), "goes on from there") {
		t.Errorf("called off: %v", err)
	}
	info, err := os.Stat(part)
	if err != nil || info.Size() == 0 {
		t.Fatalf("no part is kept: %v", err)
	}
	s.cut.Store(0)
	if _, err := condaApply(t, s.config()); err != nil {
		t.Fatal(err)
	}
	condaShell(t, "conda", "--version")
	condaUndo(t)
}

func condaAKillInTheMiddleOfTheInstallerIsTakenBack(t *testing.T) {
	before := condaFingerprint(t)
	s := condaServe(t, "1", "touch /run/installing; sleep 2; touch /opt/conda/written-later")
	killed := exec.Command(os.Args[0], "-test.run", "^TestHost_IsKilledHere$")
	killed.Env = append(os.Environ(), "CONDA_KILLED_URL="+s.URL, "CONDA_KILLED_SUM="+s.sum, "CONDA_KILLED_CA="+s.ca)
	condaMust(t, killed.Start())
	for condaMissing("/run/installing") { // another process, which has no event to wait for
		time.Sleep(10 * time.Millisecond)
	}
	condaMust(t, killed.Process.Kill())
	_ = killed.Wait()
	if condaMissing("/opt/conda/bin/conda") {
		t.Fatal("it was killed too early to show anything")
	}
	engine := host.NewEngine(host.This(), "/var/lib/gateway")
	if runs, err := engine.Recover(t.Context()); err != nil || len(runs) != 1 {
		t.Fatalf("got %v, %v", runs, err)
	}
	condaTidied(t)
	if now := condaFingerprint(t); now != before {
		t.Errorf("it has left this:\n%s", condaDiff(before, now))
	}
}

func condaMissing(path string) bool {
	_, err := os.Stat(path)
	return err != nil
}

// TestHost_IsKilledHere is the process of the test above that dies.
func TestHost_IsKilledHere(t *testing.T) {
	url := os.Getenv("CONDA_KILLED_URL")
	if url == "" {
		return
	}
	c := Default()
	c.Installer, c.SHA256, c.CAFile = url+"/Standin.sh", os.Getenv("CONDA_KILLED_SUM"), os.Getenv("CONDA_KILLED_CA")
	_, err := condaApply(t, c)
	t.Fatalf("it was not killed: %v", err)
}

func TestHost_AnUpgradeKeepsEnvironmentsAndGoesBackWhenItFails(t *testing.T) {
	t.Parallel()
	if !condaInHost(t, hosttest.Options{Seed: "useradd -m alice; mkdir /opt/conda"}) { // an empty folder is no obstacle
		return
	}
	first := condaServe(t, "1", "")
	if _, err := condaApply(t, first.config()); err != nil {
		t.Fatal(err)
	}
	condaShell(t, "sh", "-c", "mkdir -p /opt/conda/envs/hers/conda-meta && touch /opt/conda/envs/hers/conda-meta/history && chown -R alice /opt/conda/envs/hers && echo 'ssl_verify: true' >>/opt/conda/.condarc")
	before := condaFingerprint(t)
	if _, err := condaApply(t, condaServe(t, "2", "exit 1").config()); err == nil {
		t.Error("an installer that fails was taken for one that did not")
	}
	condaTidied(t)
	if now := condaFingerprint(t); now != before {
		t.Errorf("the failed upgrade has left this:\n%s", condaDiff(before, now))
	}
	second := condaServe(t, "2", "").config()
	if _, err := condaApply(t, second); err != nil {
		t.Fatal(err)
	}
	if out := condaShell(t, "conda", "--version"); !strings.Contains(out, "0.0.2") {
		t.Errorf("after the upgrade: %s", out)
	}
	if out := condaShell(t, "sh", "-c", "stat -c %U /opt/conda/envs/hers; grep ssl_verify /opt/conda/.condarc"); out != "alice\nssl_verify: true\n" {
		t.Errorf("got %q", out)
	}
	if p, err := condaApply(t, second); err != nil || !p.Empty() {
		t.Errorf("a second time: %v, %+v", err, p)
	}
	condaUndo(t)
	if now := condaFingerprint(t); now != before {
		t.Errorf("undo of the upgrade has left this:\n%s", condaDiff(before, now))
	}
}

func condaAFullDiskIsLeftAsFullAsItWas(t *testing.T) {
	condaShell(t, "mount", "-t", "tmpfs", "-o", "size=512k,mode=0755", "tmpfs", "/opt")
	t.Cleanup(func() { condaShell(t, "umount", "/opt") })
	_, err := condaApply(t, condaServe(t, "1", "").config())
	if err == nil || !strings.Contains(err.Error(), "No space left") {
		t.Errorf("got %v", err)
	}
	if rest := condaShell(t, "ls", "-A", "/opt"); rest != "" {
		t.Errorf("left behind: %s", rest)
	}
	condaTidied(t)
}

func condaEnvironmentsComeAndGo(t *testing.T) {
	before := condaFingerprint(t)
	c := condaServe(t, "1", "").config()
	if _, err := condaApply(t, c); err != nil {
		t.Fatal(err)
	}
	step, engine := New(c, Surroundings{Arch: "amd64"}), host.NewEngine(host.This(), "/var/lib/gateway")
	single := func(one Single) host.Proposal {
		p, err := engine.Plan(t.Context(), []host.Step{one})
		condaMust(t, err)
		if !p.Refused() && !p.Empty() {
			_, err = engine.Apply(t.Context(), p, 0)
			condaMust(t, err)
		}
		return p
	}
	all, hers := Environment{Name: "work", Packages: []string{"python=3.12"}}, Environment{Name: "work", User: "alice", Packages: []string{"numpy"}}
	single(step.Add(all))
	single(step.Add(hers))
	if p := single(step.Add(hers)); !p.Empty() {
		t.Errorf("a second time: %+v", p)
	}
	list, err := step.List(host.This())
	want := []Found{{"work", "", "/opt/conda/envs/work", "3.12", 1}, {"work", "alice", "/home/alice/.conda/envs/work", "", 1}}
	if err != nil || !slices.Equal(list, want) {
		t.Errorf("got %+v, %v", list, err)
	}
	single(step.Remove(all))
	single(step.Remove(hers))
	if p := single(step.Remove(hers)); !p.Refused() {
		t.Errorf("what is not there was removed: %+v", p)
	}
	if text := condaShell(t, "cat", Folder+"/opt-conda-envs-work.txt"); text != "@EXPLICIT\nhttps://example.com/python-3.12-0.conda\n" {
		t.Errorf("of the packages is kept %q", text)
	}
	_, err = engine.Undo(t.Context(), host.Selection{All: true})
	condaMust(t, err)
	condaTidied(t)
	if now := condaFingerprint(t); now != before {
		t.Errorf("it has left this:\n%s", condaDiff(before, now))
	}
}

func condaAUsersEnvironmentsAreWorthMoreThanAnUndo(t *testing.T) {
	if _, err := condaApply(t, condaServe(t, "1", "").config()); err != nil {
		t.Fatal(err)
	}
	condaShell(t, "mkdir", "/opt/conda/envs/precious")
	_, err := host.NewEngine(host.This(), "/var/lib/gateway").Undo(t.Context(), host.Selection{})
	if err == nil || !strings.Contains(err.Error(), "/opt/conda/envs/precious was made since then") || condaMissing("/opt/conda/bin/conda") {
		t.Errorf("got %v", err)
	}
}
