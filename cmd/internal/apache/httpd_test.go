package apache

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const apacheModules = "/usr/lib/apache2/modules"

// apacheRun runs the installed httpd and returns what it prints.
func apacheRun(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("apache2"); err != nil {
		t.Skip("no Apache httpd to ask: install the Debian package apache2")
	}
	out, err := exec.Command("apache2", args...).Output()
	if err != nil {
		t.Fatalf("apache2 %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// apacheLoads is a configuration that loads modules and is complete.
func apacheLoads(root string, modules ...string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "ServerRoot %q\nServerName localhost\nErrorLog %q\n", root, filepath.Join(root, "error.log"))
	for _, name := range modules {
		fmt.Fprintf(&text, "LoadModule %s_module %s/mod_%s.so\n", name, apacheModules, name)
	}
	return text.String()
}

func TestKnowledge_HasTheDirectivesThatHttpdLists(t *testing.T) {
	root := apacheFiles(t, nil)
	file := filepath.Join(root, "httpd.conf")
	text := apacheLoads(root, "mpm_event", "ssl", "proxy", "proxy_http", "proxy_wstunnel", "headers", "rewrite", "alias")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	listed := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^(<?[A-Za-z]\w*) \((\w+)\.c\)$`).FindAllStringSubmatch(apacheRun(t, "-f", file, "-L"), -1) {
		module := strings.Replace(m[2], "http_core", "core", 1)
		listed[module] = append(listed[module], strings.ToLower(m[1]))
	}
	for _, module := range coveredModules {
		var known []string
		for name, k := range knowledge() {
			if k.module == module {
				known = append(known, name)
			}
		}
		slices.Sort(known)
		slices.Sort(listed[module])
		if !slices.Equal(known, listed[module]) {
			t.Errorf("%s: the table has\n%v\nhttpd lists\n%v", module, known, listed[module])
		}
	}
}

func TestKnowledge_SaysOfEachWhatMustBeSaid(t *testing.T) {
	for _, k := range knowledge() {
		switch {
		case !slices.Contains(Classes(), k.class):
			t.Errorf("%s has the class %q", k.name, k.class)
		case (k.class == NotCarried || k.class == NotNeeded) && k.note == "":
			t.Errorf("%s is %s, and does not say why", k.name, k.class)
		case k.matters && k.do == "":
			t.Errorf("%s matters, and nothing is said to do about it", k.name)
		}
	}
}

func TestCoverage_CountsEveryDirectiveOnce(t *testing.T) {
	for _, c := range Coverage() {
		sum := 0
		for _, n := range c.Classes {
			sum += n
		}
		if sum != c.Directives || c.Directives == 0 && c.Module != "mod_proxy_http" {
			t.Errorf("%s: %d of %d", c.Module, sum, c.Directives)
		}
	}
}

// executedOnRead are the directives that httpd does not keep in its tree.
var executedOnRead = []string{"loadmodule", "serverroot", "include", "includeoptional", "define", "undefine", "macro", "use", "undefmacro"}

// apacheFlat is a tree as httpd dumps it, without places.
func apacheFlat(ds []*Directive) []string {
	var lines []string
	for _, d := range ds {
		switch {
		case slices.Contains(executedOnRead, strings.ToLower(d.Name)):
		case d.Section:
			lines = append(lines, "<"+d.Name+" "+d.Text+">")
			lines = append(lines, apacheFlat(d.Children)...)
			lines = append(lines, "</"+d.Name+">")
		default:
			lines = append(lines, strings.TrimSpace(d.Name+" "+d.Text))
		}
	}
	return lines
}

func TestRead_SeesWhatHttpdSees(t *testing.T) {
	root := apacheFiles(t, map[string]string{
		"extra/b.conf": "SetEnv FROM b\n",
		"extra/a.conf": "SetEnv FROM a\n<Location \"/x\">\n  SetEnv DEEP \"a \\\"q\\\"\"\n</Location>\n",
		"site.conf": `Define HOST "a b"
SetEnv A2 "two \
   three"
# comment \
SetEnv A3 swallowed
SetEnv A4 "x\"y"
SetEnv A7 ab#cd\\ef
SetEnv A9 "${HOST}${NOPE}"
<Macro M $x $xy>
SetEnv C$x "$xy-$x-${HOST}"
</Macro>
Use M 1 2
<IfModule env_module>
  <IfModule mod_nothere.c>
    SetEnv WRONG 1
  </IfModule>
  <IfVersion >= 2.4>
    SetEnv RIGHT 1
  </IfVersion>
</IfModule>
<IfDefine !HOST>
  SetEnv WRONG 2
</IfDefine>
IncludeOptional extra/*.conf
IncludeOptional nothing/*.conf
Listen 127.0.0.1:1
<VirtualHost *:1>
  ServerName one.example.com
  Use M 3 4
</VirtualHost>
`})
	file := filepath.Join(root, "httpd.conf")
	if err := os.WriteFile(file, []byte(apacheLoads(root, "mpm_event", "env", "macro", "info")+"Include site.conf\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(apacheRun(t, "-t", "-D", "DUMP_CONFIG", "-f", file)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			want = append(want, line)
		}
	}
	source, err := Find(file)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := Read(source)
	if err != nil {
		t.Fatal(err)
	}
	if got := apacheFlat(tree.Directives); !slices.Equal(got, want) {
		t.Errorf("gateway sees\n%s\n\nhttpd sees\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTranslate_FindsTheVirtualHostsThatHttpdFinds(t *testing.T) {
	root := apacheFiles(t, nil)
	file := filepath.Join(root, "httpd.conf")
	text := apacheLoads(root, "mpm_event") + `Listen 127.0.0.1:8001
Listen 127.0.0.1:8002
<VirtualHost *:8001>
ServerName first.example.com
ServerAlias *.first.example.com
</VirtualHost>
<VirtualHost 127.0.0.1:8001>
ServerName second.example.com
</VirtualHost>
<VirtualHost 127.0.0.1:8001 _default_:8002>
ServerName https://third.example.com:443
ServerAlias three.example.com drei.example.com
</VirtualHost>
<VirtualHost *:9>
ServerName unheard.example.com
</VirtualHost>
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`(\S+) \(`+regexp.QuoteMeta(file)+`:(\d+)\)`).FindAllStringSubmatch(apacheRun(t, "-S", "-f", file), -1) {
		found[m[1]+":"+m[2]] = true
	}
	source, err := Find(file)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := Read(source)
	if err != nil {
		t.Fatal(err)
	}
	work := &translation{tree: tree, ledger: newLedger()}
	for _, h := range work.findHosts() {
		if h.section == nil {
			continue
		}
		if key := fmt.Sprintf("%s:%d", h.name, h.section.Line); !found[key] {
			t.Errorf("%s is not among %v", key, found)
		}
		delete(found, fmt.Sprintf("%s:%d", h.name, h.section.Line))
	}
	if len(found) > 0 {
		t.Errorf("httpd has more: %v", found)
	}
}
