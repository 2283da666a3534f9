package health

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Validate reports every problem of the table, also of what it names on this
// host: the program, the folder, the account, the files.
func (c Config) Validate(report Report) {
	c.validateTimes(report)
	c.Probe.validate(report)
	if c.Log != "" && !filepath.IsAbs(c.Log) {
		report("log", fmt.Sprintf("%q is not an absolute path", c.Log), `write the whole path, such as "/var/log/gateway/api.log"`)
	}
	if !c.Supervised() {
		c.validateWatched(report)
		c.validateProbeCommand(report)
		return
	}
	c.validateProcess(report)
	c.validateHost(report)
}

func (c Config) validateTimes(report Report) {
	duration(report, "stop_grace", c.StopGrace, 10*time.Minute, "10s")
	duration(report, "start_grace", c.StartGrace, time.Hour, "60s")
	if c.LogMaxSize != 0 && c.LogMaxSize < 1<<20 {
		report("log_max_size", "it is less than 1MB", `write at least "1MB"; the default is "100MB"`)
	}
	if c.LogKeep < 0 || c.LogKeep > 1000 {
		report("log_keep", fmt.Sprintf("%d is not between 1 and 1000", c.LogKeep), "write how many rotated files are kept, such as 5")
	}
}

// duration refuses what was meant as seconds: TOML decodes a bare 30 as 30 ns.
func duration(report Report, key string, d, most time.Duration, example string) {
	if d != 0 && (d < time.Millisecond || d > most) {
		report(key, fmt.Sprintf("%v is not between 1ms and %v", d, most), fmt.Sprintf("write a time with its unit, such as %q", example))
	}
}

// validateWatched refuses keys that would silently do nothing.
func (c Config) validateWatched(report Report) {
	idle := map[string]bool{
		"dir": c.Dir != "", "env": len(c.Env) > 0, "env_file": c.EnvFile != "",
		"conda": c.Conda != "", "log": c.Log != "", "stop_signal": c.StopSignal != "", "rlimit": c.Rlimit != Rlimit{},
		"oom_score": c.OOMScore != 0,
	}
	if len(c.Probe.Command) == 0 { // which runs as user, too
		idle["user"] = c.User != ""
	}
	for _, key := range sortedTrue(idle) {
		report(key, "it says how to run a command, and there is none", `add command = ["./run.sh"], or remove this key`)
	}
}

