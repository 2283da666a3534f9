package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the messages into testdata/wrong instead of comparing them")

// One file breaks one rule; the text beside it is, to the byte, what the admin reads.
func TestLoad_TellsEveryProblemByLineAndWhatToWrite(t *testing.T) {
	t.Chdir(filepath.Join("testdata", "wrong"))
	names, err := filepath.Glob("*.toml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no wrong files: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(name, ".toml"), func(t *testing.T) {
			config, err := Load(name)
			if err == nil {
				t.Fatalf("the file was taken: %+v", config)
			}
			if config != nil {
				t.Error("a Config came with the error")
			}
			configGolden(t, strings.TrimSuffix(name, ".toml")+".txt", err.Error()+"\n")
		})
	}
}

func configGolden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestLoad_ReadsTheLeastThatServes(t *testing.T) {
	config, err := Load("testdata/right/small.toml")
	if err != nil {
		t.Fatal(err)
	}
	if got := config.Proxy().Sites[0].Name; got != "api.example.com" {
		t.Errorf("the site is %q", got)
	}
	if got := config.Log.Format; got != "combined" {
		t.Errorf("without a key the default holds, got %q", got)
	}
}
