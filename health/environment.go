package health

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// standardPath is what Debian's login gives to a service.
const standardPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment is what a backend starts with: who and where it is, the locale
// and the PATH of gateway, then conda, env_file and env, a later one winning.
// Nothing else of gateway's own environment is passed on, so that no secret,
// notify socket or listening descriptor leaks.
func (c Config) environment(who account) ([]string, error) {
	env := newEnvironment()
	for _, name := range []string{"LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"} {
		if value, found := os.LookupEnv(name); found {
			env.set(name, value)
		}
	}
	env.set("PATH", cmp.Or(os.Getenv("PATH"), standardPath))
	env.set("HOME", who.home)
	env.set("USER", who.name)
	env.set("LOGNAME", who.name)
	env.set("PWD", c.dir(who))
	if c.Conda != "" {
		prefix, err := condaPrefix(c.Conda, who.home)
		if err != nil {
			return nil, err
		}
		env.set("CONDA_PREFIX", prefix)
		env.set("CONDA_DEFAULT_ENV", filepath.Base(c.Conda))
	}
	if c.EnvFile != "" {
		lines, err := readEnvFile(c.EnvFile)
		if err != nil {
			return nil, err
		}
		env.setAll(lines)
	}
	env.setAll(c.Env)
	if prefix := env.get("CONDA_PREFIX"); c.Conda != "" { // also before a PATH of env
		env.set("PATH", filepath.Join(prefix, "bin")+":"+env.get("PATH"))
	}
	return env.list(), nil
}

func (c Config) dir(who account) string { return cmp.Or(c.Dir, who.home) }

// environ keeps the order in which names were first set.
type environ struct {
	names  []string
	values map[string]string
}

func newEnvironment() *environ { return &environ{values: map[string]string{}} }

func (e *environ) set(name, value string) {
	if _, found := e.values[name]; !found {
		e.names = append(e.names, name)
	}
	e.values[name] = value
}

func (e *environ) setAll(lines []string) {
	for _, line := range lines {
		if name, value, found := strings.Cut(line, "="); found {
			e.set(name, value)
		}
	}
}

func (e *environ) get(name string) string { return e.values[name] }

func (e *environ) list() []string {
	lines := make([]string, 0, len(e.names))
	for _, name := range e.names {
		lines = append(lines, name+"="+e.values[name])
	}
	return lines
}

// lookup finds a name in a list of "NAME=value".
func lookup(env []string, name string) string {
	for _, line := range env {
		if value, found := strings.CutPrefix(line, name+"="); found {
			return value
		}
	}
	return ""
}

// envFileLimit is far above any hand-written file and keeps a wrong path (a
// device, a dump) from being read into memory.
const envFileLimit = 1 << 20

func readEnvFile(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > envFileLimit {
		return nil, fmt.Errorf("%s is not a regular file of at most 1 MiB", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	lines, err := parseEnvFile(text)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	return lines, nil
}

// parseEnvFile reads lines of NAME=value as systemd.exec(5) and a shell write
// them: empty lines and comments (# or ;) are skipped, "export " is tolerated,
// and a value may stand in single or double quotes. Nothing is expanded. An
// error begins with the number of the line and never holds a value.
func parseEnvFile(text []byte) ([]string, error) {
	var parsed []string
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	lines.Buffer(nil, envFileLimit+1)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		name, value, found := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !found || !validName(name) {
			return nil, fmt.Errorf("%d: not a line of NAME=value", number)
		}
		value, err := unquote(value)
		if err != nil {
			return nil, fmt.Errorf("%d: value of %s: %w", number, name, err)
		}
		parsed = append(parsed, name+"="+value)
	}
	return parsed, lines.Err()
}

func unquote(value string) (string, error) {
	if strings.ContainsRune(value, 0) {
		return "", fmt.Errorf("it holds a NUL byte")
	}
	if value == "" || value[0] != '"' && value[0] != '\'' {
		return value, nil
	}
	quote := value[:1]
	if len(value) < 2 || !strings.HasSuffix(value, quote) {
		return "", fmt.Errorf("the quote is not closed")
	}
	value = value[1 : len(value)-1]
	if quote == `"` {
		value = strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\$`, `$`, "\\`", "`").Replace(value)
	}
	return value, nil
}

// validName accepts the names of POSIX (Base Definitions, 8.1).
func validName(name string) bool {
	for i, r := range name {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}
