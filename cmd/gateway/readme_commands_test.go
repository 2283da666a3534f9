package main

import (
	"archive/zip"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// readmeBlock is the code behind a mark such as "<!-- host: check -->".
func readmeBlock(t *testing.T, mark string) string {
	t.Helper()
	_, rest, found := strings.Cut(readmeText(t), "<!-- "+mark+" -->\n```")
	_, rest, begun := strings.Cut(rest, "\n")
	block, _, ended := strings.Cut(rest, "\n```")
	if !found || !begun || !ended {
		t.Fatalf("README.md has no code behind the mark %q", mark)
	}
	return block + "\n"
}

// readmeShell runs a line as a shell does and returns all that it printed.
func readmeShell(t *testing.T, line string, env ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	command.Env = append(os.Environ(), env...)
	out, err := command.CombinedOutput()
	return string(out), err
}

// eventually asks until the answer is good, since a service needs a moment.
func eventually(t *testing.T, what string, good func() bool) {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	timeout := time.After(patience)
	for !good() {
		select {
		case <-ticker.C:
		case <-timeout:
			t.Fatalf("%s did not come in time", what)
		}
	}
}

func needPrograms(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			without(t, "needs %s, which is not installed", name)
		}
	}
}

// shortDir is for a path that holds a unix socket, which may have about 100
// bytes.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestReadme_ShowsDemoCommandsThatWork(t *testing.T) {
	t.Parallel()
	needPrograms(t, "curl")
	home, binary := shortDir(t), builtGateway(t)
	https, second, backend := freePort(t), freePort(t), freePort(t)
	demo := startProcess(t, "/usr/bin/env", "-u", "XDG_STATE_HOME", "HOME="+home, binary, "demo",
		"--listen", fmt.Sprintf("127.0.0.1:%d,127.0.0.1:%d", https, second), "--backend", fmt.Sprintf("127.0.0.1:%d", backend))
	demo.waitFor("Stop with Ctrl-C")

	substitute := strings.NewReplacer("localhost:7879", fmt.Sprintf("localhost:%d", https), "bin/gateway", binary)
	var lines []string
	for line := range strings.Lines(readmeBlock(t, "demo")) {
		lines = append(lines, "exec "+substitute.Replace(strings.TrimSpace(line)))
	}
	if len(lines) != 6 {
		t.Fatalf("the demo has %d commands, this test knows 6", len(lines))
	}
	do := func(i int) string {
		out, err := readmeShell(t, lines[i], "HOME="+home)
		if err != nil {
			t.Fatalf("%s: %v\n%s", lines[i], err, out)
		}
		return out
	}
	pid := regexp.MustCompile(`"pid": \d+`)
	eventually(t, "the backend", func() bool { return pid.MatchString(do(0)) })
	first := pid.FindString(do(0))
	stream, _ := readmeShell(t, strings.Replace(lines[1], "curl", "curl --max-time 2", 1), "HOME="+home)
	if strings.Count(stream, "data: ") < 2 {
		t.Errorf("the stream gave %q", stream)
	}
	if answer := do(2); !strings.Contains(answer, "kills itself") {
		t.Errorf("the backend answered %q", answer)
	}
	eventually(t, "an answer of a new backend", func() bool {
		out := do(3)
		next := pid.FindString(out)
		if next == "" {
			t.Errorf("after the kill, a request was answered with %q", out)
		}
		return next != first
	})
	eventually(t, "the status", func() bool { return strings.Contains(do(4), "backend demo: up") })
	if history := do(5); !strings.Contains(history, "killed by signal 9") {
		t.Errorf("the history is %q", history)
	}
	demo.signal(syscall.SIGINT)
	if code := demo.exitCode(); code != 0 {
		t.Errorf("Ctrl-C ended it with exit code %d", code)
	}
}

