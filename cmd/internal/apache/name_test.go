package apache

import (
	"strings"
	"testing"
)

func TestTranslate_WritesNamesAsGatewayTakesThem(t *testing.T) {
	const site = "Listen 80\n<VirtualHost *:80>\nServerName %\nRedirect / https://b.example.org/\n</VirtualHost>\n"
	for written, want := range map[string]string{
		"API.Example.COM.":                           `name = "api.example.com"`,
		"https://a.example.com:8443":                 `name = "a.example.com"`,
		"b\u00fccher.example":                        `name = "xn--bcher-kva.example"`,
		"my_app.example.com":                         `name = "my_app.example.com"`,
		"192.0.2.7:80":                               `name = "192.0.2.7"`,
		"[2001:db8::1]:80":                           `name = "2001:db8::1"`,
		"2001:db8::1":                                `name = "2001:db8::1"`,
		"a.example.com\nServerAlias *":               `name = "a.example.com"`,
		"a.example.com\nServerAlias *.B.example.com": "name = \"a.example.com\"\naliases = [\"*.b.example.com\"]",
	} {
		_, made := apacheTranslate(t, strings.Replace(site, "%", written, 1))
		if got := apacheLines(made); !strings.Contains(got, want+"\nlisten") || made.Report.Matters() {
			t.Errorf("%s: %s is not in\n%s", written, want, got)
		}
	}
}

func TestTranslate_TellsOfNamesThatNoClientAsksFor(t *testing.T) {
	for _, written := range []string{"${NOWHERE_DEFINED}", "a..example.com", "\"two words\"", "api.*.com", "*.com", "a/b", "fe80::1%eth0"} {
		_, made := apacheTranslate(t, "Listen 80\n<VirtualHost *:80>\nServerName a.example.com\nServerAlias "+written+"\nRedirect / https://b.example.org/\n</VirtualHost>\n")
		if item := apacheItem(t, made, "ServerAlias"); !item.Matters || item.Note == "" {
			t.Errorf("%s", item)
		}
		if got := apacheLines(made); !strings.Contains(got, "name = \"a.example.com\"\nlisten") {
			t.Errorf("%s is taken for a name:\n%s", written, got)
		}
	}
}
