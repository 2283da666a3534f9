package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// configWritten writes a sound file with the lines in front of its tables, in a
// folder where everything that it needs can be made, and returns its path.
func configWritten(t *testing.T, lines ...string) string {
	t.Helper()
	text := strings.Join(lines, "\n")
	if !strings.Contains(text, "state =") {
		text += "\nstate = \"state\""
	}
	if !strings.Contains(text, "admin.socket =") {
		text += "\nadmin.socket = \"gateway.sock\""
	}
	small, err := os.ReadFile("testdata/right/small.toml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(configShortDir(t), "config.toml")
	if err := os.WriteFile(path, []byte(text+"\n"+string(small)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// configShortDir is a temporary folder whose path leaves room for that of a
// socket, which t.TempDir does not with a long test name.
func configShortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// configWrong loads a file that must have one problem, and returns it without
// the name of the file.
func configWrong(t *testing.T, path string) string {
	t.Helper()
	_, err := Load(path)
	if err == nil {
		t.Fatal("the file was taken")
	}
	return strings.TrimPrefix(err.Error(), path+":")
}

func TestLoad_TakesRelativePathsFromTheFoldersOfTheFile(t *testing.T) {
	path := configWritten(t, `state = "data/state"`, `log.access = "access.log"`, `log.error = "-"`)
	config, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Dir(path)
	for _, check := range [][2]string{
		{config.State, filepath.Join(folder, "data/state")},
		{config.Log.Access, filepath.Join(folder, "access.log")},
		{config.Log.Error, "-"},
		{config.Admin.Socket, filepath.Join(folder, "gateway.sock")},
	} {
		if check[0] != check[1] {
			t.Errorf("got %q, want %q", check[0], check[1])
		}
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 1 {
		t.Errorf("loading left something behind: %v", entries)
	}
}

func TestLoad_TellsAFileThatIsNotThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	if got, want := configWrong(t, path), " there is no such file: name the file with -c FILE, or start from config.example.toml"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoad_TellsAFolderInPlaceOfTheFile(t *testing.T) {
	path := t.TempDir()
	want := fmt.Sprintf(" is a folder: name the file in it, such as %s/config.toml", path)
	if got := configWrong(t, path); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoad_DoesNotWaitForANamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := configWrong(t, path), " is not a file: check the path after -c"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoad_RefusesAFileThatIsTooLargeToBeAConfiguration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(strings.Repeat("# comment\n", 200_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	want := " is larger than 1 MiB: name gateway's own configuration file, such as /etc/gateway/config.toml"
	if got := configWrong(t, path); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoad_TellsAFileThatTheUserMayNotRead(t *testing.T) {
	asNobody(t)
	path := configWritten(t)
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if got := configWrong(t, path); !strings.Contains(got, "permission denied: run the command as root") {
		t.Errorf("got %q", got)
	}
}

func TestLoad_TellsAFolderThatCannotBeMade(t *testing.T) {
	for name, check := range map[string]struct{ line, want string }{
		"state below a file":  {`state = "config.toml/state"`, "1: state: DIR/config.toml is not a folder: write a folder that gateway can write to"},
		"log below a file":    {`log.access = "config.toml/a.log"`, "1: log.access: DIR/config.toml is not a folder: write a folder that gateway can write to"},
		"log is a folder":     {`log.error = "."`, `1: log.error: DIR is a folder: write a file in it, such as "DIR/gateway.log"`},
		"socket below a file": {`admin.socket = "config.toml/s"`, "1: admin.socket: DIR/config.toml is not a folder: write a folder that gateway can write to"},
		"state is empty":      {`state = ""`, `1: state: is empty: write the folder for what gateway keeps, such as "/var/lib/gateway"`},
		"socket is empty":     {`admin.socket = ""`, fmt.Sprintf("1: admin.socket: is empty: write a path such as %q", Default().Admin.Socket)},
	} {
		t.Run(name, func(t *testing.T) {
			path := configWritten(t, check.line)
			want := strings.ReplaceAll(check.want, "DIR", filepath.Dir(path))
			if got := configWrong(t, path); got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestLoad_RefusesASocketPathThatTheSystemCannotTake(t *testing.T) {
	long := "/tmp/" + strings.Repeat("x", maxSocketPath)
	path := configWritten(t, fmt.Sprintf("admin.socket = %q", long))
	want := fmt.Sprintf("1: admin.socket: the path has %d bytes, and a socket's can have %d: write a shorter one, such as %q",
		len(long), maxSocketPath, Default().Admin.Socket)
	if got := configWrong(t, path); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoad_TellsAFolderThatTheUserMayNotWriteTo(t *testing.T) {
	asNobody(t)
	path := configWritten(t, `state = "locked/state"`)
	locked := filepath.Join(filepath.Dir(path), "locked")
	if err := os.Mkdir(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("1: state: user id %d can not write to %s: permission denied: "+
		"give that user the right to write there, run gateway as root, or write another path", os.Geteuid(), locked)
	if got := configWrong(t, path); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoad_RefusesOneFileForTwoLogs(t *testing.T) {
	path := configWritten(t, `log.access = "a.log"`, `log.error = "./a.log"`)
	if got, want := configWrong(t, path), `2: log.error: is the file of line 1 too: write another file`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// asNobody runs the rest of a test without root's right to read and write
// everything, where it runs as root: the effective user is nobody until the end.
func asNobody(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	if err := syscall.Setreuid(-1, nobody); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setreuid(-1, 0); err != nil {
			t.Fatal(err)
		}
	})
}
