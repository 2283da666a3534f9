package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var fuzzPlaced = regexp.MustCompile(`^config\.toml(:[1-9][0-9]*)?: `)

// FuzzLoad feeds any bytes to the whole of Load. It must not panic, and what it
// refuses it must place by file and line, with a text for people.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.toml", "../../../config.example.toml"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			f.Fatalf("no seeds: %v", err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	path := filepath.Join(f.TempDir(), "config.toml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		config, err := Load(path)
		if (config == nil) == (err == nil) {
			t.Fatalf("config %v and error %v", config, err)
		}
		if err == nil {
			return
		}
		for _, line := range strings.Split(err.Error(), "\n") {
			if !fuzzPlaced.MatchString(strings.TrimPrefix(line, filepath.Dir(path)+"/")) {
				t.Errorf("no place in %q", line)
			}
		}
	})
}
