package health

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
)

func configProblems(c Config) []string {
	var problems []string
	c.Validate(func(key, wrong, instead string) { problems = append(problems, key+": "+wrong+": "+instead) })
	return problems
}

func TestConfig_ReadsEveryKey(t *testing.T) {
	const text = `
command = ["./run.sh", "--port", "7878"]
dir = "/srv/api"
user = "api"
env = ["MODE=prod"]
env_file = "/etc/gateway/api.env"
conda = "api"
log = "/var/log/gateway/api.log"
log_max_size = "10MB"
log_keep = 3
stop_signal = "INT"
stop_grace = "30s"
start_grace = "2m"
oom_score = -500
[rlimit]
nofile = 65536
core = "unlimited"
as = "4GB"
[probe]
path = "/health"
method = "HEAD"
host = "api.example.com"
status = "200,204"
body = "ok"
timeout = "1s"
every = "5s"
fast = "100ms"
fall = 5
rise = 2
hang = "0s"
`
	var c Config
	meta, err := toml.Decode(text, &c)
	if err != nil {
		t.Fatal(err)
	}
	if left := meta.Undecoded(); len(left) > 0 {
		t.Errorf("keys that no field takes: %v", left)
	}
	if c.logMaxSize() != 10<<20 || c.Rlimit.NoFile.Value != 65536 || c.Rlimit.AS.Value != 4<<30 || c.Rlimit.Core.String() != "unlimited" {
		t.Errorf("%+v", c)
	}
	if c.Probe.hang() != 0 || (Probe{}).hang() != 20*time.Second {
		t.Errorf("hang %v", c.Probe.hang())
	}
}