// readmeHost is a host in a folder: README.md's commands run in it with its
// paths and ports in place of the real ones, and with stand-ins for the commands
// that would change this machine.
type readmeHost struct {
	t                    *testing.T
	root                 string
	https, other, behind int // ports, for 443, 7879 and 7878
	ca                   *authority
}

func newReadmeHost(t *testing.T) *readmeHost {
	needPrograms(t, "curl", "unzip", "install")
	h := &readmeHost{t: t, root: shortDir(t), https: freePort(t), other: freePort(t), behind: freePort(t), ca: newAuthority(t)}
	for _, folder := range []string{"usr/local/bin", "stand-ins", "srv/api", "etc"} {
		if err := os.MkdirAll(filepath.Join(h.root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"make", "systemctl", "ufw"} {
		h.script("stand-ins/"+name, "exit 0")
	}
	h.script("srv/api/run.sh", fmt.Sprintf("exec %s demo-backend --listen 127.0.0.1:%d", builtGateway(t), h.behind))
	writeFile(t, h.root, "ca.pem", pemOf("CERTIFICATE", h.ca.root.Raw))
	h.zip("api.example.com_nginx.zip", h.ca.install(t, "api.example.com"))
	return h
}

func (h *readmeHost) script(name, command string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.root, name), []byte("#!/bin/sh\n"+command+"\n"), 0o755); err != nil {
		h.t.Fatal(err)
	}
}

// zip packs a folder as CAs do, with a folder inside.
func (h *readmeHost) zip(name, folder string) {
	h.t.Helper()
	file, err := os.Create(filepath.Join(h.root, name))
	if err != nil {
		h.t.Fatal(err)
	}
	defer file.Close()
	archive := zip.NewWriter(file)
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(files) != 3 {
		h.t.Fatalf("%d files, error %v", len(files), err)
	}
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			h.t.Fatal(err)
		}
		entry, err := archive.Create("api.example.com_nginx/" + filepath.Base(path))
		if err != nil {
			h.t.Fatal(err)
		}
		if _, err := entry.Write(content); err != nil {
			h.t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		h.t.Fatal(err)
	}
}

// here puts this host's paths and ports in place of the real ones.
func (h *readmeHost) here(text string) string {
	text = regexp.MustCompile(`(?m)^(gateway [a-z ]+)$`).ReplaceAllString(text, "$1 -c /etc/gateway/config.toml")
	return strings.NewReplacer(
		"/etc/gateway", h.root+"/etc/gateway", "/usr/local/bin", h.root+"/usr/local/bin", "/var/log", h.root+"/var/log", "/srv/api", h.root+"/srv/api",
		" bin/gateway", " "+builtGateway(h.t),
		`":443"`, fmt.Sprintf(`"127.0.0.1:%d"`, h.https), `":7879"`, fmt.Sprintf(`"127.0.0.1:%d"`, h.other),
		".com:443:", fmt.Sprintf(".com:%d:", h.https), "https://api.example.com/", fmt.Sprintf("https://api.example.com:%d/", h.https),
		"7879", fmt.Sprint(h.other), "7878", fmt.Sprint(h.behind),
	).Replace(text)
}

// do runs one line of README.md.
func (h *readmeHost) do(line string) (string, error) {
	h.t.Helper()
	path := h.root + "/stand-ins:" + h.root + "/usr/local/bin:" + os.Getenv("PATH")
	return readmeShell(h.t, "cd "+h.root+" && "+h.here(strings.TrimSpace(line)), "PATH="+path, "CURL_CA_BUNDLE="+h.root+"/ca.pem", "SSL_CERT_FILE="+h.root+"/ca.pem")
}

// doAll runs every line behind a mark; none may fail.
func (h *readmeHost) doAll(mark string) (out string) {
	h.t.Helper()
	for line := range strings.Lines(readmeBlock(h.t, mark)) {
		printed, err := h.do(line)
		if err != nil {
			h.t.Fatalf("%s: %v\n%s", line, err, printed)
		}
		out += printed
	}
	return out
}

