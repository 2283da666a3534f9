package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const phoneHost = "api.example.com"

// phoneFound returns one item of a list.
func phoneFound(t *testing.T, findings []Finding, item string) Finding {
	t.Helper()
	i := slices.IndexFunc(findings, func(f Finding) bool { return f.Item == item })
	if i < 0 {
		t.Fatalf("no item %s in %+v", item, findings)
	}
	return findings[i]
}

// phoneTrouble are the items that are not in order, with their verdicts.
func phoneTrouble(findings []Finding) string {
	var all []string
	for _, f := range findings {
		if f.Verdict == Failed || f.Verdict == Warned {
			all = append(all, string(f.Verdict)+" "+f.Item)
		}
	}
	return strings.Join(all, ", ")
}

func TestPhone_JudgesTheChainAsItIsSent(t *testing.T) {
	root := pkiRoot(t, "Root")
	upper := root.sub(t, "Upper CA")
	lower := upper.sub(t, "Lower CA")
	leaf := lower.issue(t, nil, []string{phoneHost}).cert
	old := pkiRoot(t, "Old Root")
	ended := pkiCAWithKey(t, old, "Root", root.key, pkiDates(time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour)))
	cross := pkiCAWithKey(t, old, "Root", root.key)
	foreign := pkiRoot(t, "Foreign").sub(t, "Foreign CA")
	for _, row := range []struct {
		name string
		sent []*x509.Certificate
		want string
		seen string // in the first item that is not in order
	}{
		{"complete", []*x509.Certificate{leaf, lower.cert, upper.cert}, "", ""},
		{"complete and cross-signed", []*x509.Certificate{leaf, lower.cert, upper.cert, cross.cert}, "", ""},
		{"leaf only", []*x509.Certificate{leaf}, "fail chain", "the intermediate certificate is missing"},
		{"one intermediate is missing", []*x509.Certificate{leaf, lower.cert}, "fail chain", "the chain ends at CN=Lower CA, whose issuer"},
		{"wrong order", []*x509.Certificate{leaf, upper.cert, lower.cert}, "fail order", "sent as api.example.com, CN=Upper CA, CN=Lower CA, but each must be signed by the next: api.example.com, CN=Lower CA, CN=Upper CA"},
		{"root at its place", []*x509.Certificate{leaf, lower.cert, upper.cert, root.cert}, "warn root", "CN=Root is sent ("},
		{"root before the others", []*x509.Certificate{leaf, root.cert, lower.cert, upper.cert}, "fail order, warn root", "but each must be signed"},
		{"leaf twice", []*x509.Certificate{leaf, leaf, lower.cert, upper.cert}, "warn order", "api.example.com is sent twice"},
		{"a stranger", []*x509.Certificate{leaf, lower.cert, upper.cert, foreign.cert}, "warn order", "CN=Foreign CA is sent and is no part of the chain"},
		{"a cross-signed certificate that has ended", []*x509.Certificate{leaf, lower.cert, upper.cert, ended.cert}, "warn order", "CN=Root is sent and is no part of the chain"},
	} {
		p := Phone{Roots: pkiPool(root, old), Now: time.Now()}
		findings := p.shownChain(phoneHost, row.sent).findings()
		if got := phoneTrouble(findings); got != row.want {
			t.Errorf("%s: %s, want %s: %+v", row.name, got, row.want, findings)
			continue
		}
		if i := slices.IndexFunc(findings, func(f Finding) bool { return f.Verdict == Failed || f.Verdict == Warned }); i >= 0 && (!strings.Contains(findings[i].Seen, row.seen) || len(findings[i].Remedies) == 0) {
			t.Errorf("%s: %+v, want %q", row.name, findings[i], row.seen)
		}
	}
}

