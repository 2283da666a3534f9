package apache

import (
	"fmt"
	"strings"
	"testing"
)

const apacheUpgrade = "RewriteEngine On\nRewriteCond %{HTTP:Upgrade} websocket [NC]\nRewriteCond %{HTTP:Connection} upgrade [NC]\n"

func TestTranslate_NeedsNoRuleForWebSocketsThatGoTheWayOfAllRequests(t *testing.T) {
	for name, body := range map[string]string{
		"below a Location":         apacheUpgrade + "RewriteRule /jhub/(.*) ws://127.0.0.1:8000/jhub/$1 [NE,P,L]\n<Location /jhub/>\nProxyPreserveHost On\nProxyPass http://127.0.0.1:8000/jhub/\n</Location>",
		"the request line":         apacheUpgrade + "RewriteCond %{THE_REQUEST} \"^[a-zA-Z]+ /(.*) HTTP/\\d+(\\.\\d+)?$\"\nRewriteRule .? \"ws://127.0.0.1:8000/%1\" [P,L,UnsafeAllow3F]\nProxyPass / http://127.0.0.1:8000/",
		"a path in any case":       "RewriteEngine On\nRewriteCond %{REQUEST_URI} ^/api/live [NC]\nRewriteCond %{HTTP:Upgrade} websocket [NC]\nRewriteRule /(.*) ws://127.0.0.1:8000/$1 [P,L]\nProxyPass / http://127.0.0.1:8000/",
		"a rule for the others":    "RewriteEngine On\nRewriteCond %{REQUEST_URI} /api/v[0-9]+/websocket [NC,OR]\nRewriteCond %{HTTP:UPGRADE} ^WebSocket$ [NC]\nRewriteRule .* ws://127.0.0.1:8000%{REQUEST_URI} [P,QSA,L]\nRewriteRule .* http://127.0.0.1:8000%{REQUEST_URI} [P,QSA,L]",
		"within a Location":        "<Location /chat>\nRewriteEngine On\nRewriteCond %{HTTP:UPGRADE} ^WebSocket$ [NC]\nRewriteRule .* ws://127.0.0.1:8000%{REQUEST_URI} [P]\n</Location>\nProxyPass /chat http://127.0.0.1:8000/chat",
		"the path taken off again": "RewriteEngine on\nRewriteCond %{HTTP:Upgrade} =websocket\nRewriteRule /rstudio/(.*) ws://127.0.0.1:8000/$1 [P,L]\nProxyPass /rstudio/ http://127.0.0.1:8000/",
	} {
		_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, body))
		if item := apacheItem(t, made, "RewriteRule"); item.Class != NotNeeded {
			t.Errorf("%s: %s", name, item)
		}
		if made.Report.Matters() || strings.Count(string(made.TOML), "[[backend]]") != 1 {
			t.Errorf("%s: matters is %v in\n%s", name, made.Report.Matters(), made.TOML)
		}
	}
}

func TestTranslate_TellsOfWebSocketsThatGoElsewhere(t *testing.T) {
	for _, target := range []string{"ws://127.0.0.1:3012/$1", "ws://127.0.0.1:8000/sockets/$1"} {
		_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, apacheUpgrade+"RewriteRule /(.*) "+target+" [P,L]\nProxyPass / http://127.0.0.1:8000/"))
		if item := apacheItem(t, made, "RewriteRule"); !item.Matters {
			t.Errorf("%s: %s", target, item)
		}
	}
}

func TestTranslate_AsksTheBackendWhereHttpdLooksForAFileFirst(t *testing.T) {
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, "DocumentRoot /srv/public\nRewriteEngine on\nRewriteCond %{DOCUMENT_ROOT}/%{REQUEST_FILENAME} !-f [OR]\nRewriteCond %{REQUEST_URI} ^/uploads/.*\nRewriteRule .* http://127.0.0.1:8181%{REQUEST_URI} [P,QSA,NE]"))
	if item := apacheItem(t, made, "RewriteCond %{DOCUMENT_ROOT}"); !item.Matters || !strings.Contains(item.Note, "looks for no file") {
		t.Errorf("%s", item)
	}
	if got := apacheLines(made); !strings.Contains(got, "backend = \"127.0.0.1-8181\"\n") || strings.Contains(got, "root = ") {
		t.Errorf("got\n%s", got)
	}
}