func sortedTrue(set map[string]bool) []string {
	var keys []string
	for key, is := range set {
		if is {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

func (c Config) validateProcess(report Report) {
	if c.Command[0] == "" {
		report("command", "its first word is empty", `write the program first, such as ["./run.sh", "--port", "7878"]`)
	}
	if strings.ContainsAny(c.Command[0], " \t") && len(c.Command) == 1 {
		if _, err := os.Stat(c.Command[0]); err != nil {
			report("command", "it is one word with spaces in it, and no shell is asked to split it",
				"write every word by itself: ["+quoted(strings.Fields(c.Command[0]))+"]")
		}
	}
	for i, line := range c.Env {
		if name, value, found := strings.Cut(line, "="); !found || !validName(name) || strings.ContainsRune(value, 0) {
			report(fmt.Sprintf("env[%d]", i), "it is not NAME=value", `write for example "MODE=prod"`)
		}
	}
	if _, err := signalNumber(c.stopSignal()); err != nil {
		report("stop_signal", err.Error(), `write "TERM", "INT", "QUIT", "HUP", "USR1" or "USR2"`)
	}
	if c.OOMScore < -1000 || c.OOMScore > 1000 {
		report("oom_score", fmt.Sprintf("%d is not between -1000 and 1000", c.OOMScore), "write 0, or a lower number for a process that the kernel shall spare")
	}
}

func quoted(words []string) string {
	for i, word := range words {
		words[i] = strconv.Quote(word)
	}
	return strings.Join(words, ", ")
}

// signalNumber accepts "TERM" and "SIGTERM".
func signalNumber(name string) (syscall.Signal, error) {
	upper := strings.ToUpper(name)
	number := unix.SignalNum("SIG" + strings.TrimPrefix(upper, "SIG"))
	if number == 0 || number == unix.SIGKILL || number == unix.SIGSTOP {
		return 0, fmt.Errorf("%q is not a signal that asks a process to stop", name)
	}
	return number, nil
}

// validateHost looks at the host: what it reports may be gone an hour later,
// so Start asks the same again.
func (c Config) validateHost(report Report) {
	who, err := lookupAccount(c.User)
	if err != nil {
		report("user", err.Error(), "create the account, for example with adduser --system --group, or name another one")
		if c.Dir != "" {
			c.validateFolder(report, account{})
		}
		return
	}
	if who.change && !mayBecomeOthers() {
		report("user", fmt.Sprintf("gateway does not run as root, so it cannot become %q", c.User), "run gateway as a service of the system, or remove this key")
	}
	c.validateFolder(report, who)
	if c.EnvFile != "" {
		if _, err := readEnvFile(c.EnvFile); err != nil {
			report("env_file", err.Error(), "write the path of a file with one NAME=value a line that gateway may read")
		}
	}
	if c.Conda != "" {
		if _, err := condaPrefix(c.Conda, who.home); err != nil {
			report("conda", err.Error(), "create it with conda create -n NAME, or write its whole path")
		}
	}
	c.validateProgram(report, who)
}

func (c Config) validateFolder(report Report, who account) {
	dir := c.dir(who)
	info, err := os.Stat(dir)
	switch {
	case c.Dir != "" && !filepath.IsAbs(c.Dir):
		report("dir", fmt.Sprintf("%q is not an absolute path", c.Dir), `write the whole path, such as "/srv/api"`)
	case errors.Is(err, fs.ErrNotExist) && c.Dir == "":
		report("dir", fmt.Sprintf("%s, the home of user %s, does not exist", dir, who.name), `write the folder where the backend is installed, such as dir = "/srv/api"`)
	case errors.Is(err, fs.ErrNotExist):
		report("dir", dir+" does not exist", "create it, or write the folder where the backend is installed")
	case err != nil:
		report("dir", err.Error(), "let gateway read the folders above it")
	case !info.IsDir():
		report("dir", dir+" is a file", "write the folder that holds it")
	case !who.may(info, 1):
		report("dir", fmt.Sprintf("user %s may not enter %s (mode %04o)", who.name, dir, info.Mode().Perm()), "chown it to that user, or chmod it")
	}
}

func (c Config) validateProgram(report Report, who account) {
	env, err := c.environment(who)
	if err != nil || c.Command[0] == "" {
		return // already reported
	}
	if _, err := findProgram(c.Command[0], c.dir(who), lookup(env, "PATH"), who); err != nil {
		report("command", err.Error(), "write the path of a program that exists, and make it executable with chmod +x")
	}
	c.validateProbeCommand(report)
}

// validateProbeCommand keeps a backend from being restarted for ever because
// the program that judges it is missing.
func (c Config) validateProbeCommand(report Report) {
	if len(c.Probe.Command) == 0 {
		return
	}
	if _, err := prepare(c, c.Probe.Command); err != nil {
		report("probe.command", err.Error(), "write the path of a program that exists and that the backend's user may run")
	}
}

func (p Probe) validate(report Report) {
	if p.Path != "" && len(p.Command) > 0 {
		report("probe.command", "there is a path as well", "keep path for an HTTP probe, or command for a program")
	}
	if p.Path != "" && (p.Path[0] != '/' || strings.ContainsAny(p.Path, " \r\n\t")) {
		report("probe.path", fmt.Sprintf("%q is not the path of a URL", p.Path), `begin it with a slash, such as "/health"`)
	}
	if p.Path == "" {
		for _, key := range sortedTrue(map[string]bool{"method": p.Method != "", "host": p.Host != "", "status": p.Status != "", "body": p.Body != ""}) {
			report("probe."+key, "it belongs to an HTTP probe, and there is no path", `add path = "/", or remove this key`)
		}
	}
	if !validToken(p.method()) {
		report("probe.method", fmt.Sprintf("%q is not an HTTP method", p.Method), `write "GET" or "HEAD"`)
	}
	if _, err := parseStatuses(p.status()); err != nil {
		report("probe.status", err.Error(), `write codes and ranges, such as "200-399" or "200,204,301"`)
	}
	p.validateTimes(report)
}

func (p Probe) validateTimes(report Report) {
	duration(report, "probe.timeout", p.Timeout, 10*time.Minute, "2s")
	duration(report, "probe.every", p.Every, time.Hour, "2s")
	duration(report, "probe.fast", p.Fast, time.Hour, "200ms")
	if p.Hang != nil {
		duration(report, "probe.hang", *p.Hang, 24*time.Hour, "20s")
	}
	for _, count := range []struct {
		key string
		n   int
	}{{"probe.fall", p.Fall}, {"probe.rise", p.Rise}} {
		if count.n < 0 || count.n > 1000 {
			report(count.key, fmt.Sprintf("%d is not between 1 and 1000", count.n), "write how many probes in a row decide, such as 3")
		}
	}
}

// validToken accepts a method of RFC 9110, section 5.6.2, in capital letters.
func validToken(method string) bool {
	for _, r := range method {
		if (r < 'A' || r > 'Z') && r != '-' {
			return false
		}
	}
	return method != ""
}
