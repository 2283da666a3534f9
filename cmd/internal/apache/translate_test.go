package apache

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// apacheTranslate reads and translates one file.
func apacheTranslate(t testing.TB, text string) (*Tree, *Translation) {
	t.Helper()
	tree, err := apacheRead(t, map[string]string{"httpd.conf": text})
	if err != nil {
		t.Fatal(err)
	}
	made, err := Translate(tree, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tree, made
}

// apacheLines is the file without comments and origins.
func apacheLines(made *Translation) string {
	var out strings.Builder
	for line := range strings.Lines(string(made.TOML)) {
		line, _, _ = strings.Cut(strings.TrimRight(line, "\n"), "  # ")
		if line != "" && line[0] != '#' {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

// apacheItem is the item of a directive that begins with the words.
func apacheItem(t testing.TB, made *Translation, words string) Item {
	t.Helper()
	i := slices.IndexFunc(made.Report.Items, func(i Item) bool { return strings.HasPrefix(i.Directive, words) })
	if i < 0 {
		t.Fatalf("no directive %q in the report", words)
	}
	return made.Report.Items[i]
}

const apacheSite = "Listen 8080\n<VirtualHost *:8080>\nServerName app.example.com\n%s\n</VirtualHost>\n"

func TestTranslate_ReportsEveryDirectiveOnce(t *testing.T) {
	tree, made := apacheTranslate(t, `LoadModule ssl_module modules/mod_ssl.so
Listen 80
Timeout 60
ServerTokens Prod
NoSuchThing on
<Directory />
Require all denied
</Directory>
<VirtualHost *:80>
ServerName a.example.com
DocumentRoot /nowhere
ProxyPass /x http://localhost:3000/x
<Location /x>
<Limit PUT>
Require ip 10.1.2.3
</Limit>
</Location>
<If "%{TIME} > 3">
Header set A b
</If>
</VirtualHost>
`)
	count := 0
	var walk func(ds []*Directive)
	walk = func(ds []*Directive) {
		for _, d := range ds {
			count++
			walk(d.Children)
		}
	}
	walk(tree.Directives)
	if count != len(made.Report.Items) {
		t.Errorf("%d directives, %d in the report", count, len(made.Report.Items))
	}
	seen := map[Position]bool{}
	for _, item := range made.Report.Items {
		if seen[item.Position] || !slices.Contains(Classes(), item.Class) {
			t.Errorf("%s is reported again, or in the class %q", item, item.Class)
		}
		seen[item.Position] = true
		if item.Class == NotCarried && (item.Note == "" || item.Matters && item.Do == "") {
			t.Errorf("%s does not say what breaks and what to do", item)
		}
	}
	if got := apacheItem(t, made, "Header set A b"); got.Class != NotCarried || !got.Matters {
		t.Errorf("what is within <If>: %+v", got)
	}
	if got := apacheItem(t, made, "ProxyPass"); got.Class != Carried || len(got.Lines) == 0 {
		t.Errorf("ProxyPass: %+v", got)
	}
	lines := strings.Split(string(made.TOML), "\n")
	for _, item := range made.Report.Items {
		for _, n := range item.Lines {
			if !strings.Contains(lines[n-1], fmt.Sprintf("httpd.conf:%d", item.Line)) && !strings.Contains(lines[n-1], "more") {
				t.Errorf("%s is said to be in line %d, which is %q", item, n, lines[n-1])
			}
		}
	}
}

func TestTranslate_ClosesWhatItCannotGuard(t *testing.T) {
	for _, guard := range []string{
		"Require group staff", "Require ldap-user ann", "Require expr %{TIME_HOUR} > 8", "Require host example.org", "Require valid-user", "Require env OK",
		"Order allow,deny\nAllow from env=OK", "Order deny,allow\nDeny from all\nAllow from example.org", "Require not ip 10.0.0.1\nRequire ip 10.0.0.0/8",
		"<RequireNone>\nRequire valid-user\n</RequireNone>", "Satisfy any\nOrder deny,allow\nDeny from all\nAllow from 10.0.0.1\nRequire valid-user", "Require all denied", "Require user x", "SSLRequire true", "SSLRequireSSL",
	} {
		_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "ProxyPass / http://localhost:3000/\n<Location /admin>\n"+guard+"\n</Location>"))
		_, route, found := strings.Cut(apacheLines(made), "path = \"/admin\"\n")
		route, _, _ = strings.Cut(route, "\n[[")
		if !found || !strings.Contains(route, `deny = ["all"]`) || strings.Contains(route, "allow =") {
			t.Errorf("%q leaves the path open:\n%s", guard, apacheLines(made))
		}
	}
}

func TestTranslate_ReadsWhoMayCome(t *testing.T) {
	for guard, want := range map[string]string{
		"Require ip 10": `allow = ["10.0.0.0/8"]`,
		"Require ip 10.1.2 192.0.2.1/255.255.255.0 2001:db8::/32": `allow = ["10.1.2.0/24", "192.0.2.1/24", "2001:db8::/32"]`,
		"Require local": `allow = ["127.0.0.0/8", "::1"]`,
		"Require ip 10.0.0.1\nRequire ip 10.0.0.2":                                  `allow = ["10.0.0.1", "10.0.0.2"]`,
		"Require all denied\nRequire ip 10.0.0.2":                                   `allow = ["10.0.0.2"]`,
		"<RequireAll>\nRequire all granted\nRequire not ip 10.0.0.9\n</RequireAll>": `deny = ["10.0.0.9"]`,
		"<RequireNone>\nRequire ip 10.0.0.9\n</RequireNone>":                        `deny = ["10.0.0.9"]`,
		"Order deny,allow\nDeny from all\nAllow from 10.0.0.0/8":                    `allow = ["10.0.0.0/8"]`,
		"Order allow,deny\nAllow from all\nDeny from 10.0.0.9":                      `deny = ["10.0.0.9"]`,
		"Order allow,deny\nAllow from 10.0.0.1":                                     `allow = ["10.0.0.1"]`,
		"Order deny,allow\nDeny from 10.0.0.9":                                      `deny = ["10.0.0.9"]`,
		"Order allow,deny":                                                          `deny = ["all"]`,
		"Order deny,allow\nDeny from all\nAllow from localhost":                     `allow = ["127.0.0.0/8", "::1"]`,
		"Require host localhost":                                                    `allow = ["127.0.0.0/8", "::1"]`,
	} {
		_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "ProxyPass / http://localhost:3000/\n<Location /admin>\n"+guard+"\n</Location>"))
		if _, route, _ := strings.Cut(apacheLines(made), "path = \"/admin\"\n"); !strings.Contains(route, want+"\n") {
			t.Errorf("%q: want %s in\n%s", guard, want, apacheLines(made))
		}
	}
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "ProxyPass / http://localhost:3000/\n<Location />\nRequire ip 10\n</Location>\n<Location /open>\nRequire all granted\n</Location>"))
	if got := apacheLines(made); !strings.Contains(got, "path = \"/open\"\nbackend = \"localhost-3000\"\nallow = [\"all\"]\n") {
		t.Errorf("a part that is open again:\n%s", got)
	}
}

