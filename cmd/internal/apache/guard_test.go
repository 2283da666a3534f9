package apache

import (
	"fmt"
	"strings"
	"testing"
)

// guardPath is what the file says of the route of a path, without comments.
func guardPath(made *Translation, key string) string {
	_, route, _ := strings.Cut(apacheLines(made), key+"\n")
	route, _, _ = strings.Cut(route, "\n[")
	return route
}

func TestTranslate_MergesAccessRulesOfSectionsAsHttpdDoes(t *testing.T) {
	for name, c := range map[string]struct{ outer, inner, want string }{
		"lines of 2.2 hold beside those of 2.4 of a later section": {"Order allow,deny\nDeny from all", "Require all granted", `deny = ["all"]`},
		"addresses of 2.2 hold beside a password of 2.4":           {"Order deny,allow\nDeny from all\nAllow from 10.0.0.1", "Require all granted", `allow = ["10.0.0.1"]`},
		"SSLRequireSSL holds whatever comes later":                 {"SSLRequireSSL", "Require all granted", `deny = ["all"]`},
		"SSLRequireSSL holds beside Order":                         {"", "SSLRequireSSL\nOrder allow,deny\nAllow from all", `deny = ["all"]`},
		"Require ssl lets nobody in without TLS":                   {"", "Require ssl", `deny = ["all"]`},
		"SSLVerifyClient of a section can't be asked for":          {"", "SSLVerifyClient require", `deny = ["all"]`},
		"AuthMerging joins sections, which gateway can't":          {"Require ip 10.0.0.0/8", "AuthMerging And\nRequire all granted", `deny = ["all"]`},
		"who is everybody is nobody in RequireNone":                {"", "<RequireAll>\nRequire all granted\n<RequireNone>\nRequire all granted\n</RequireNone>\n</RequireAll>", `deny = ["all"]`},
	} {
		text := "ProxyPass / http://localhost:3000/\n"
		if c.outer != "" {
			text += "<Location />\n" + c.outer + "\n</Location>\n"
		}
		_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, text+"<Location /admin>\n"+c.inner+"\n</Location>"))
		site, routes, _ := strings.Cut(apacheLines(made), "[[site.route]]")
		if got := guardPath(made, `path = "/admin"`); !strings.Contains(got, c.want) && (routes != "" || !strings.Contains(site, c.want)) {
			t.Errorf("%s:\n%s", name, apacheLines(made))
		}
	}
}

func TestTranslate_TakesBothStylesOfAccessRulesInOneSection(t *testing.T) {
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "ProxyPass / http://localhost:3000/\n<Location /open>\nOrder allow,deny\nAllow from all\nRequire all granted\n</Location>"))
	if got := apacheLines(made); strings.Contains(got, "deny") || made.Report.Matters() {
		t.Errorf("what both let in is closed:\n%s", got)
	}
}

func TestTranslate_LetsNoPatternGoAroundTheGuardOfAPath(t *testing.T) {
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "ProxyPass / http://localhost:3000/\n<LocationMatch \"\\.png$\">\nHeader set X y\n</LocationMatch>\n<Location /admin>\nRequire ip 10.0.0.0/8\n</Location>"))
	if got := apacheLines(made); strings.Contains(got, "match =") {
		t.Errorf("/admin/x.png is open:\n%s", got)
	}
	if item := apacheItem(t, made, "<LocationMatch"); !item.Matters {
		t.Errorf("%s", item)
	}
}

func TestTranslate_ClosesThePathsToAGuardedTarget(t *testing.T) {
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "ProxyPass /app/ http://localhost:3000/\n<Proxy http://localhost:3000/admin>\nRequire ip 10.0.0.0/8\n</Proxy>"))
	if got := guardPath(made, `match = "^/app/admin"`); !strings.Contains(got, "respond = 403") {
		t.Errorf("got\n%s", apacheLines(made))
	}
	if item := apacheItem(t, made, "Require ip"); !item.Matters {
		t.Errorf("%s", item)
	}
}

