package host

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

func TestReadSystem_TellsWhatKindOfMachineItIs(t *testing.T) {
	m := Machine{Root: t.TempDir(), OS: "linux", Run: func(_ context.Context, c Command) (Result, error) {
		return Result{Stdout: []byte(map[string]string{"uname": "Linux 6.1.0-18 x86_64\n", "getconf": "64\n"}[c.Argv[0]])}, nil
	}}
	if err := os.MkdirAll(filepath.Join(m.Root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := "NAME=\"Ubuntu\"\nPRETTY_NAME=\"Ubuntu 24.04 \\\"LTS\\\"\"\nID=ubuntu\n"
	if err := os.WriteFile(m.Path("/etc/os-release"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := ReadSystem(t.Context(), m)
	if err != nil || got.Distribution != `Ubuntu 24.04 "LTS"` || got.Kernel != "Linux 6.1.0-18 x86_64" || got.Bits != 64 || got.Addresses == nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func FuzzPrettyName(f *testing.F) {
	for _, seed := range []string{"PRETTY_NAME=\"Debian\"", "PRETTY_NAME='x", "PRETTY_NAME=\"", "A=1\nPRETTY_NAME=y\n", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := prettyName(text); len(got) > len(text) {
			t.Errorf("%q became %q", text, got)
		}
	})
}