func TestPhone_KnowsSinceWhenAndroidHasARoot(t *testing.T) {
	for _, row := range []struct {
		root    pkix.Name
		verdict Verdict
		seen    string
	}{
		{pkix.Name{CommonName: "DigiCert Global Root G2"}, Passed, "the root DigiCert Global Root G2 is in every Android from 5.0 (2014) on"},
		{pkix.Name{CommonName: "GlobalSign", OrganizationalUnit: []string{"GlobalSign Root CA - R3"}}, Passed, "the root GlobalSign Root CA - R3 is in every"},
		{pkix.Name{CommonName: "GlobalSign", OrganizationalUnit: []string{"GlobalSign Root CA - R6"}}, Warned, "before 10 (2019) do not know the root GlobalSign Root CA - R6"},
		{pkix.Name{CommonName: "ISRG Root X1"}, Warned, "phones with an Android before 7.1.1 (2016) do not know the root ISRG Root X1"},
		{pkix.Name{CommonName: "Somebody"}, Skipped, "it is not known here which Android was the first with the root Somebody"},
	} {
		ca := pkiRoot(t, "", func(c *x509.Certificate) { c.Subject = row.root })
		c := Phone{Roots: pkiPool(ca), Now: time.Now()}.shownChain(phoneHost, []*x509.Certificate{ca.issue(t, nil, []string{phoneHost}).cert})
		c.own = false // as if the system had them
		if f := c.android(); f.Verdict != row.verdict || !strings.Contains(f.Seen, row.seen) {
			t.Errorf("%+v", f)
		}
	}
}

// A young root that an old one has signed is as good as that one.
func TestPhone_FollowsACrossSignedRootToTheOlderOne(t *testing.T) {
	old := pkiRoot(t, "GlobalSign Root CA")
	young := pkiRoot(t, "GTS Root R1")
	cross := pkiCAWithKey(t, old, "GTS Root R1", young.key)
	leaf := young.issue(t, nil, []string{phoneHost}).cert
	for _, row := range []struct {
		sent []*x509.Certificate
		want Verdict
	}{
		{[]*x509.Certificate{leaf}, Warned},
		{[]*x509.Certificate{leaf, cross.cert}, Passed},
	} {
		c := Phone{Roots: pkiPool(old, young), Now: time.Now()}.shownChain(phoneHost, row.sent)
		c.own = false
		if f := c.android(); f.Verdict != row.want {
			t.Errorf("%d sent: %+v", len(row.sent), f)
		}
	}
}

func TestPhone_JudgesWhatIsInstalledAsWhatIsServed(t *testing.T) {
	root := pkiRoot(t, "Root")
	ca := root.sub(t, "Issuing CA")
	leaf, other := ca.issue(t, nil, []string{phoneHost}), ca.issue(t, pkiRSA(), []string{phoneHost})
	folder := t.TempDir()
	pkiWrite(t, folder, map[string]string{"chain.pem": pkiPEM(ca.cert, root.cert), "ec.crt": pkiPEM(leaf.cert), "ec.key": pkiKeyPEM(t, leaf.key), "rsa.crt": pkiPEM(other.cert), "rsa.key": pkiKeyPEM(t, other.key)})
	lists := Phone{Roots: pkiPool(root), Now: time.Now()}.Site(pkiSite(phoneHost, folder), t.TempDir())
	if len(lists) != 2 || phoneTrouble(slices.Concat(lists...)) != "" {
		t.Fatalf("%+v", lists)
	}
	if key := phoneFound(t, lists[1], ItemKey).Seen; key != "RSA 2048" {
		t.Error(key)
	}
	if got := phoneTrouble((Phone{Roots: pkiPool(pkiRoot(t, "Other")), Now: time.Now()}).Site(pkiSite(phoneHost, folder), "")[0]); got != "fail trust" {
		t.Errorf("without the root: %s", got)
	}
	if lists := (Phone{Now: time.Now()}).Site(pkiSite(phoneHost, t.TempDir()), ""); len(lists) != 0 {
		t.Errorf("of an empty folder: %+v", lists)
	}
}

func TestPhone_JudgesWhatACAHasGivenAlready(t *testing.T) {
	root := pkiRoot(t, "Root")
	leaf, state := root.issue(t, nil, []string{phoneHost}), t.TempDir()
	site := Site{Name: phoneHost, ACME: DefaultACME(), Config: Config{Certificate: FromACME}}
	p := Phone{Roots: pkiPool(root), Now: time.Now()}
	if before := p.Site(site, state); len(before) != 1 || before[0][0].Verdict != Skipped || !strings.Contains(before[0][0].Seen, "gateway wechat check "+phoneHost) {
		t.Errorf("before the first: %+v", before)
	}
	path := managedFile(acmeFolder(state, site.ACME), phoneHost, site.ACME.keyTypes()[0])
	if err := makeFolder(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	pkiWrite(t, filepath.Dir(path), map[string]string{filepath.Base(path): pkiKeyPEM(t, leaf.key) + pkiPEM(leaf.cert)})
	if after := p.Site(site, state); len(after) != 1 || phoneTrouble(after[0]) != "" || len(after[0]) != 10 {
		t.Errorf("afterwards: %+v", after)
	}
	local := p.Site(Site{Name: phoneHost, Config: Config{Certificate: FromLocal}}, state)
	if len(local) != 1 || phoneTrouble(local[0]) != "fail trust" {
		t.Errorf("of the local CA: %+v", local)
	}
}

func phoneDial(address string) Dial {
	return func(ctx context.Context) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "tcp", address)
	}
}