func TestTranslate_GuardsTheMembersOfABalancerByItsName(t *testing.T) {
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "<Proxy balancer://farm>\nBalancerMember http://localhost:3000\nRequire ip 10.0.0.0/8\n</Proxy>\nProxyPass /app/ balancer://farm/"))
	if got := guardPath(made, `path = "/app/"`); !strings.Contains(got, `allow = ["10.0.0.0/8"]`) {
		t.Errorf("got\n%s", apacheLines(made))
	}
}

func TestTranslate_ClosesFilesByTheirWholeNames(t *testing.T) {
	for written, names := range map[string][2]string{
		`<FilesMatch "^\.|\.bak$|^secret">`: {"/d/secret.txt /x.bak /secret", "/a.txt /my.secret"},
		`<FilesMatch "(^x|~$)">`:            {"/x.inc /d/x /a~", "/d/ax"},
		`<FilesMatch "^\.?secret">`:         {"/secret /d/secrets", "/a"},
		`<FilesMatch "^a.c$">`:              {"/abc /d/abc", "/a/c /a/bc"},
		`<FilesMatch "^a[^x]c">`:            {"/abc /abcd", "/a/c /axc"},
	} {
		_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "DocumentRoot "+t.TempDir()+"\n"+written+"\nRequire all denied\n</FilesMatch>"))
		_, pattern, found := strings.Cut(apacheLines(made), "match = ")
		pattern, _, _ = strings.Cut(pattern, "\n")
		m, _, err := parsePattern(strings.ReplaceAll(pattern[min(1, len(pattern)):max(1, len(pattern)-1)], `\\`, `\`), false)
		if !found || err != nil {
			t.Errorf("%s: %v in\n%s", written, err, apacheLines(made))
			continue
		}
		for i, want := range []bool{true, false} {
			for name := range strings.FieldsSeq(names[i]) {
				if m.covers(exactly(name)) != want {
					t.Errorf("%s: %s closes %s: %t", written, m.pattern, name, !want)
				}
			}
		}
	}
}

func TestHidesDotfiles_KnowsOnlyPatternsThatFitNothingElse(t *testing.T) {
	for pattern, want := range map[string]bool{
		`^\.ht`: true, `^\.`: true, `^[.]git`: true, `^\.(ht|git)`: true, `^(\.ht|\.git)`: true,
		`^\.|secret`: false, `^(\.ht|secret)`: false, `^\.?secret`: false, `^\.*x`: false, `^(\.ht)?x`: false, `\.bak$`: false,
	} {
		path, err := filePattern(&Directive{Name: "FilesMatch", Args: []string{pattern}})
		if err != nil || hidesDotfiles(path) != want {
			t.Errorf("%s: %t, %v", pattern, !want, err)
		}
	}
	for pattern, want := range map[string]bool{`/\.git`: true, `(^|/)\.git(/|$)`: true, `^.*/\.svn/`: true, `/\.|/secret`: false, `/secret`: false} {
		if hidesDotFolders(pattern) != want {
			t.Errorf("%s: %t", pattern, !want)
		}
	}
}

func TestFolderMatcher_FindsThePathsOfFolders(t *testing.T) {
	for _, c := range []struct{ pattern, at, path string }{
		{"^/srv/www/sec[^/]*$", "", "/secret/s.txt"},
		{"/admin", "", "/admin/x"},
		{"/secret$", "", "/secret/x"},
		{"^/srv/www/(a|b)/private", "/pub", "/pub/b/private/x"},
		{"/www/secret", "", "/secret/x"},
		{"www/secret", "/pub", "/pub/secret/x"},
		{"^/srv/.*/secret", "", "/a/secret/x"},
		{"/www", "/pub", "/pub/x"},
		{"^(?!x)", "/pub", "/pub/x"},
	} {
		m, touches := folderMatcher(c.pattern, "/srv/www", c.at)
		if !touches || !m.covers(exactly(c.path)) {
			t.Errorf("%s at %q leaves %s open: %+v", c.pattern, c.at, c.path, m)
		}
	}
	if m, touches := folderMatcher("^/home/.*/private", "/srv/www", ""); touches {
		t.Errorf("another folder closes %s", m.shown())
	}
}

func TestTranslate_ClosesRewritesThatAskWhoComes(t *testing.T) {
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, `RewriteEngine On
RewriteCond %{REMOTE_ADDR} !^10\.
RewriteRule ^/admin/ - [F]
RewriteCond %{REMOTE_ADDR} !^10\.
RewriteCond %{REQUEST_URI} ^/stats/
RewriteRule . - [F,L]
RewriteCond %{HTTP_USER_AGENT} robot
RewriteRule ^ - [F]
ProxyPass / http://localhost:3000/`))
	for _, path := range []string{"/admin/", "/stats/"} {
		if got := guardPath(made, `path = "`+path+`"`); !strings.Contains(got, "respond = 403") {
			t.Errorf("%s is open:\n%s", path, apacheLines(made))
		}
	}
	if got := apacheLines(made); strings.Count(got, "respond") != 2 {
		t.Errorf("more is closed:\n%s", got)
	}
	for _, item := range made.Report.Items {
		if strings.HasPrefix(item.Directive, "RewriteRule") && !item.Matters {
			t.Errorf("%s", item)
		}
	}
}

func TestTranslate_ClosesAPatternOfWhichARuleTakesSomePaths(t *testing.T) {
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "ProxyPassMatch \"^/x/(.*\\.php)$\" http://localhost:3000/$1\nProxyPass / http://localhost:3000/\n<LocationMatch \"^/x/admin\">\nRequire ip 10.0.0.0/8\n</LocationMatch>"))
	got := apacheLines(made)
	if first, _, _ := strings.Cut(got, `match = "^/x/(`); !strings.Contains(first, "match = \"^/x/admin\"\nrespond = 403\n") {
		t.Errorf("/x/admin/a.php is open:\n%s", got)
	}
	if item := apacheItem(t, made, "Require ip"); !item.Matters {
		t.Errorf("%s", item)
	}
}