// Without a Deny line everybody may come, whoever Allow names.
func TestTranslate_ClosesNothingForAWordThatDecidesNothing(t *testing.T) {
	for _, guard := range []string{"Allow from trusted.example.org", "Order deny,allow\nAllow from all\nDeny from bad.example.org"} {
		_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "ProxyPass / http://localhost:3000/\n<Proxy *>\n"+guard+"\n</Proxy>"))
		if got := apacheLines(made); strings.Contains(got, "deny") || made.Report.Matters() {
			t.Errorf("%q:\n%s", guard, got)
		}
	}
}

func TestTranslate_JoinsThePortsOfOneName(t *testing.T) {
	body := "ServerName a.example.com\nSSLEngine on\nSSLCertificateFile /c\nSSLCertificateKeyFile /k\nProxyPass / http://localhost:3000/\n"
	_, made := apacheTranslate(t, "Listen 443\nListen 7879\n<VirtualHost *:443>\n"+body+"</VirtualHost>\n<VirtualHost *:7879>\n"+body+"</VirtualHost>\n"+
		"<VirtualHost *:7879>\nServerName a.example.com\nProxyPass / http://localhost:3000/\n</VirtualHost>\n")
	// plain HTTP is for the second port alone, so the sites stay apart.
	if got := apacheLines(made); strings.Count(got, "[[site]]") != 2 || strings.Count(got, `plain = "proxy"`) != 1 {
		t.Errorf("got\n%s", got)
	}
	_, made = apacheTranslate(t, "Listen 443\nListen 7879\n<VirtualHost *:443>\n"+body+"</VirtualHost>\n<VirtualHost *:7879>\n"+body+"</VirtualHost>\n")
	if got := apacheLines(made); !strings.Contains(got, "listen = [\":443\", \":7879\"]\n") {
		t.Errorf("got\n%s", got)
	}
}

