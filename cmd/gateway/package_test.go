package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// packageSources is the folder of the sources.
const packageSources = "../.."

// packageRun runs a script of .ci in a folder of sources.
func packageRun(t *testing.T, sources string, env []string, script string, args ...string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(sources, ".ci", script), args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		stderr := ""
		if exit, ok := err.(*exec.ExitError); ok {
			stderr = string(exit.Stderr)
		}
		t.Fatalf("%s: %v\n%s%s", script, err, out, stderr)
	}
	return strings.TrimSpace(string(out))
}

func TestPackage_ALaterCommitIsALaterVersionOfDebian(t *testing.T) {
	t.Parallel()
	needPrograms(t, "dpkg")
	before := "0"
	for _, c := range []struct{ described, want string }{
		{"1e87380", "0~git20231114221320.1e87380"},
		{"unknown", "0~git20231114221320.unknown"},
		{"v0.9.0-rc1", "0.9.0~rc1"},
		{"v0.9.0-rc1-2-g1e87380", "0.9.0~rc1+2.g1e87380"},
		{"v0.9.0-rc1-2-g1e87380-dirty", "0.9.0~rc1+2.g1e87380+dirty"},
		{"v0.9.0", "0.9.0"},
		{"v0.9.0-dirty", "0.9.0+dirty"},
		{"1.0", "1.0"},
		{"v1.2.3", "1.2.3"},
		{"v1.2.3-4-g1e87380", "1.2.3+4.g1e87380"},
		{"v1.2.3-14-g5e87380", "1.2.3+14.g5e87380"},
	} {
		got := packageRun(t, packageSources, nil, "deb-version", c.described, "1700000000")
		if got != c.want {
			t.Errorf("%s became %s, and not %s", c.described, got, c.want)
		}
		// The first two have no order, and are before every release.
		if strings.HasPrefix(c.want, "0~git") {
			continue
		}
		if err := exec.Command("dpkg", "--compare-versions", before, "lt", got).Run(); err != nil {
			t.Errorf("%s is not later than %s", got, before)
		}
		before = got
	}
}