func TestTranslate_TellsOfASiteThatMoreClientsReach(t *testing.T) {
	_, made := apacheTranslate(t, "Listen 8080\n<VirtualHost 127.0.0.1:8080>\nServerName in.example.com\nProxyPass / http://localhost:3000/\n</VirtualHost>\n<VirtualHost *:8080 [::]:8080>\nServerName out.example.com\nProxyPass / http://localhost:3001/\n</VirtualHost>\n")
	if item := apacheItem(t, made, "<VirtualHost 127"); !item.Matters {
		t.Errorf("%s", item)
	}
	if item := apacheItem(t, made, "<VirtualHost *"); item.Class == NotCarried {
		t.Errorf("%s", item)
	}
}

func TestTranslate_TellsOfFilesOfSettingsInFoldersBelow(t *testing.T) {
	root := apacheFiles(t, map[string]string{"www/a/b/.htaccess": "Require all denied\n", "www/c/.access": ""})
	for names, want := range map[string]string{"": "www/a/b/.htaccess holds", "AccessFileName .access\n": "www/c/.access holds"} {
		_, made := apacheTranslate(t, names+fmt.Sprintf(apacheSite, "DocumentRoot "+root+"/www\n<Directory "+root+"/www>\nAllowOverride All\n</Directory>"))
		if item := apacheItem(t, made, "AllowOverride"); !item.Matters || !strings.Contains(item.Note, want) {
			t.Errorf("%s", item)
		}
	}
}