func TestTranslate_AsksForNoCertificateWithoutTLS(t *testing.T) {
	body := "ServerName a.example.com\nSSLEngine off\nProxyPass / http://localhost:3000/\n"
	_, made := apacheTranslate(t, "Listen 80\nListen 8080\n<VirtualHost *:80>\n"+body+"</VirtualHost>\n<VirtualHost *:8080>\n"+body+"</VirtualHost>\n")
	if item := apacheItem(t, made, "SSLEngine off"); item.Matters || !strings.Contains(apacheLines(made), "listen = [\"http://:80\", \"http://:8080\"]\n") {
		t.Errorf("%s in\n%s", item, apacheLines(made))
	}
}

func TestTranslate_TakesAddressesApart(t *testing.T) {
	_, made := apacheTranslate(t, `Listen 192.0.2.1:80
Listen [::1]:80
Listen 8080
<VirtualHost 192.0.2.1:80>
ServerName a.example.com
Redirect / http://b.example.com/
</VirtualHost>
<VirtualHost _default_:80>
ServerName c.example.com
Redirect / http://d.example.com/
</VirtualHost>
<VirtualHost 192.0.2.7:8080>
ServerName e.example.com
Redirect / http://f.example.com/
</VirtualHost>
<VirtualHost *:9999>
ServerName never.example.com
Redirect / http://f.example.com/
</VirtualHost>
`)
	got := apacheLines(made)
	for _, want := range []string{"name = \"a.example.com\"\nlisten = [\"http://192.0.2.1:80\"]", "name = \"c.example.com\"\nlisten = [\"http://192.0.2.1:80\", \"http://[::1]:80\"]", "name = \"e.example.com\"\nlisten = [\"http://192.0.2.7:8080\"]"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
	_, joined := apacheTranslate(t, "Listen 7879\nListen [::1]:7879\n<VirtualHost *:7879 [::1]:7879>\nServerName a.example.com\nRedirect / http://b.example.com/\n</VirtualHost>\n")
	if joined.Report.Matters() || !strings.Contains(apacheLines(joined), "listen = [\"http://:7879\"]\n") {
		t.Errorf("a host of all addresses and of one:\n%s", apacheLines(joined))
	}
	if item := apacheItem(t, made, "<VirtualHost *:9999>"); item.Class != NotNeeded || strings.Contains(got, "never") {
		t.Errorf("a host that no Listen leads to: %s", item)
	}
}

func TestTranslate_LeavesCertificatesToACMEWhereModMDKeepsThem(t *testing.T) {
	_, made := apacheTranslate(t, `Listen 443
MDContactEmail admin@example.com
MDCertificateAgreement accepted
MDCertificateAuthority https://ca.example.com/directory
MDPrivateKeys secp256r1 rsa2048
MDomain a.example.com www.a.example.com
<VirtualHost *:443>
ServerName a.example.com
ServerAlias www.a.example.com
SSLEngine on
Redirect / https://b.example.com/
</VirtualHost>
`)
	got := apacheLines(made)
	for _, want := range []string{"[acme]\nemail = \"admin@example.com\"\ndirectory = \"https://ca.example.com/directory\"\nkey_type = \"both\"\n", "certificate = \"acme\"\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestTranslate_SendsClientsToTLSWhereModMDDoes(t *testing.T) {
	for word, want := range map[string]string{"temporary": "redirect_status = 302\n", "permanent": "redirect_status = 301\n", "off": "backend = \"localhost-3000\"\n"} {
		_, made := apacheTranslate(t, "Listen 80\nListen 443\nMDomain a.example.com\nMDProfile shortlived\nMDRequireHttps "+word+"\n<VirtualHost *:80>\nServerName a.example.com\nProxyPass / http://localhost:3000/\n</VirtualHost>\n"+
			"<VirtualHost *:443>\nServerName a.example.com\nSSLEngine on\nProxyPass / http://localhost:3000/\n</VirtualHost>\n")
		_, plain, _ := strings.Cut(apacheLines(made), "listen = [\"http://:80\"]\n")
		plain, _, _ = strings.Cut(plain, "[[")
		if !strings.Contains(plain, want) || strings.Contains(want, "redirect") && !strings.Contains(plain, "redirect = \"https://{host}{path}\"\n") {
			t.Errorf("%s:\n%s", word, apacheLines(made))
		}
		if !strings.Contains(apacheLines(made), "profile = \"shortlived\"\n") {
			t.Errorf("no profile in\n%s", apacheLines(made))
		}
	}
}

func TestTranslate_WritesOneLogForAll(t *testing.T) {
	_, made := apacheTranslate(t, `Listen 80
LogFormat "%h %t" short
<VirtualHost *:80>
ServerName a.example.com
Redirect / http://b.example.com/
CustomLog "|/usr/bin/rotatelogs -l /var/log/a.%Y-%m-%d.log 86400" short
ErrorLog syslog
</VirtualHost>
`)
	if got := apacheLines(made); !strings.Contains(got, "[log]\naccess = \"/var/log/a\"\nformat = \"%h %t\"\n") {
		t.Errorf("got\n%s", got)
	}
}

func TestTranslate_TrustsTheProxiesThatHttpdTrusts(t *testing.T) {
	_, made := apacheTranslate(t, "RemoteIPHeader X-Forwarded-For\nRemoteIPTrustedProxy 10.0.0.0/8 192.0.2.1\n"+fmt.Sprintf(apacheSite, "Redirect / http://b.example.com/"))
	if got := apacheLines(made); !strings.HasPrefix(got, "trusted_proxies = [\"10.0.0.0/8\", \"192.0.2.1\"]\n") {
		t.Errorf("got\n%s", got)
	}
	_, made = apacheTranslate(t, "RemoteIPHeader X-Client-IP\n"+fmt.Sprintf(apacheSite, "Redirect / http://b.example.com/"))
	if item := apacheItem(t, made, "RemoteIPHeader"); !item.Matters {
		t.Errorf("another header: %s", item)
	}
}

func TestTranslate_TellsOfAFileOfSettingsThatItDoesNotRead(t *testing.T) {
	root := apacheFiles(t, map[string]string{"www/.htaccess": "Require ip 10.0.0.1\n"})
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "DocumentRoot "+root+"/www\n<Directory "+root+"/www>\nAllowOverride All\n</Directory>"))
	if item := apacheItem(t, made, "AllowOverride"); !item.Matters || !strings.Contains(item.Note, "www/.htaccess") {
		t.Errorf("got %s", item)
	}
}

