package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestControlSocket_IsFoundInAFileThatIsOtherwiseWrong(t *testing.T) {
	dir := t.TempDir()
	usual := Default().Admin.Socket
	for text, want := range map[string]string{
		"[admin]\nsocket = '/run/x.sock'\n":                        "/run/x.sock",
		"[admin]\nsocket = 'x.sock'\n":                             filepath.Join(dir, "x.sock"),
		"nonsense = 30\n[admin]\nsocket = '/run/x.sock'\nno = 1\n": "/run/x.sock",
		"[admin]\nsocket = 7\n":                                    usual,
		"[admin\n":                                                 usual,
		"admin = 1\n":                                              usual,
	} {
		path := filepath.Join(dir, "config.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ControlSocket(path); got != want || err != nil {
			t.Errorf("%q: socket %q, error %v, want %q", text, got, err, want)
		}
	}
	if _, err := ControlSocket(filepath.Join(dir, "absent.toml")); err == nil {
		t.Error("an absent file gave a socket")
	}
}

func TestStateFolder_IsFoundInAFileThatIsOtherwiseWrong(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.toml")
	for text, want := range map[string]string{
		"state = '/srv/gateway'\nnonsense = 30\n": "/srv/gateway",
		"state = 'here'\n":                        filepath.Join(dir, "here"),
		"state = 7\n":                             Default().State,
		"state = \n":                              Default().State,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := StateFolder(path); got != want || err != nil {
			t.Errorf("%q: folder %q, error %v, want %q", text, got, err, want)
		}
	}
}
