package demo

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Setup is what the demo runs.
type Setup struct {
	State   string   // absolute path of the state folder
	Listen  []string // HTTPS addresses
	Backend string   // address of the backend
	Mailbox int      // port of the mail server on this machine that notices go to; 0: none
	Program string   // absolute path of gateway's own binary, which also is the backend
}

// Defaults are the addresses of the demo: the backend's usual port, and for
// HTTPS a port beside it and one in place of 443, which would need root.
func Defaults() Setup {
	return Setup{Listen: []string{"127.0.0.1:7879", "127.0.0.1:8443"}, Backend: "127.0.0.1:7878"}
}

// BackendVerb is the hidden verb of gateway that serves the demo backend.
const BackendVerb = "demo-backend"

// BackendName is the name of the demo's only backend.
const BackendName = "demo"

// Config is the configuration file, in TOML, of what the demo runs.
func Config(s Setup) string {
	return fmt.Sprintf(`# What "gateway demo" runs, as a file. Written anew whenever the demo starts:
# copy it before you change it, then: gateway run -c YOUR-COPY

state = %[1]s

[log]
access = "-"                  # one line a request, on standard output

[admin]
socket = %[2]s

[[site]]
name        = "localhost"
default     = true            # answers for 127.0.0.1 as well
listen      = %[3]s
plain       = "redirect"      # http:// on the same ports is sent to https://
certificate = "local"         # made by a CA that only this folder knows
backend     = %[4]s

[[backend]]
name    = %[4]s
url     = %[5]s
command = %[6]s
%[7]s`,
		quote(s.State), quote(filepath.Join(s.State, "gateway.sock")), quoteAll(s.Listen), quote(BackendName),
		quote("http://"+s.Backend), quoteAll([]string{s.Program, BackendVerb, "--listen", s.Backend}), mailTable(s.Mailbox))
}

// mailTable sends notices to the demo's own mailbox.
func mailTable(port int) string {
	if port == 0 {
		return ""
	}
	return fmt.Sprintf(`
[mail]                        # the demo's own mailbox; it shows here what you would get
host     = "127.0.0.1"        # in your copy: your mail server, user and password_file
port     = %d
security = "none"
from     = "gateway@localhost"
to       = ["admin@localhost"]
`, port)
}

// StateFolder is where the demo keeps its files unless told otherwise:
// gateway-demo below $XDG_STATE_HOME or below ~/.local/state. A relative
// XDG_STATE_HOME is ignored, as the XDG Base Directory Specification wants it.
func StateFolder(getenv func(string) string) (string, error) {
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "gateway-demo"), nil
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "gateway-demo"), nil
	}
	return "", errors.New("no folder for the demo's state: neither XDG_STATE_HOME nor HOME names one: set HOME, or write --state FOLDER")
}

// Prepare makes the state folder, for its owner only, and writes the file of
// Config into it. It returns the path of the file.
func Prepare(s Setup) (string, error) {
	if err := os.MkdirAll(s.State, 0o700); err != nil {
		return "", fmt.Errorf("demo state folder: %w: choose another one with --state FOLDER", err)
	}
	// It may be older than this demo; it holds a CA's key.
	if err := os.Chmod(s.State, 0o700); err != nil {
		return "", fmt.Errorf("demo state folder: it belongs to somebody else: %w: choose another one with --state FOLDER", err)
	}
	path := filepath.Join(s.State, "config.toml")
	if err := replace(path, Config(s)); err != nil {
		return "", fmt.Errorf("writing the demo's file: %w", err)
	}
	return path, nil
}

// replace writes a file so that readers see the old or the new one, never a
// part, even after a power cut.
func replace(path, content string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // fails after the rename, as it should
	_, err = f.WriteString(content)
	if err := cmp.Or(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func quoteAll(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// quote writes a TOML basic string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