func TestTranslate_ReadsTargetsOnSockets(t *testing.T) {
	for _, target := range []string{"unix:/run/app.sock|http://localhost/", "unix:///run/app.sock|http://localhost/", "UNIX:/run//app.sock|ws://localhost/"} {
		_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "ProxyPass / "+target))
		if got := apacheLines(made); !strings.Contains(got, "url = \"unix:/run/app.sock\"\n") || made.Report.Matters() {
			t.Errorf("%s:\n%s", target, got)
		}
	}
}

func TestTranslate_LeavesOutThePathsThatAPatternMustNotFit(t *testing.T) {
	for _, body := range []string{
		`RedirectMatch permanent ^/(?!\.well-known/acme-challenge/)(.*)$ https://a.example.com/$1`,
		`RedirectMatch permanent "^(?!/\.well-known/acme-challenge/)/(.*)" https://a.example.com/$1`,
		"RewriteEngine On\nRewriteRule ^/?(?!\\.well-known/acme-challenge/)(.*) https://a.example.com/$1 [R=301,L]",
	} {
		_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, body+"\nDocumentRoot /srv"))
		got := apacheLines(made)
		for _, want := range []string{"redirect = \"https://a.example.com{path}\"\n", "path = \"/.well-known/acme-challenge/\"\nroot = \"/srv\"\n"} {
			if !strings.Contains(got, want) || made.Report.Matters() {
				t.Errorf("%s: %s is not in\n%s", body, want, got)
			}
		}
	}
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, `ProxyPassMatch ^/(?!static|media)(.*)$ http://localhost:3000/$1`+"\nDocumentRoot /srv"))
	if got := apacheLines(made); !strings.Contains(got, "backend = \"localhost-3000\"\n") || !strings.Contains(got, "path = \"/static\"\nroot = \"/srv\"\n") || !strings.Contains(got, "path = \"/media\"\nroot = \"/srv\"\n") {
		t.Errorf("got\n%s", got)
	}
}

