package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func TestLineIndex_TellsTheLineOfEveryWayToWriteAKey(t *testing.T) {
	text := strings.Join([]string{
		`state = "x" # line 1`,
		`a.b = 1`,
		`"quoted.key" = 'it''s'`,
		"text = \"\"\"",
		"not = a key",
		`quotes "" inside"""""`,
		`list = [`,
		`  "one", # [not]`,
		`  "two",`,
		`]`,
		`inline = { x = 1, "y z" = [ { w = 2 }, { w = 3 } ] }`,
		"[log]\r",
		"access = '''",
		"[no.header]",
		"'''",
		`[[site]]`,
		`name = "a # b"`,
		`[[site]]`,
		`[[site.route]]`,
		`path = "\"]"`,
		`[[site.route]]`,
		`path = '\'`,
		`[site.route.deep]`,
		`x = 1`,
		`[ a . c ]`,
		`y = 1`,
	}, "\n")
	text = strings.Replace(text, "'it''s'", "'its'", 1)
	var tree map[string]any
	if _, err := toml.Decode(text, &tree); err != nil {
		t.Fatalf("the text is meant to be TOML: %v", err)
	}
	index := indexLines(text)
	for path, want := range map[string]int{
		"state": 1, "a": 2, "a.b": 2, `"quoted.key"`: 3, "text": 4, "list": 7, "list[0]": 8, "list[1]": 9,
		"inline": 11, "inline.x": 11, `inline."y z"[1].w`: 11, "log": 12, "log.access": 13,
		"site": 16, "site[0]": 16, "site[0].name": 17, "site[1]": 18, "site[1].route": 19, "site[1].route[0].path": 20,
		"site[1].route[1]": 21, "site[1].route[1].path": 22, "site[1].route[1].deep.x": 24, "a.c.y": 26,
	} {
		if got := index.at[path]; got != want {
			t.Errorf("%s: line %d, want %d", path, got, want)
		}
	}
	if index.at["not"] != 0 || index.at["no"] != 0 {
		t.Error("a key was found inside a text")
	}
}

func TestLineIndex_AnswersTheNearestTableForAKeyThatIsNotThere(t *testing.T) {
	index := indexLines("a = 1\n\n[[site]]\nname = 1\n[log]\n")
	for path, want := range map[string]int{"site[0].listen": 3, "site[0].route[3].path": 3, "log.access": 5, "site[7].x": 3, "state": 1, `log."odd.key"`: 5} {
		if got := index.nearest(path); got != want {
			t.Errorf("%s: line %d, want %d", path, got, want)
		}
	}
}

func TestLineIndex_TellsTheTableOfALine(t *testing.T) {
	index := indexLines("a = 1\n[[site]]\nname = 1\n[[site]]\n[[site.route]]\nx = 1\n")
	for line, want := range map[int]string{1: "", 2: "site[0]", 3: "site[0]", 4: "site[1]", 6: "site[1].route[0]"} {
		if got := index.tableAt(line); got != want {
			t.Errorf("line %d: %q, want %q", line, got, want)
		}
	}
}

func TestLineIndex_StopsWhereNestingIsBeyondAnyUse(t *testing.T) {
	for _, text := range []string{
		"x = 1\na = " + strings.Repeat("[", 500_000),
		"x = 1\na = " + strings.Repeat("{a=", 300_000),
		"x = 1\n" + strings.Repeat("a.", 500_000) + "b = 1",
		"x = 1\n[" + strings.Repeat("a.", 500_000) + "b]",
	} {
		if got := indexLines(text).tooDeep; got != 2 {
			t.Errorf("%.20q: nesting found too deep in line %d, want 2", text, got)
		}
	}
	if got := indexLines("a = [[[['x']]]]\n[a.b.c.d.e]\n").tooDeep; got != 0 {
		t.Errorf("ordinary nesting was called too deep in line %d", got)
	}
}

// FuzzLineIndex holds the index against the TOML library: it never panics, and
// it knows a line for every value that the library finds.
func FuzzLineIndex(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*/*.toml")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range seeds {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("a.\"b.c\" = [[1, {x.y = '''\n'''}], \"\"\"\\\n\"\"\"\"\"] # c\n[[t]]\n[t.u]\n[[t.v]]\n")
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.TrimLeft(text, "\ufeff") // as readText does
		index := indexLines(text)
		if index.tooDeep > 0 {
			return
		}
		lines := 1 + strings.Count(text, "\n")
		for path, line := range index.at {
			if line < 1 || line > lines {
				t.Errorf("%s: line %d of %d", path, line, lines)
			}
		}
		var tree map[string]any
		if _, err := toml.Decode(text, &tree); err == nil {
			everyPathIsIndexed(t, index, tree, "")
		}
	})
}

func everyPathIsIndexed(t *testing.T, index *lineIndex, value any, path string) {
	t.Helper()
	if path != "" && index.at[path] == 0 {
		t.Errorf("no line for %s", path)
	}
	switch v := value.(type) {
	case map[string]any:
		for key, below := range v {
			if key != "" { // of lists in lists below an empty key the library loses one level
				everyPathIsIndexed(t, index, below, joinPath(path, key))
			}
		}
	case []any:
		for i, below := range v {
			everyPathIsIndexed(t, index, below, elementPath(path, i))
		}
	case []map[string]any:
		for i, below := range v {
			everyPathIsIndexed(t, index, below, elementPath(path, i))
		}
	}
}