func TestTranslate_TellsOfAGuardedFileThatIsSentForItsFolder(t *testing.T) {
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "DocumentRoot "+t.TempDir()+"\n<Files index.html>\nRequire ip 10.0.0.0/8\n</Files>"))
	if item := apacheItem(t, made, "<Files"); !item.Matters {
		t.Errorf("%s", item)
	}
}

func TestTranslate_LeavesPathsOfABackendToIt(t *testing.T) {
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "ProxyPass / http://localhost:3000/\n<FilesMatch \"\\.sql$\">\nRequire all denied\n</FilesMatch>"))
	if got := apacheLines(made); strings.Contains(got, "respond") || made.Report.Matters() {
		t.Errorf("got\n%s", got)
	}
	_, made = apacheTranslate(t, fmt.Sprintf(apacheSite, "DocumentRoot "+t.TempDir()+"\nProxyPass /files !\nProxyPass / http://localhost:3000/\n<FilesMatch \"\\.sql$\">\nRequire all denied\n</FilesMatch>"))
	if got := apacheLines(made); !strings.Contains(got, "respond = 403") {
		t.Errorf("/files/x.sql is open:\n%s", got)
	}
}

func TestTranslate_NamesNoRootThatIsNotThere(t *testing.T) {
	root := apacheFiles(t, map[string]string{"pub/file.txt": "x"})
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "Alias /pub "+root+"/pub\n<Location /pub/file.txt>\nRequire all denied\n</Location>"))
	if got := guardPath(made, `path = "/pub/file.txt"`); !strings.Contains(got, `root = "`+root+`/pub"`) || !strings.Contains(got, `rewrite = "/file.txt{rest}"`) {
		t.Errorf("got\n%s", apacheLines(made))
	}
}

func TestMayBegin_IsSureOfWhatItDenies(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"^/(css|js)/(.*)$", "/app/", false}, {"^/(css|js)/(.*)$", "/js/", true}, {"^/(css|js)/(.*)$", "/", true}, {"^/v([0-9]+)/api$", "/v1", true},
		{"^/v([0-9]+)/api$", "/legacy", false}, {"^/a$", "/a", true}, {"^/a$", "/a/b", false}, {"^/a", "/a/b", true}, {`\.php$`, "/x", true},
		{"^/a|/b", "/x", true}, {"(?i)^/ADMIN", "/admin", true}, {"(?i)^/ADMIN", "/b", false}, {"^/(", "/x", true}, {"^/[^/]*$", "/a/b", false}, {"^.*x", "/é", true},
	} {
		if got := mayBegin(c.pattern, c.text); got != c.want {
			t.Errorf("%s, %s: %t", c.pattern, c.text, got)
		}
	}
}

func TestTranslate_GuardsEveryPartOfAPattern(t *testing.T) {
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "ProxyPass /private http://localhost:3001/private\nProxyPass / http://localhost:3000/\n<LocationMatch \"^/admin|^/private\">\nRequire ip 10.0.0.0/8\n</LocationMatch>"))
	if got := guardPath(made, `match = "^/admin|^/private"`); !strings.Contains(got, "respond = 403") {
		t.Errorf("one backend gets the requests of two, or none is guarded:\n%s", apacheLines(made))
	}
	for pattern, want := range map[string]string{"/a|/b": "", "/a(b|c)": "/a", "/a[|]": "/a", `/a\|`: "/a", "/admin": "/admin"} {
		if got := literalPrefix(pattern); got != want {
			t.Errorf("%s begins with %q, not with %q", pattern, got, want)
		}
	}
}

func TestTranslate_KeepsWhatALocationTakesFromTheProxyingOfAnother(t *testing.T) {
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "<Location /x>\nProxyPass http://localhost:3000/x\n</Location>\n<Location /x/y>\nProxyPass !\n</Location>\nProxyPass / http://localhost:3001/"))
	if got := guardPath(made, `path = "/x/y"`); !strings.Contains(got, "respond = 404") {
		t.Errorf("the backend is asked for /x/y:\n%s", apacheLines(made))
	}
}