// A rule for nearly all paths goes before patterns that stand after it.
func TestTranslate_KeepsTheOrderOfARuleThatLeavesPathsOut(t *testing.T) {
	const all = "ProxyPassMatch ^/(?!static)(.*)$ http://localhost:3000/$1\nDocumentRoot /srv\n"
	for body, kept := range map[string]bool{
		all + `ProxyPassMatch "^/(.*\.gif)$" http://localhost:4000/$1`:        false,
		all + `ProxyPassMatch "^/static/(.*\.gif)$" http://localhost:4000/$1`: true,
		all + `RedirectMatch 403 \.php$`:                                      true,
	} {
		_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, body))
		if got := apacheLines(made); strings.Contains(got, "match = ") != kept {
			t.Errorf("%s:\n%s", body, got)
		}
	}
}

func TestTranslate_ClosesNoSiteThatWantsNoCertificateOfClients(t *testing.T) {
	const site = "Listen 8443\n<VirtualHost *:8443>\nServerName a.example.com\nSSLEngine on\nSSLCertificateFile /c\nSSLVerifyClient %s\nProxyPass / http://localhost:3000/\n</VirtualHost>\n"
	for word, matters := range map[string]bool{"none": false, "optional": true, "optional_no_ca": true} {
		_, made := apacheTranslate(t, fmt.Sprintf(site, word))
		if item := apacheItem(t, made, "SSLVerifyClient"); item.Matters != matters || strings.Contains(apacheLines(made), "deny") {
			t.Errorf("%s in\n%s", item, apacheLines(made))
		}
	}
	if _, made := apacheTranslate(t, fmt.Sprintf(site, "require")); !strings.Contains(apacheLines(made), `deny = ["all"]`) {
		t.Errorf("got\n%s", apacheLines(made))
	}
}

func TestTranslate_MissesNothingThatIsSwitchedOff(t *testing.T) {
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "ProxyPass / http://localhost:3000/\n<Location />\nDav off\nProxyHTMLEnable Off\n</Location>\nSSLFIPS off\nUserDir disabled"))
	if made.Report.Matters() || made.Report.Count(NotCarried) > 0 {
		t.Errorf("%+v", made.Report.Items)
	}
}

func TestTranslate_AnswersForASiteThatHasNothing(t *testing.T) {
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "Header set X-A b"))
	if got := apacheLines(made); !strings.Contains(got, "respond = 404\n") {
		t.Errorf("got\n%s", got)
	}
}

func TestTranslate_WritesOneSlashWhereARuleLeadsIntoAnother(t *testing.T) {
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "RewriteEngine on\nRewriteRule ^/x/([a-z]+)$ /app/$1 [PT]\nProxyPass /app http://localhost:3001/"))
	if got := apacheLines(made); !strings.Contains(got, "rewrite = \"/{1}\"\n") {
		t.Errorf("got\n%s", got)
	}
}

func TestTranslate_WaitsAsLongAsTheVirtualHostSays(t *testing.T) {
	for body, want := range map[string]string{"Timeout 300": `first_byte = "5m"`, "Timeout 300\nProxyTimeout 90": `first_byte = "90s"`} {
		_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "ProxyPass / http://localhost:3000/\n"+body))
		if got := apacheLines(made); !strings.Contains(got, want+"\n") {
			t.Errorf("%s: %s is not in\n%s", body, want, got)
		}
	}
}

