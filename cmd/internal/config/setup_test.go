package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func setupFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadForSetup_TakesATableThatIsThereAsDeclaredWithItsDefaults(t *testing.T) {
	c, err := LoadForSetup(setupFile(t, "[setup.firewall]\nallow = [\"8080/tcp\"]\n[setup.sshd]\n"), true)
	if err != nil {
		t.Fatal(err)
	}
	s := c.Setup
	if s.Firewall == nil || !s.Firewall.Enable || len(s.Firewall.Allow) != 1 || s.SSHD == nil || s.SSHD.Password {
		t.Errorf("read as %+v", s)
	}
	if s.Conda != nil || s.Jupyter != nil || s.Service != nil || s.Users != nil {
		t.Errorf("tables that are not there are declared: %+v", s)
	}
}

func TestLoadForSetup_DoesNotMindWhatTheHostDoesNotHaveYet(t *testing.T) {
	path := setupFile(t, `
[[site]]
name = "api.example.com"
listen = [":443"]
certificate = "files"
files = "/not/there/yet"
backend = "api"
[[backend]]
name = "api"
url = "http://localhost:7878"
command = ["/not/there/run.sh"]
user = "nobody-made-me-yet"
[[setup.user]]
name = "alice"
`)
	if _, err := Load(path); err == nil {
		t.Fatal("gateway run would take the file, so that it proves nothing here")
	}
	c, err := LoadForSetup(path, true)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Setup.Users) != 1 || len(c.Sites) != 1 {
		t.Errorf("read as %+v", c)
	}
}

func TestLoadForSetup_TellsWhatIsWrongWhateverTheHost(t *testing.T) {
	for text, want := range map[string]string{
		"[setup.user]\nname = 'alice'\n":                              "write [[setup.user]]",
		"[setpu.sshd]\n":                                              "write [setup]",
		"[[setup.user]]\nname = '9 lives'\n":                          "is no name for an account",
		"[[site]]\nname = 'a.example.com'\nlisten = [':99999']\n":     "site.listen",
		"[setup.jupyter]\nprefix = '/'\n[limits]\nheader = 'large'\n": "limits.header",
		"not toml": "config.toml:1",
	} {
		_, err := LoadForSetup(setupFile(t, text), true)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestLoadForSetup_NeedsAFileOnlyIfOneWasNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.toml")
	if c, err := LoadForSetup(path, false); err != nil || c.State != Default().State {
		t.Errorf("got %+v, error %v", c, err)
	}
	if _, err := LoadForSetup(path, true); err == nil {
		t.Error("a named file that is not there was taken")
	}
}
