package apache

import (
	"fmt"
	"strings"
	"testing"
)

func TestTranslate_ChecksTheCertificateOfABackendAsHttpdDoes(t *testing.T) {
	const engine = "SSLProxyEngine on\nProxyPass / https://localhost:8006/\n"
	for _, row := range []struct{ name, body, want, leave string }{
		{"by default", engine, "verify = false", "ca_file"},
		{"not at all", engine + "SSLProxyVerify none\nSSLProxyCheckPeerName off\nSSLProxyCheckPeerExpire off", "verify = false", "ca_file"},
		{"by the authorities of the system", engine + "SSLProxyVerify require", "", "verify"},
		{"by its own authority", engine + "SSLProxyVerify require\nSSLProxyCACertificateFile /etc/ssl/own.pem", `ca_file = "/etc/ssl/own.pem"`, "verify"},
		{"within a section", engine + "SSLProxyVerify none\n<Proxy https://localhost:8006/>\nSSLProxyVerify require\n</Proxy>", "", "verify"},
		{"without TLS", "SSLProxyVerify none\nProxyPass / http://localhost:8006/", "", "verify"},
	} {
		_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, row.body))
		if got := apacheLines(made); !strings.Contains(got, row.want) || strings.Contains(got, row.leave+" =") || made.Report.Matters() {
			t.Errorf("%s: %q is not in, or %s is in\n%s", row.name, row.want, row.leave, got)
		}
	}
	_, made := apacheTranslate(t, fmt.Sprintf(apacheSite, engine+"SSLProxyVerify require\nSSLProxyCheckPeerName off"))
	if item := apacheItem(t, made, "SSLProxyCheckPeerName"); !item.Matters {
		t.Errorf("a name that is not checked beside an authority that is: %s", item)
	}
}