func TestPhone_TellsOfRSABesideECDSAAndOfClientsWithoutAName(t *testing.T) {
	ca := pkiRoot(t, "Root")
	ec, rsa, stranger := ca.issue(t, nil, []string{phoneHost}), ca.issue(t, pkiRSA(), []string{phoneHost}), ca.issue(t, nil, []string{"www.example.com"})
	config := &tls.Config{NextProtos: []string{"h2"}, Certificates: []tls.Certificate{
		{Certificate: [][]byte{stranger.cert.Raw}, PrivateKey: stranger.key}, {Certificate: [][]byte{ec.cert.Raw}, PrivateKey: ec.key}, {Certificate: [][]byte{rsa.cert.Raw}, PrivateKey: rsa.key}}}
	p := Phone{Roots: pkiPool(ca), Now: time.Now(), Timeout: 10 * time.Second}
	findings, spoken := p.Server(t.Context(), phoneDial(pkiServer(t, config)), phoneHost)
	if !spoken || phoneTrouble(findings) != "" {
		t.Errorf("%+v", findings)
	}
	if key := phoneFound(t, findings, ItemKey).Seen; key != "ECDSA P-256, and RSA 2048 for clients without ECDSA" {
		t.Error(key)
	}
	if sni := phoneFound(t, findings, ItemSNI).Seen; !strings.HasPrefix(sni, "clients that send no name are shown another certificate") {
		t.Error(sni)
	}
}

// phoneAnswer serves connections with one sequence of bytes instead of TLS.
func phoneAnswer(t *testing.T, serve func(net.Conn)) Dial {
	t.Helper()
	return func(ctx context.Context) (net.Conn, error) {
		client, server := pkiPipe(t)
		go func() {
			defer server.Close()
			serve(server)
		}()
		return client, nil
	}
}

func TestPhone_SaysWhyThereIsNoTLS(t *testing.T) {
	read := func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1<<16)) }
	for _, row := range []struct {
		name  string
		serve func(net.Conn)
		want  string
	}{
		{"plain HTTP", func(c net.Conn) { read(c); _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }, "the port answers in plain HTTP"},
		{"SSH", func(c net.Conn) { _, _ = c.Write([]byte("SSH-2.0-OpenSSH_9.2\r\n")); read(c) }, `the port does not speak TLS: the answer begins with "SSH-2"`},
		{"closed", read, "the connection is cut in the handshake"},
		{"reset", func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }, "the connection is cut in the handshake"},
		{"silent", func(c net.Conn) { read(c); read(c) }, "gave no answer to a TLS handshake in 50ms"},
		{"alert", func(c net.Conn) { read(c); _, _ = c.Write([]byte{21, 3, 3, 0, 2, 2, 112}); read(c) }, "the server ends the handshake: tls: unrecognized name"},
		{"garbage", func(c net.Conn) { read(c); _, _ = c.Write([]byte{22, 3, 3, 0, 4, 99, 0, 0, 0}); read(c) }, "no TLS connection: "},
	} {
		p := Phone{Roots: x509.NewCertPool(), Now: time.Now(), Timeout: 10 * time.Second}
		if row.name == "silent" {
			p.Timeout = 50 * time.Millisecond
		}
		findings, spoken := p.Server(t.Context(), phoneAnswer(t, row.serve), phoneHost)
		first := findings[0]
		if spoken || first.Item != ItemTLS || first.Verdict != Failed || !strings.Contains(first.Seen, row.want) || len(first.Remedies) == 0 {
			t.Errorf("%s: %+v", row.name, first)
		}
		if got := phoneTrouble(findings[1:]); got != "" || len(findings) != 15 {
			t.Errorf("%s: %d items, %s", row.name, len(findings), got)
		}
	}
}