func TestPackage_ScriptsAreAsShellcheckWantsThem(t *testing.T) {
	t.Parallel()
	needPrograms(t, "shellcheck")
	var scripts []string
	for _, pattern := range []string{"package", "licenses", "deb-version", "run", "tools", "fuzz", "deb/p*"} {
		found, err := filepath.Glob(filepath.Join(packageSources, ".ci", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no script is called %s: %v", pattern, err)
		}
		scripts = append(scripts, found...)
	}
	if out, err := exec.Command("shellcheck", scripts...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// packageCopy copies the sources to another place, without git.
func packageCopy(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{".ci", "cmd", "proxy", "certs", "health", "go.mod", "go.sum", "README.md", "config.example.toml"} {
		if out, err := exec.Command("cp", "-R", filepath.Join(packageSources, name), folder).CombinedOutput(); err != nil {
			t.Fatalf("copy %s: %v\n%s", name, err, out)
		}
	}
	return folder
}

// packageMake makes all that is handed out for this machine's architecture on
// Linux, and returns the contents by their names.
func packageMake(t *testing.T, sources string, env ...string) map[string][]byte {
	t.Helper()
	folder := t.TempDir()
	env = append(env, "VERSION=v1.2.3", "SOURCE_DATE_EPOCH=1700000000", "PGO=off", "ARCHITECTURES="+runtime.GOARCH, "PLATFORMS=linux/"+runtime.GOARCH)
	for _, kind := range []string{"deb", "dist"} {
		packageRun(t, sources, env, "package", kind, folder)
	}
	made := map[string][]byte{}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		made[entry.Name()] = content
	}
	return made
}

func TestPackage_TheSameSourcesGiveTheSameBytesAnywhere(t *testing.T) {
	t.Parallel()
	needPrograms(t, "tar", "gzip", "sha256sum", "dpkg-deb", "lintian", "mandoc")
	made := packageMake(t, packageSources)
	deb, archive := "gateway_1.2.3_"+runtime.GOARCH+".deb", "gateway-1.2.3-linux-"+runtime.GOARCH+".tar.gz"
	if len(made) != 3 || made[deb] == nil || made[archive] == nil || bytes.Count(made["SHA256SUMS"], []byte("\n")) != 2 {
		t.Fatalf("it made %d files; SHA256SUMS is\n%s", len(made), made["SHA256SUMS"])
	}
	again := packageMake(t, packageCopy(t), "TZ=Asia/Shanghai", "LANG=de_DE.UTF-8", "GOFLAGS=-tags=other", "HOSTNAME=elsewhere")
	if !bytes.Equal(made["SHA256SUMS"], again["SHA256SUMS"]) {
		t.Errorf("here:\n%selsewhere:\n%s", made["SHA256SUMS"], again["SHA256SUMS"])
	}
	path := filepath.Join(t.TempDir(), deb)
	if err := os.WriteFile(path, made[deb], 0o600); err != nil {
		t.Fatal(err)
	}
	packageHolds(t, path)
	packageSaysOfItself(t, path)
	packageHasReadablePages(t, path)
	packageIsAsDebianWants(t, path)
}

// packageSaysOfItself compares the fields by which dpkg knows a package.
func packageSaysOfItself(t *testing.T, path string) {
	t.Helper()
	out, err := exec.Command("dpkg-deb", "--field", path, "Package", "Version", "Architecture", "Maintainer", "Depends", "Section", "Priority").Output()
	want := "Package: gateway\nVersion: 1.2.3\nArchitecture: " + runtime.GOARCH + `
Maintainer: The gateway developers <gateway@localhost>
Depends: passwd
Section: httpd
Priority: optional
`
	if err != nil || !slices.Equal(packageLines(string(out)), packageLines(want)) {
		t.Errorf("%v\n%s", err, out)
	}
}

// packageLines are lines in an order of their own: dpkg has another one.
func packageLines(text string) []string {
	return slices.Sorted(strings.Lines(text))
}

// packageHasReadablePages has mandoc read the manual pages, which it finds more in
// than man does.
func packageHasReadablePages(t *testing.T, path string) {
	t.Helper()
	folder := t.TempDir()
	if out, err := exec.Command("dpkg-deb", "--extract", path, folder).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	manuals := filepath.Join(folder, "usr/share/man/man1")
	if out, err := exec.Command("gzip", "--decompress", "--recursive", manuals).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	pages, err := filepath.Glob(filepath.Join(manuals, "*.1"))
	if err != nil || len(pages) < 40 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	if out, err := exec.Command("mandoc", append([]string{"-T", "lint", "-W", "warning"}, pages...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
	first, err := exec.Command("mandoc", "-T", "ascii", "-O", "width=200", filepath.Join(manuals, "gateway.1")).Output()
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile(".\b").ReplaceAllString(string(first), "") // what is printed twice is bold
	for _, want := range []string{"EXIT STATUS\n       0      done\n", "ENVIRONMENT\n", "FILES\n       /etc/gateway/config.toml\n", "SIGNALS\n       SIGTERM, SIGINT\n", "SEE ALSO\n       journalctl(1), "} {
		if !strings.Contains(shown, want) {
			t.Errorf("gateway(1) has no %q:\n%s", want, shown)
		}
	}
}

// packageIsAsDebianWants has lintian look for what breaks Debian's policy. What is
// as it must be all the same stands with its reason in .ci/deb/lintian-overrides.
func packageIsAsDebianWants(t *testing.T, path string) {
	t.Helper()
	out, err := exec.Command("lintian", "--allow-root", "--fail-on", "error,warning", path).CombinedOutput()
	if err != nil || regexp.MustCompile("(?m)^[EW]: ").Match(out) {
		t.Errorf("%v\n%s", err, out)
	}
}

// packageHolds looks what is in a package, and whom it belongs to.
func packageHolds(t *testing.T, path string) {
	t.Helper()
	out, err := exec.Command("dpkg-deb", "--contents", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`-rwxr-xr-x root/root .* \./usr/bin/gateway`,
		`-rw-r--r-- root/root .* \./usr/lib/systemd/system/gateway\.service`,
		`-rw-r--r-- root/root .* \./usr/share/gateway/config\.example\.toml`,
		`-rw-r--r-- root/root .* \./usr/share/doc/gateway/copyright`,
		`-rw-r--r-- root/root .* \./usr/share/doc/gateway/changelog\.gz`,
		`-rw-r--r-- root/root .* \./usr/share/man/man1/gateway-setup-apply\.1\.gz`,
		`-rw-r--r-- root/root .* \./usr/share/bash-completion/completions/gateway`,
		`-rw-r--r-- root/root .* \./usr/share/zsh/vendor-completions/_gateway`,
		`-rw-r--r-- root/root .* \./usr/share/fish/vendor_completions\.d/gateway\.fish`,
	} {
		if !regexp.MustCompile("(?m)^" + line + "$").Match(out) {
			t.Errorf("%s is missing", line)
		}
	}
	for line := range strings.Lines(string(out)) {
		if !regexp.MustCompile(`^([d-]rw[x-]r-[x-]r-[x-]|l[rwx-]{9}) root/root `).MatchString(line) || regexp.MustCompile(`\./(etc|var|run|home|root)/`).MatchString(line) {
			t.Errorf("it must not have %s", line)
		}
	}
}