func TestTranslate_TellsThatNothingIsLeftToServe(t *testing.T) {
	tree, err := apacheRead(t, map[string]string{"httpd.conf": "Listen 80\n"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Translate(tree, Options{}); err == nil || !strings.Contains(err.Error(), "no virtual host and no server") {
		t.Errorf("got %v", err)
	}
}

func TestTranslate_TellsOfKeysThatCannotBeRead(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(key, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, made := apacheTranslate(t, "Listen 443\nSSLPassPhraseDialog exec:/bin/ask\n<VirtualHost *:443>\nServerName a.example.com\nSSLEngine on\nSSLCertificateFile /no/such/cert.pem\nSSLCertificateKeyFile "+key+"\nRedirect / https://b.example.com/\n</VirtualHost>\n")
	if item := apacheItem(t, made, "SSLCertificateFile"); item.Class != Differently || !strings.Contains(item.Note, "/no/such/cert.pem does not exist") {
		t.Errorf("a certificate that is not there: %s", item)
	}
	if item := apacheItem(t, made, "SSLPassPhraseDialog"); !item.Matters {
		t.Errorf("an encrypted key: %s", item)
	}
}

func TestTranslate_TakesAThousandSites(t *testing.T) {
	var text strings.Builder
	text.WriteString("Listen 80\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "<VirtualHost *:80>\nServerName s%d.example.com\nProxyPass / http://localhost:%d/\nCustomLog /var/log/%d.log combined\n</VirtualHost>\n", i, 2000+i, i)
	}
	_, made := apacheTranslate(t, text.String())
	if n := strings.Count(string(made.TOML), "[[site]]"); n != 1000 {
		t.Errorf("%d sites", n)
	}
}

func TestTranslate_ClosesTheBeginningOfAPatternThatItCannotRead(t *testing.T) {
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "ProxyPass / http://localhost:3000/\n<LocationMatch \"^/admin/(?!open)\">\nRequire ip 10.0.0.1\n</LocationMatch>\n<Location /stat*>\nRequire all denied\n</Location>\n<ProxyMatch \"^http://localhost\">\nRequire ip 10.0.0.0/8\n</ProxyMatch>"))
	got := apacheLines(made)
	for _, want := range []string{"path = \"/admin/\"\nrespond = 403\n", "match = \"^/stat[^/]*$\"\nrespond = 403\n", "backend = \"localhost-3000\"\nallow = [\"10.0.0.0/8\"]\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
	for _, words := range []string{"<LocationMatch", "Require ip 10.0.0.1"} {
		if item := apacheItem(t, made, words); !item.Matters {
			t.Errorf("%s", item)
		}
	}
}

func TestTranslate_TellsOfFoldersThatItGuardsByNoPattern(t *testing.T) {
	root := apacheFiles(t, map[string]string{"www/users/x": ""})
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "DocumentRoot "+root+"/www\n<Directory "+root+"/www/users/*/private>\nRequire ip 10.0.0.1\n</Directory>\n<DirectoryMatch \"/\\.svn\">\nRequire all denied\n</DirectoryMatch>\n<ProxyMatch>\nRequire all denied\n</ProxyMatch>"))
	if got := apacheLines(made); !strings.Contains(got, "match = \"^/users/[^/]*/private(/|$)\"\nrespond = 403\n") {
		t.Errorf("got\n%s", got)
	}
	for _, words := range []string{"<Directory ", "Require ip"} {
		if item := apacheItem(t, made, words); !item.Matters {
			t.Errorf("%s", item)
		}
	}
	if item := apacheItem(t, made, "<DirectoryMatch"); item.Class != NotNeeded {
		t.Errorf("%s", item)
	}
}

func TestTranslate_TellsOfRedirectsThatItDoesNotMapBack(t *testing.T) {
	for target, lost := range map[string]bool{
		"http://10.0.0.7:3000/": false, "http://app.example.com/": false, "http://localhost:3000/": false, "http://internal.example.org:3000/": true, "balancer://x/": false,
	} {
		_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "ProxyPass / http://10.0.0.7:3000/\nProxyPassReverse / "+target))
		if item := apacheItem(t, made, "ProxyPassReverse"); item.Matters != lost {
			t.Errorf("%s", item)
		}
	}
}
