package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
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

// A date fits no key of the schema, so every key must refuse one, in its line
// and with nothing said about any other key.
func TestLoad_RefusesAValueOfTheWrongKindForEveryKey(t *testing.T) {
	eachKey(reflect.TypeFor[Config](), "", func(path string, f field) {
		if _, isTable := tableOf(f.typ); isTable {
			return
		}
		text := configHeaders(path) + f.key + " = 2026-01-01\n"
		found := newFindings("config.toml", indexLines(text))
		decodeText(text, "/", found)
		problems := found.sorted()
		if len(problems) != 1 || problems[0].Key != path || problems[0].Line != strings.Count(text, "\n") || problems[0].Instead == "" {
			t.Errorf("%s: got %v", path, problems)
		}
	})
}

// Whatever is a time refuses a bare number, which the TOML library would read as nanoseconds.
func TestLoad_RefusesABareNumberForEveryTime(t *testing.T) {
	times := 0
	eachKey(reflect.TypeFor[Config](), "", func(path string, f field) {
		typ := f.typ
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if kindOf(typ) != kindDuration {
			return
		}
		times++
		text := configHeaders(path) + f.key + " = 30\n"
		found := newFindings("config.toml", indexLines(text))
		decodeText(text, "/", found)
		want := fmt.Sprintf("config.toml:%d: %s: 30 has no unit: write %s = \"30s\"", strings.Count(text, "\n"), path, f.key)
		if got := found.sorted().Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	if times < 10 {
		t.Errorf("only %d times were found", times)
	}
}

// configHeaders are the headers of the tables around a key of the schema.
func configHeaders(path string) string {
	text, at := "", ""
	tables := strings.Split(path, ".")
	for _, name := range tables[:len(tables)-1] {
		at = joinPath(at, name)
		if isList(at) {
			text += "[[" + at + "]]\n"
		} else {
			text += "[" + at + "]\n"
		}
	}
	return text
}