func TestConfig_ReportsEveryProblemWithItsRemedy(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "run.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	good := func() Config { return Config{Command: []string{"./run.sh"}, Dir: dir} }
	if got := configProblems(good()); len(got) > 0 {
		t.Fatalf("a good configuration: %q", got)
	}
	for _, row := range []struct {
		want   string
		change func(*Config)
	}{
		{`command: ` + dir + `/gone.sh does not exist: write the path`, func(c *Config) { c.Command = []string{"./gone.sh"} }},
		{`command: its first word is empty`, func(c *Config) { c.Command = []string{""} }},
		{`dir: "srv" is not an absolute path`, func(c *Config) { c.Dir = "srv" }},
		{`dir: ` + script + ` is a file`, func(c *Config) { c.Dir = script }},
		{`user: no user "nobody-of-that-name" on this host`, func(c *Config) { c.User = "nobody-of-that-name" }},
		{`env[1]: it is not NAME=value: write for example "MODE=prod"`, func(c *Config) { c.Env = []string{"A=b", "1A=b"} }},
		{`env_file: stat ` + dir + `/gone.env`, func(c *Config) { c.EnvFile = dir + "/gone.env" }},
		{`env_file: ` + script + `:2: not a line of NAME=value`, func(c *Config) { c.EnvFile = script + "2" }},
		{`conda: no conda environment "no-such-env" in`, func(c *Config) { c.Conda = "no-such-env" }},
		{`log: "api.log" is not an absolute path`, func(c *Config) { c.Log = "api.log" }},
		{`log_max_size: it is less than 1MB`, func(c *Config) { c.LogMaxSize = 1000 }},
		{`log_keep: -1 is not between 1 and 1000`, func(c *Config) { c.LogKeep = -1 }},
		{`stop_signal: "KILL" is not a signal that asks a process to stop`, func(c *Config) { c.StopSignal = "KILL" }},
		{`stop_grace: 30ns is not between 1ms and 10m0s: write a time with its unit, such as "10s"`, func(c *Config) { c.StopGrace = 30 }},
		{`start_grace: 2h0m0s is not between`, func(c *Config) { c.StartGrace = 2 * time.Hour }},
		{`oom_score: 1001 is not between -1000 and 1000`, func(c *Config) { c.OOMScore = 1001 }},
		{`probe.path: "health" is not the path of a URL`, func(c *Config) { c.Probe.Path = "health" }},
		{`probe.command: there is a path as well`, func(c *Config) { c.Probe.Path, c.Probe.Command = "/", []string{"x"} }},
		{`probe.command: "no-such-program" is in no folder of PATH`, func(c *Config) { c.Probe.Command = []string{"no-such-program"} }},
		{`probe.command: "no-such-program" is in no folder of PATH`, func(c *Config) { *c = Config{Probe: Probe{Command: []string{"no-such-program"}}} }},
		{`probe.status: "2xx" is not a status code or a range of them: write codes and ranges`, func(c *Config) { c.Probe.Path, c.Probe.Status = "/", "2xx" }},
		{`probe.body: it belongs to an HTTP probe, and there is no path`, func(c *Config) { c.Probe.Body = "ok" }},
		{`probe.method: "get it" is not an HTTP method`, func(c *Config) { c.Probe.Path, c.Probe.Method = "/", "get it" }},
		{`probe.timeout: 2ns is not between`, func(c *Config) { c.Probe.Timeout = 2 }},
		{`probe.fall: -1 is not between 1 and 1000`, func(c *Config) { c.Probe.Fall = -1 }},
		{`probe.hang: -1s is not between`, func(c *Config) { c.Probe.Hang = ptr(-time.Second) }},
		{`dir: it says how to run a command, and there is none: add command`, func(c *Config) { c.Command = nil }},
	} {
		c := good()
		row.change(&c)
		if c.EnvFile == script+"2" {
			row.want = strings.Replace(row.want, script, script+"2", 1)
			if err := os.WriteFile(c.EnvFile, []byte("# comment\nno equals sign\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got := configProblems(c)
		if !slices.ContainsFunc(got, func(problem string) bool { return strings.HasPrefix(problem, row.want) }) {
			t.Errorf("problems %q, want one that begins with %q", got, row.want)
		}
	}
}

func TestConfig_ReportsAllProblemsAtOnce(t *testing.T) {
	c := Config{Command: []string{"./x"}, Dir: "/no/such/dir", StopGrace: 1, StopSignal: "NO", OOMScore: 9999, Probe: Probe{Fall: -1}}
	if got := configProblems(c); len(got) < 5 {
		t.Errorf("problems %q", got)
	}
}

func TestConfig_SaysThatAMissingFolderIsTheHomeOfTheUser(t *testing.T) {
	home := filepath.Join(t.TempDir(), "nowhere")
	var got string
	Config{User: "api"}.validateFolder(func(key, wrong, _ string) { got += key + ": " + wrong }, account{name: "api", home: home})
	if want := "dir: " + home + ", the home of user api, does not exist"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestEnvironment_PassesNothingOfGatewaysOwn(t *testing.T) {
	t.Setenv("GATEWAY_SECRET", "hidden")
	t.Setenv("NOTIFY_SOCKET", "/run/notify")
	t.Setenv("LANG", "C.UTF-8")
	dir := t.TempDir()
	prefix := filepath.Join(dir, ".conda", "envs", "ml")
	if err := os.MkdirAll(filepath.Join(prefix, "conda-meta"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "env")
	if err := os.WriteFile(file, []byte("A=file\nB=file\nPATH=/from/file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Config{Dir: "/srv", Conda: "ml", EnvFile: file, Env: []string{"B=env", "C=a=b"}}
	env, err := c.environment(account{name: "api", home: dir})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"LANG=C.UTF-8", "PATH=" + prefix + "/bin:/from/file", "HOME=" + dir, "USER=api", "LOGNAME=api", "PWD=/srv",
		"CONDA_PREFIX=" + prefix, "CONDA_DEFAULT_ENV=ml", "A=file", "B=env", "C=a=b"}
	env = slices.DeleteFunc(env, func(s string) bool {
		return strings.HasPrefix(s, "TMPDIR=") || strings.HasPrefix(s, "TZ=") || strings.HasPrefix(s, "LC_") || strings.HasPrefix(s, "LANGUAGE=")
	})
	if !slices.Equal(env, want) {
		t.Errorf("environment\n%q, want\n%q", env, want)
	}
}

func TestEnvFile_ReadsWhatSystemdReads(t *testing.T) {
	got, err := parseEnvFile([]byte("\xef\xbb\xbf# a\n; b\n\nA=1\r\nexport B = two words \nC=\"quo\\\"ted $X\"\nD='single'\nE=\n"))
	want := `["A=1" "B=two words" "C=quo\"ted $X" "D=single" "E="]`
	if err != nil || fmt.Sprintf("%q", got) != want {
		t.Errorf("%q, %v; want %s", got, err, want)
	}
	for _, bad := range []string{"A", "1A=x", "=x", "A B=x", "A=\"open", "A='", "A=\x00"} {
		if got, err := parseEnvFile([]byte("OK=1\n" + bad)); err == nil || !strings.HasPrefix(err.Error(), "2: ") {
			t.Errorf("%q: %q, %v", bad, got, err)
		}
	}
	if _, err := parseEnvFile([]byte("SECRET=\"hunter2")); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows a value: %v", err)
	}
}

func FuzzEnvFile(f *testing.F) {
	f.Add([]byte("A=1\nexport B='x'\n"))
	f.Add([]byte("A=\"\\\"\""))
	f.Fuzz(func(t *testing.T, text []byte) {
		lines, err := parseEnvFile(text)
		if err != nil {
			return
		}
		for _, line := range lines {
			name, value, found := strings.Cut(line, "=")
			if !found || !validName(name) || strings.ContainsRune(value, 0) {
				t.Errorf("%q", line)
			}
		}
	})
}

func FuzzQuantities(f *testing.F) {
	for _, seed := range []string{"64KB", "1 GiB", "0B", "65536", "unlimited", "99999999999TB", "KB", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var size, sizeAgain Size
		if size.UnmarshalText([]byte(text)) == nil {
			written, _ := size.MarshalText()
			if err := sizeAgain.UnmarshalText(written); err != nil || size != sizeAgain || size < 0 {
				t.Errorf("%q: %d, then %s, then %d, %v", text, size, written, sizeAgain, err)
			}
		}
		var limit, limitAgain Limit
		if limit.UnmarshalText([]byte(text)) == nil {
			if err := limitAgain.UnmarshalText([]byte(limit.String())); err != nil || limit != limitAgain {
				t.Errorf("%q: %v, then %v, %v", text, limit, limitAgain, err)
			}
		}
	})
}

func FuzzStatuses(f *testing.F) {
	f.Add("200-399")
	f.Add("200, 204,301-302")
	f.Fuzz(func(t *testing.T, text string) {
		ranges, err := parseStatuses(text)
		if err == nil && len(ranges) == 0 {
			t.Errorf("%q is nothing, and no error", text)
		}
		for _, r := range ranges {
			if r.from < 100 || r.to > 599 || r.from > r.to {
				t.Errorf("%q: %+v", text, r)
			}
		}
	})
}

func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"http://localhost:7878", "https://[::1]/x", "unix:/run/x.sock", "unix:", "7878", "http://"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if at, err := parseTarget(raw); err == nil && (at.address == "" || at.url == nil) {
			t.Errorf("%q: %+v", raw, at)
		}
	})
}