// undated takes out of what check prints what differs from day to day and from
// CA to CA.
func (h *readmeHost) undated(text string) string {
	return regexp.MustCompile(`the root .*?,|until \S+ \(\d+ `).ReplaceAllString(text, "...")
}

// configuration is README.md's file, for this host.
func (h *readmeHost) configuration() string {
	h.t.Helper()
	me, err := user.Current()
	if err != nil {
		h.t.Fatal(err)
	}
	text := readmeBlock(h.t, "host: config")
	text = regexp.MustCompile(`(?m)^user( +)= "api"$`).ReplaceAllString(text, `user$1= "`+me.Username+`"`)
	return fmt.Sprintf("state = %q\n%s\n[admin]\nsocket = %q\n", h.root+"/state", h.here(text), h.root+"/gateway.sock")
}

// start does what the unit does that `gateway setup apply service` writes. That
// one runs in the booted host of its own tests.
func (h *readmeHost) start() *process {
	h.t.Helper()
	p := startProcess(h.t, h.root+"/usr/local/bin/gateway", "run", "-c", h.root+"/etc/gateway/config.toml")
	p.waitFor("serving")
	return p
}

func TestReadme_LeadsFromAZipFileToARunningFrontDoor(t *testing.T) {
	t.Parallel()
	h := newReadmeHost(t)
	h.doAll("host: install")
	h.doAll("host: certificate")
	writeFile(t, h.root+"/etc/gateway", "config.toml", h.configuration())
	h.doAll("host: stop")

	shown := readmeBlock(t, "host: checked")
	if checked := h.doAll("host: check"); h.undated(checked) != h.undated(h.here(shown)) {
		t.Errorf("gateway check printed %q, README.md shows %q", checked, shown)
	}
	h.checkTakenPort()

	service := h.start()
	eventually(t, "the status", func() bool { return strings.Contains(h.doAll("host: start"), "backend api: up") })
	if status, whole := h.doAll("host: start"), " "+h.root+"/etc/gateway/config.toml\n"; !strings.Contains(status, whole) {
		t.Errorf("gateway status does not show the file's whole path: %q", status)
	}
	if tried := h.doAll("host: try"); strings.Count(tried, "<html") != 2 || !strings.Contains(tried, "backend api: up") {
		t.Errorf("trying it printed %q", tried)
	}
	if checked := h.doAll("host: check"); h.undated(checked) != h.undated(h.here(shown)) {
		t.Errorf("gateway check takes the running gateway for a stranger: %q", checked)
	}
	h.doAll("host: firewall")
	service.signal(syscall.SIGTERM)
	if code := service.exitCode(); code != 0 {
		t.Errorf("the service ended with exit code %d", code)
	}
}

// checkTakenPort compares what check and run say of a taken port with the line
// that README.md shows.
func (h *readmeHost) checkTakenPort() {
	h.t.Helper()
	shown := readmeBlock(h.t, "host: taken")
	address := fmt.Sprintf("127.0.0.1:%d", h.https)
	taker, err := net.Listen("tcp", address)
	if err != nil {
		h.t.Fatal(err)
	}
	defer taker.Close()
	parts := regexp.MustCompile(`^\S+ (listen ):443(: already in use by pid )\d+ \(user .*?\): .*(: stop it \().*?(\), or write another .*)\n$`).FindStringSubmatch(shown)
	if parts == nil {
		h.t.Fatalf("README.md shows %q for a taken port", shown)
	}
	pattern := regexp.MustCompile(regexp.QuoteMeta(parts[1]+address+parts[2]) + `\d+ .*` + regexp.QuoteMeta(parts[3]) + `.*` + regexp.QuoteMeta(parts[4]))
	for _, line := range []string{"gateway check", "gateway run"} {
		if out, err := h.do(line); err == nil || !pattern.MatchString(out) {
			h.t.Errorf("%s on a taken port: error %v, printed %q", line, err, out)
		}
	}
}
