package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	insertRoute   = "[[site.route]]\npath = \"/x/\"\nbackend = \"x\"\n"
	insertBackend = "[[backend]]\nname = \"x\"\nurl = \"http://127.0.0.1:1\"\n"
)

func TestInsert_PutsTablesBehindThoseOfTheirKindAndKeepsTheRest(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"comments stay with the next table": {
			"[[site]]\nname = \"a\" # mine\n# off = 1\n\n# the other\n[[site]]\nname = \"b\"\n\n# programs\n[[backend]]\nname = \"y\"\n[backend.probe]\npath = \"/\"\n\n# mails\n[mail]\nhost = \"m\"\n",
			"[[site]]\nname = \"a\" # mine\n\nROUTE# off = 1\n\n# the other\n[[site]]\nname = \"b\"\n\n# programs\n[[backend]]\nname = \"y\"\n[backend.probe]\npath = \"/\"\n\nBACKEND\n# mails\n[mail]\nhost = \"m\"\n",
		},
		"behind the routes that are there, without a backend": {
			"[[site]]\nname = \"a\"\n[[site.route]]\npath = \"/y/\"\nfiles = [\n  \"a\", # one\n]",
			"[[site]]\nname = \"a\"\n[[site.route]]\npath = \"/y/\"\nfiles = [\n  \"a\", # one\n]\n\nROUTE\nBACKEND",
		},
		"line ends of Windows": {
			"[[site]]\r\nname = \"a\"\r\n",
			"[[site]]\r\nname = \"a\"\r\n\r\nROUTE\r\nBACKEND",
		},
		"a text of many lines": {
			"[[site]]\nname = \"a\"\nnote = '''\n[[site]]\n# x\n'''\n[log]\n",
			"[[site]]\nname = \"a\"\nnote = '''\n[[site]]\n# x\n'''\n\nROUTE[log]\n\nBACKEND",
		},
	} {
		want := strings.NewReplacer("ROUTE", insertRoute, "BACKEND", insertBackend).Replace(c.want)
		if strings.Contains(c.text, "\r\n") {
			want = strings.ReplaceAll(strings.ReplaceAll(want, "\r\n", "\n"), "\n", "\r\n")
		}
		got, err := Insert(c.text, "a", insertRoute, insertBackend)
		if err != nil || got != want {
			t.Errorf("%s: %v, got\n%s\nwant\n%s", name, err, got, want)
		}
	}
}

func TestInsert_LeavesAFileAloneThatItDoesNotUnderstand(t *testing.T) {
	for text, want := range map[string]string{
		"[[site]]\nname = \"b\"\n":    `there is no [[site]] with name = "a"`,
		"site = [{ name = \"a\" }]\n": "not written as a table of its own",
		"[[site\n":                    "there is no [[site]]",
	} {
		if got, err := Insert(text, "a", insertRoute, insertBackend); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

func TestInsert_KeepsTheExampleWhatItIs(t *testing.T) {
	example, err := os.ReadFile(filepath.FromSlash("../../../config.example.toml"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := Insert(string(example), "api.example.com", insertRoute, insertBackend)
	if err != nil {
		t.Fatal(err)
	}
	f := newFindings("x", indexLines(text))
	got := decodeText(text, "/", f)
	if got == nil || len(got.Sites) != 1 || len(got.Sites[0].Routes) != 1 || len(got.Backends) != 2 || got.Backends[1].Name != "x" {
		t.Errorf("got %+v, %v", got, f.sorted())
	}
	if rest := strings.Replace(strings.Replace(text, "\n"+insertRoute, "", 1), "\n"+insertBackend, "", 1); rest != string(example) {
		t.Error("other bytes were changed")
	}
}

func FuzzInsert_KeepsEveryLine(f *testing.F) {
	f.Add("[[site]]\nname = \"a\"\n[[backend]]\nname='b'")
	f.Add("# x\r\n[[site]]\r\nname = 'a'\r\n\r\n[site.tls]\n")
	f.Add("site.name='a'")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Insert(text, "a", insertRoute, insertBackend)
		if err != nil {
			return
		}
		rest := got
		for line := range strings.Lines(text) {
			at := strings.Index(rest, strings.TrimRight(line, "\n"))
			if at < 0 {
				t.Fatalf("%q is lost of %q in %q", line, text, got)
			}
			rest = rest[at+len(strings.TrimRight(line, "\n")):]
		}
		if before, after := decodeText(text, "/", newFindings("", indexLines(text))), decodeText(got, "/", newFindings("", indexLines(got))); before != nil {
			if after == nil || len(after.Backends) != len(before.Backends)+1 || len(after.Sites) != len(before.Sites) {
				t.Errorf("%q became %q", text, got)
			}
		}
	})
}
