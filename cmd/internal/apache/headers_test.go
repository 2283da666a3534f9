package apache

import (
	"fmt"
	"strings"
	"testing"
)

const apacheHeaderSite = "Listen 8443\n<VirtualHost *:8443>\nServerName app.example.com\nSSLEngine on\nSSLCertificateFile /c\nSSLCertificateKeyFile /k\nProxyPass / http://localhost:3000/\n%s\n</VirtualHost>\n"

func TestTranslate_CarriesHeaders(t *testing.T) {
	for _, row := range []struct{ written, want string }{
		{"RequestHeader unset X-User early", `request_remove = ["X-User"]`},
		{"RequestHeader set X-User a\nRequestHeader set X-User b", `request_set = ["X-User: b"]`},
		{"Header add X-A a\nHeader set X-A b", `response_set = ["X-A: b"]`},
		{"Header always set Strict-Transport-Security max-age=1 env=HTTPS", `response_set = ["Strict-Transport-Security: max-age=1"]`},
		{`Header always set Strict-Transport-Security max-age=1 "expr=%{HTTPS} == 'on'"`, `response_set = ["Strict-Transport-Security: max-age=1"]`},
	} {
		_, made := apacheTranslate(t, fmt.Sprintf(apacheHeaderSite, row.written))
		if got := apacheLines(made); !strings.Contains(got, row.want+"\n") || strings.Contains(got, "_add") || made.Report.Matters() {
			t.Errorf("%q: %s is not in\n%s", row.written, row.want, got)
		}
	}
}

func TestTranslate_LeavesOutAHeaderThatIsSetAndTakenOffAgain(t *testing.T) {
	_, made := apacheTranslate(t, fmt.Sprintf(apacheHeaderSite, "RequestHeader set X-User a\nRequestHeader unset X-User"))
	if got := apacheLines(made); strings.Contains(got, "request_set") || !strings.Contains(got, `request_remove = ["X-User"]`) {
		t.Errorf("got\n%s", got)
	}
}

func TestTranslate_LeavesOutAHeaderForPlainHTTPOverTLS(t *testing.T) {
	_, made := apacheTranslate(t, fmt.Sprintf(apacheHeaderSite, "Header set X-Plain yes env=!HTTPS"))
	if item := apacheItem(t, made, "Header set"); item.Class != NotNeeded || strings.Contains(apacheLines(made), "X-Plain") {
		t.Errorf("%s in\n%s", item, apacheLines(made))
	}
}

// Backends believe what httpd writes over what clients send.
func TestTranslate_LetsNoClientForgeAHeaderThatIsNotCarried(t *testing.T) {
	for _, value := range []string{`"%{SSL_CLIENT_S_DN}s"`, `"expr=%{SSL_CLIENT_VERIFY}"`, "%{AUTHENTICATE_UID}e"} {
		_, made := apacheTranslate(t, fmt.Sprintf(apacheHeaderSite, "RequestHeader set X-Client-Dn "+value))
		if item := apacheItem(t, made, "RequestHeader"); !item.Matters || !strings.Contains(item.Note, "forge") {
			t.Errorf("%s", item)
		}
		if got := apacheLines(made); !strings.Contains(got, `request_remove = ["X-Client-Dn"]`) {
			t.Errorf("%s: a client can write it:\n%s", value, got)
		}
	}
}
