package apache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// apacheTree writes files below a folder and returns it; the first is httpd's first.
func apacheFiles(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// apacheRead reads the configuration in a folder.
func apacheRead(t testing.TB, files map[string]string) (*Tree, error) {
	t.Helper()
	source, err := Find(apacheFiles(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return Read(source)
}

// apacheShow writes a tree as "name[a|b]" lines, with sections indented.
func apacheShow(ds []*Directive, indent string) string {
	var out strings.Builder
	for _, d := range ds {
		fmt.Fprintf(&out, "%s%s[%s]\n%s", indent, d.Name, strings.Join(d.Args, "|"), apacheShow(d.Children, indent+" "))
	}
	return out.String()
}

func TestRead_SplitsLinesAsHttpdDoes(t *testing.T) {
	tree, err := apacheRead(t, map[string]string{"httpd.conf": "\ufeff# a comment \\\nSetEnv SWALLOWED 1\nSetEnv A \"two \\\n   three\"\r\n  SetEnv B 'x\"y' \nSetEnv C x#y\n" +
		"SetEnv D ab\\\\ef \"x\\\"y\\z\"\nSetEnv E \"unclosed here\nSetEnv F \"a\"b\n\tSetEnv\tG\t\"\"\nSetEnv H one\\\\\nSetEnv I"})
	if err != nil {
		t.Fatal(err)
	}
	want := `SetEnv[A|two    three]
SetEnv[B|x"y]
SetEnv[C|x#y]
SetEnv[D|ab\ef|x"y\z]
SetEnv[E|unclosed here]
SetEnv[F|a|b]
SetEnv[G|]
SetEnv[H|one\SetEnv|I]
`
	if got := apacheShow(tree.Directives, ""); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if tree.Directives[0].Line != 3 || tree.Directives[1].Line != 5 {
		t.Errorf("lines %d and %d", tree.Directives[0].Line, tree.Directives[1].Line)
	}
}

func TestRead_JudgesConditionsAndResolvesVariables(t *testing.T) {
	tree, err := apacheRead(t, map[string]string{
		"httpd.conf": `LoadModule ssl_module modules/mod_ssl.so
Define HOST api.example.com
Define FLAG
<IfModule mod_ssl.c>
ServerName ${HOST}
<IfModule !proxy_module>
SetEnv NOPROXY 1
</IfModule>
</IfModule>
<IfModule mod_nothere.c>
ServerName wrong
</IfModule>
<IfDefine FLAG>
<IfVersion >= 2.4>
<IfVersion < 2.4.10>
SetEnv OLD 1
</IfVersion>
SetEnv NEW ${UNKNOWN} ${map:key}
</IfVersion>
</IfDefine>
<IfDefine !FLAG>
ServerName wrong
</IfDefine>
<IfFile httpd.conf>
SetEnv THERE 1
</IfFile>
<IfDirective SSLEngine>
SetEnv SSL 1
</IfDirective>
UnDefine FLAG
<IfDefine FLAG>
ServerName wrong
</IfDefine>
<If "%{HTTPS} == 'on'">
SetEnv LATER 1
</If>
`})
	if err != nil {
		t.Fatal(err)
	}
	got := apacheShow(tree.Directives, "")
	for _, want := range []string{"ServerName[api.example.com]", "SetEnv[NOPROXY|1]", "SetEnv[NEW|${UNKNOWN}|${map:key}]", "SetEnv[THERE|1]", "SetEnv[SSL|1]", "If[%{HTTPS} == 'on']\n SetEnv[LATER|1]"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
	if strings.Contains(got, "wrong") || strings.Contains(got, "OLD") {
		t.Errorf("a condition that does not hold was taken:\n%s", got)
	}
	if len(tree.Warnings) != 1 || !strings.Contains(tree.Warnings[0].String(), "httpd.conf:18: ${UNKNOWN} is not defined") {
		t.Errorf("the warnings are %v", tree.Warnings)
	}
}

func TestRead_TakesAFileWithoutModulesAsAPartOfAWhole(t *testing.T) {
	tree, err := apacheRead(t, map[string]string{"httpd.conf": "<IfModule mod_ssl.c>\nServerName x\n</IfModule>\n<IfModule !mod_ssl.c>\nServerName y\n</IfModule>\n"})
	if err != nil {
		t.Fatal(err)
	}
	if got := apacheShow(tree.Directives, ""); got != "ServerName[x]\n" {
		t.Errorf("got %s", got)
	}
}

func TestRead_IncludesInTheOrderOfNamesAndUsesMacros(t *testing.T) {
	tree, err := apacheRead(t, map[string]string{
		"conf/httpd.conf": `ServerRoot "/no/such/root"
<Macro VHost $name $n @port>
<VirtualHost *:@port>
ServerName $name
SetEnv N "$n"
</VirtualHost>
</Macro>
Include conf.d/*.conf
IncludeOptional none/*.conf
IncludeOptional /no/such/root/extra
Use vhost a.example.com 1 80
`,
		"conf.d/b.conf":   "SetEnv FILE b\n",
		"conf.d/a.conf":   "SetEnv FILE a\n",
		"conf.d/.x.conf":  "SetEnv FILE hidden\n",
		"conf.d/c.conf~":  "SetEnv FILE backup\n",
		"extra/z/1.conf":  "SetEnv FILE z\n",
		"extra/none.conf": "",
	})
	if err != nil {
		t.Fatal(err)
	}
	got := apacheShow(tree.Directives, "")
	order := []string{"FILE|a", "FILE|b", "FILE|z", "VirtualHost[*:80]\n ServerName[a.example.com]\n SetEnv[N|1]\n"}
	at := 0
	for _, want := range order {
		i := strings.Index(got[at:], want)
		if i < 0 {
			t.Fatalf("%s is not in its place in\n%s", want, got)
		}
		at += i
	}
	if strings.Contains(got, "hidden") || strings.Contains(got, "backup") {
		t.Errorf("too much was included:\n%s", got)
	}
	site := tree.Directives[len(tree.Directives)-1]
	if site.Line != 3 || site.Via == nil || site.Via.Line != 11 {
		t.Errorf("the macro's lines are told to be at %v, used at %v", site.Position, site.Via)
	}
}

func TestRead_ReadsEnvvarsWithoutRunningIt(t *testing.T) {
	root := apacheFiles(t, map[string]string{
		"apache2.conf": "ErrorLog ${APACHE_LOG_DIR}/error.log\nUser ${APACHE_RUN_USER}\nSetEnv X ${EVIL}\n<IfDefine EXTRA>\nSetEnv Y 1\n</IfDefine>\n",
		"envvars": "unset HOME\nif [ \"${APACHE_CONFDIR##/etc/apache2-}\" != \"${APACHE_CONFDIR}\" ] ; then\n\tSUFFIX=\"-${APACHE_CONFDIR##/etc/apache2-}\"\nelse\n\tSUFFIX=\nfi\n" +
			": ${APACHE_RUN_USER:=www-data}\nexport APACHE_RUN_USER=www-data\nexport APACHE_LOG_DIR=/var/log/apache2$SUFFIX\nexport EVIL=$(touch " + filepath.Join(t.TempDir(), "evil") + ")\nexport APACHE_ARGUMENTS=\"-D EXTRA\"\n",
	})
	source, err := Find(root)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := Read(source)
	if err != nil {
		t.Fatal(err)
	}
	want := "ErrorLog[/var/log/apache2/error.log]\nUser[www-data]\nSetEnv[X|${EVIL}]\nSetEnv[Y|1]\n"
	if got := apacheShow(tree.Directives, ""); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if source.Layout != "Debian" {
		t.Errorf("the layout is %q", source.Layout)
	}
}

func TestRead_TellsWhatIsWrongByFileAndLine(t *testing.T) {
	long := strings.Repeat("x", 3000)
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"unclosed section":     {map[string]string{"httpd.conf": "Listen 80\n<VirtualHost *:80>\nServerName x\n"}, "httpd.conf:2: <VirtualHost> is never closed: write </VirtualHost> where the section ends"},
		"crossed sections":     {map[string]string{"httpd.conf": "<VirtualHost *:80>\n<Location />\n</VirtualHost>\n</Location>\n"}, "httpd.conf:3: </VirtualHost> stands where <Location> of ROOT/httpd.conf:2 is still open: write </Location> before it, or take it out"},
		"closed but not open":  {map[string]string{"httpd.conf": "Listen 80\n</VirtualHost>\n"}, "httpd.conf:2: </VirtualHost> closes a section that is not open: take the line out, or write the line that opens the section"},
		"no closing bracket":   {map[string]string{"httpd.conf": "<VirtualHost *:80\n</VirtualHost>\n"}, `httpd.conf:1: <VirtualHost has no ">" at the end of its line: write it`},
		"missing include":      {map[string]string{"httpd.conf": "Listen 80\nInclude ports.conf\n"}, "httpd.conf:2: the file ROOT/ports.conf cannot be read: does not exist: see that the file is there, or take out the line that names it"},
		"include of nothing":   {map[string]string{"httpd.conf": "Include sites/*.conf\n"}, "httpd.conf:1: Include sites/*.conf matches no file: take the line out, or write IncludeOptional"},
		"include loop":         {map[string]string{"httpd.conf": "Include a.conf\n", "a.conf": "Listen 80\nInclude httpd.conf\n"}, "a.conf:2: ROOT/httpd.conf includes itself by this line: take the line out"},
		"unknown macro":        {map[string]string{"httpd.conf": "Use Nothing\n"}, `httpd.conf:1: there is no macro "Nothing": write its <Macro> above this line`},
		"macro of few words":   {map[string]string{"httpd.conf": "<Macro M $a $b>\n</Macro>\nUse M 1\n"}, "httpd.conf:3: the macro M (ROOT/httpd.conf:1) takes 2 words, and here are 1: write as many"},
		"macro loop":           {map[string]string{"httpd.conf": "<Macro M>\nUse M\n</Macro>\nUse M\n"}, "httpd.conf:2: macros use each other more than 20 deep: take the Use out that leads back"},
		"binary file":          {map[string]string{"httpd.conf": "Listen 80\n\x7fELF\x02\x00\n"}, "httpd.conf:2: holds a byte that no text has, so this is no configuration: name a file of text; see what it is with: file ROOT/httpd.conf"},
		"large file":           {map[string]string{"httpd.conf": strings.Repeat("# "+long+"\n", 4000)}, "httpd.conf:1397: the file has 12012000 bytes, and goes on where no configuration does: see what this file is; leave it out if it is a log or an archive"},
		"the file's own error": {map[string]string{"httpd.conf": "Error \"not yet configured\"\n"}, `httpd.conf:1: the configuration itself says that it is wrong: "not yet configured": correct what its message names; httpd does not start with it`},
		"macro bomb": {map[string]string{"httpd.conf": "<Macro A $x>\nSetEnv X $x$x$x$x$x$x$x$x$x$x\n</Macro>\n<Macro B $x>\nUse A $x$x$x$x$x$x$x$x$x$x\n</Macro>\n<Macro C $x>\nUse B $x$x$x$x$x$x$x$x$x$x\n</Macro>\nUse C " + long + "\n"},
			"httpd.conf:2: the line has more than 1048576 bytes in the macro's use: see the words of the Use"},
	} {
		t.Run(name, func(t *testing.T) {
			root := apacheFiles(t, c.files)
			_, err := Read(Source{File: filepath.Join(root, "httpd.conf"), Root: root})
			if err == nil {
				t.Fatal("no error")
			}
			var problem *Problem
			if !errors.As(err, &problem) {
				t.Errorf("%v is no *Problem", err)
			}
			if got := strings.ReplaceAll(strings.TrimPrefix(err.Error(), root+"/"), root, "ROOT"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestFind_KnowsFoldersAndSingleFiles(t *testing.T) {
	root := apacheFiles(t, map[string]string{"etc/apache2/apache2.conf": "", "etc/apache2/sites-available/a.conf": "", "rhel/conf/httpd.conf": "", "brew/httpd.conf": "", "empty/x": ""})
	for path, want := range map[string][3]string{
		"":                                   {"etc/apache2/apache2.conf", "etc/apache2", "Debian"},
		"etc/apache2":                        {"etc/apache2/apache2.conf", "etc/apache2", "Debian"},
		"etc/apache2/sites-available/a.conf": {"etc/apache2/sites-available/a.conf", "etc/apache2", "a single file"},
		"rhel":                               {"rhel/conf/httpd.conf", "rhel", "RHEL"},
		"brew":                               {"brew/httpd.conf", "brew", "Homebrew"},
	} {
		s, err := Find(filepath.Join(root, path))
		if got := [3]string{strings.TrimPrefix(s.File, root+"/"), strings.TrimPrefix(s.Root, root+"/"), s.Layout}; err != nil || got != want {
			t.Errorf("%s: %v %v, want %v", path, got, err, want)
		}
	}
	for _, path := range []string{"empty", "none"} {
		if _, err := Find(filepath.Join(root, path)); err == nil {
			t.Errorf("%s was found", path)
		}
	}
}

func TestRead_RefusesWhatIsNoRegularFile(t *testing.T) {
	root := apacheFiles(t, map[string]string{"httpd.conf": "Include /dev/zero\n"})
	if _, err := Read(Source{File: filepath.Join(root, "httpd.conf"), Root: root}); err == nil || !strings.Contains(err.Error(), "/dev/zero is no regular file") {
		t.Errorf("got %v", err)
	}
}

// FuzzRead reads and translates any text. It must not panic, and must report
// every directive in one class.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"Listen 80\n<VirtualHost *:80>\nServerName a\nProxyPass / http://b/\n</VirtualHost>\n",
		"<Macro M $a>\nUse M $a\n</Macro>\nUse M \"\\\"",
		"<IfModule !x>\n<Location ~ \"^/(a|b)\">\nRequire not ip 10\n</Location>\n</IfModule>\nRewriteEngine on\nRewriteCond %{HTTP_HOST} ^(.*)$ [OR,NC]\nRewriteRule ^/?(.*)$ https://%1/$1 [R=301,L]",
		"Define A ${A}\nHeader set X \"%{A}e%t\" env=b\nErrorDocument 404 /x\nRedirect 410\nAlias\nProxyPassMatch (.*) http://$1\nInclude *\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(strings.ToLower(text), "include") && strings.ContainsAny(text, "/~") {
			return // it would read files of this machine
		}
		root := t.TempDir()
		file := filepath.Join(root, "fuzzed.conf")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		tree, err := Read(Source{File: file, Root: root})
		if err != nil {
			var problem *Problem
			if !errors.As(err, &problem) {
				t.Fatalf("%v is no *Problem", err)
			}
			return
		}
		made, err := Translate(tree, Options{})
		if err != nil {
			return
		}
		for _, item := range made.Report.Items {
			if !slices.Contains(Classes(), item.Class) {
				t.Errorf("%s has the class %q", item, item.Class)
			}
		}
	})
}
