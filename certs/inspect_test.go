package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"
)

// judged is one folder, as a CA or an admin leaves it, and what is to be said.
type judged struct {
	name  string
	site  string // default: api.example.com
	alias []string
	files map[string]string
	make  func(t *testing.T, folder string) // further files
	list  []string                          // names of files, instead of the folder
	pairs int                               // pairs found
	chain int                               // length of the first pair's chain; 0: not looked at
	want  []string                          // a part of every problem, in order; nil: none
}

func (j judged) run(t *testing.T, roots *x509.CertPool) {
	folder := t.TempDir()
	pkiWrite(t, folder, j.files)
	if j.make != nil {
		j.make(t, folder)
	}
	site := pkiSite("api.example.com", folder)
	if j.site != "" {
		site.Name = j.site
	}
	site.Aliases = j.alias
	if j.list != nil {
		site.Files = nil
		for _, name := range j.list {
			site.Files = append(site.Files, filepath.Join(folder, name))
		}
	}
	now := time.Now()
	s := newSet(takeSnapshot(site.Files), roots, now)
	j.compare(t, s, s.judge(site, now), folder)
}

func (j judged) compare(t *testing.T, s *set, problems []Problem, folder string) {
	if len(s.pairs) != j.pairs {
		t.Errorf("%d pairs, want %d", len(s.pairs), j.pairs)
	}
	if j.chain > 0 && len(s.pairs) > 0 && len(s.pairs[0].chain) != j.chain {
		t.Errorf("chain of %d, want %d", len(s.pairs[0].chain), j.chain)
	}
	if (worst(problems) == Fatal) != (len(s.pairs) == 0) && j.list == nil {
		t.Errorf("worst is %v with %d pairs", worst(problems), len(s.pairs))
	}
	var got []string
	for _, problem := range problems {
		got = append(got, problem.Severity.String()+" "+strings.ReplaceAll(problem.Error(), folder+"/", ""))
	}
	ok := len(got) == len(j.want)
	for i := 0; ok && i < len(got); i++ {
		ok = strings.Contains(got[i], j.want[i])
	}
	if !ok {
		t.Errorf("problems:\n  %s\nwant parts:\n  %s", strings.Join(got, "\n  "), strings.Join(j.want, "\n  "))
	}
}

func toUTF16(text string) string {
	out := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = append(out, byte(unit), byte(unit>>8))
	}
	return string(out)
}

func testdata(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestInspect_WhatCAsHandOutIsServedAsItIs(t *testing.T) {
	root := pkiRoot(t, "Root")
	ca := root.sub(t, "Issuing CA")
	upper := root.sub(t, "Upper CA")
	lower := upper.sub(t, "Lower CA")
	names := []string{"api.example.com"}
	leaf := ca.issue(t, nil, names)
	rsaLeaf := ca.issue(t, pkiRSA(), names)
	deep := lower.issue(t, nil, names)
	other := ca.issue(t, nil, []string{"other.example.com"})
	key, rsaKey := pkiKeyPEM(t, leaf.key), pkiKeyPEM(t, rsaLeaf.key)
	cert, chain := pkiPEM(leaf.cert), pkiPEM(ca.cert)
	sec1, err := x509.MarshalECPrivateKey(leaf.key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	sec1PEM := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}))
	pkcs1 := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(pkiRSA())}))
	pkcs8, err := x509.MarshalPKCS8PrivateKey(leaf.key)
	if err != nil {
		t.Fatal(err)
	}
	ed := ca.issue(t, pkiEd25519(t), names)
	p384, p521 := ca.issue(t, pkiOnCurve(t, elliptic.P384()), names), ca.issue(t, pkiOnCurve(t, elliptic.P521()), names)
	renewed := ca.issue(t, leaf.key, names, pkiDates(time.Now().Add(-time.Hour), time.Now().Add(300*24*time.Hour)))
	expired := ca.issue(t, nil, names, pkiDates(time.Now().Add(-100*24*time.Hour), time.Now().Add(-10*24*time.Hour)))
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

	for _, row := range []judged{
		{name: "Tencent Cloud for Apache, old", files: map[string]string{"1_root_bundle.crt": chain + pkiPEM(root.cert), "2_api.example.com.crt": cert, "3_api.example.com.key": key}, pairs: 1, chain: 2},
		{name: "Tencent Cloud for Nginx, old", files: map[string]string{"1_api.example.com_bundle.crt": cert + chain, "2_api.example.com.key": key}, pairs: 1, chain: 2},
		{name: "Tencent Cloud for Nginx, now: the bundle twice", files: map[string]string{"api.example.com_bundle.crt": cert + chain, "api.example.com_bundle.pem": cert + chain, "api.example.com.key": key, "api.example.com.csr": "-----BEGIN CERTIFICATE REQUEST-----\nMA==\n-----END CERTIFICATE REQUEST-----\n"}, pairs: 1, chain: 2},
		{name: "Tencent Cloud for Apache, now", files: map[string]string{"root_bundle.crt": chain, "api.example.com.crt": cert, "api.example.com.key": key}, pairs: 1, chain: 2},
		{name: "Aliyun for Nginx", files: map[string]string{"api.example.com.pem": cert + chain, "api.example.com.key": key}, pairs: 1, chain: 2},
		{name: "Aliyun for Apache", files: map[string]string{"api.example.com_public.crt": cert, "api.example.com_chain.crt": chain, "api.example.com.key": key}, pairs: 1, chain: 2},
		{name: "Aliyun for Apache, old", files: map[string]string{"public.pem": cert, "chain.pem": chain, "214000000.key": key}, pairs: 1, chain: 2},
		{name: "acme.sh", files: map[string]string{"api.example.com.cer": cert, "ca.cer": chain, "fullchain.cer": cert + chain, "api.example.com.key": key, "api.example.com.conf": "Le_Domain='api.example.com'\n"}, pairs: 1, chain: 2},
		{name: "ZeroSSL", files: map[string]string{"certificate.crt": cert, "ca_bundle.crt": chain, "private.key": key}, pairs: 1, chain: 2},
		{name: "certbot's links", pairs: 1, chain: 2, make: func(t *testing.T, folder string) {
			archive := t.TempDir()
			files := map[string]string{"cert": cert, "chain": chain, "fullchain": cert + chain, "privkey": key}
			for name, text := range files {
				pkiWrite(t, archive, map[string]string{name + "1.pem": text})
				if err := os.Symlink(filepath.Join(archive, name+"1.pem"), filepath.Join(folder, name+".pem")); err != nil {
					t.Fatal(err)
				}
			}
			pkiWrite(t, folder, map[string]string{"README": "This directory contains your keys and certificates.\n"})
		}},
		{name: "a list of files", files: map[string]string{"fullchain.pem": cert + chain, "privkey.pem": key, "not-asked": "x"}, list: []string{"fullchain.pem", "privkey.pem"}, pairs: 1, chain: 2},
		{name: "everything in one file", files: map[string]string{"all.pem": key + cert + chain}, pairs: 1, chain: 2},
		{name: "PKCS#1", files: map[string]string{"c.pem": pkiPEM(rsaLeaf.cert) + chain, "k.pem": pkcs1}, pairs: 1, chain: 2},
		{name: "SEC 1 with parameters in front", files: map[string]string{"c.pem": cert + chain, "k.pem": "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + sec1PEM}, pairs: 1, chain: 2},
		{name: "PKCS#1 under the label of PKCS#8", files: map[string]string{"c.pem": pkiPEM(rsaLeaf.cert) + chain, "k.pem": strings.ReplaceAll(pkcs1, "RSA PRIVATE", "PRIVATE")}, pairs: 1},
		{name: "RSA and ECDSA side by side", files: map[string]string{"rsa.crt": pkiPEM(rsaLeaf.cert), "rsa.key": rsaKey, "ecdsa.crt": cert, "ecdsa.key": key, "chain.crt": chain}, pairs: 2, chain: 2},
		{name: "several names in one folder", files: map[string]string{"a.pem": cert + chain, "a.key": key, "b.pem": pkiPEM(other.cert) + chain, "b.key": pkiKeyPEM(t, other.key)}, pairs: 2},
		{name: "CRLF", files: map[string]string{"c.crt": crlf(cert + chain), "k.key": crlf(key)}, pairs: 1, chain: 2},
		{name: "CR only", files: map[string]string{"c.crt": strings.ReplaceAll(cert+chain, "\n", "\r"), "k.key": key}, pairs: 1, chain: 2},
		{name: "byte order marks, also in the middle", files: map[string]string{"c.crt": "\ufeff" + cert + "\ufeff" + chain, "k.key": "\ufeff" + key}, pairs: 1, chain: 2},
		{name: "UTF-16", files: map[string]string{"c.crt": toUTF16(cert + chain), "k.key": toUTF16(key)}, pairs: 1, chain: 2},
		{name: "UTF-16 without mark", files: map[string]string{"c.crt": toUTF16(cert + chain)[2:], "k.key": key}, pairs: 1, chain: 2},
		{name: "text around the PEM", files: map[string]string{"c.crt": "Bag Attributes\n  localKeyID: 01\nsubject=CN = x\n" + cert + "\nissuer:\n" + chain + "the end\n", "k.key": "key:\n" + key}, pairs: 1, chain: 2},
		{name: "markers glued", files: map[string]string{"c.crt": strings.TrimSpace(cert) + strings.TrimSpace(chain), "k.key": key}, pairs: 1, chain: 2},
		{name: "markers that share their hyphens", files: map[string]string{"c.crt": strings.TrimSuffix(strings.TrimSpace(cert), "-----") + strings.TrimSpace(chain), "k.key": key}, pairs: 1, chain: 2},
		{name: "indented, trailing blanks", files: map[string]string{"c.crt": "    " + strings.ReplaceAll(cert+chain, "\n", "  \n    "), "k.key": key}, pairs: 1, chain: 2},
		{name: "one line with \\n, out of JSON", files: map[string]string{"c.crt": strings.ReplaceAll(cert+chain, "\n", `\n`), "k.key": strings.ReplaceAll(key, "\n", `\n`)}, pairs: 1, chain: 2},
		{name: "DER", files: map[string]string{"c.der": string(leaf.cert.Raw), "ca.cer": string(ca.cert.Raw), "k.der": string(pkcs8)}, pairs: 1, chain: 2},
		{name: "base64 without markers", files: map[string]string{"c.crt": base64.StdEncoding.EncodeToString(leaf.cert.Raw), "ca.crt": chain, "k.key": key}, pairs: 1, chain: 2},
		{name: "openssl's trusted certificate", files: map[string]string{"c.pem": string(pem.EncodeToMemory(&pem.Block{Type: "TRUSTED CERTIFICATE", Bytes: append(append([]byte{}, leaf.cert.Raw...), 0x30, 0x00)})), "ca.pem": chain, "k.pem": key}, pairs: 1, chain: 2},
		{name: "the key first, chain in disorder, root included", files: map[string]string{"all.pem": pkiPEM(root.cert, upper.cert, deep.cert, lower.cert) + pkiKeyPEM(t, deep.key)}, pairs: 1, chain: 3},
		{name: "duplicates", files: map[string]string{"c.pem": cert + cert + chain + chain, "k.pem": key + key}, pairs: 1, chain: 2},
		{name: "wildcard", site: "api.example.com", files: map[string]string{"c.pem": pkiPEM(ca.issue(t, leaf.key, []string{"*.example.com", "example.com"}).cert) + chain, "k.pem": key}, alias: []string{"example.com", "www.example.com"}, pairs: 1},
		{name: "site with a wildcard name", site: "*.example.com", files: map[string]string{"c.pem": pkiPEM(ca.issue(t, leaf.key, []string{"*.example.com"}).cert) + chain, "k.pem": key}, pairs: 1},
		{name: "international name", site: "例子.example.com", files: map[string]string{"c.pem": pkiPEM(ca.issue(t, leaf.key, []string{"xn--fsqu00a.example.com"}).cert) + chain, "k.pem": key}, pairs: 1},
		{name: "address", site: "192.0.2.7", files: map[string]string{"c.pem": pkiPEM(ca.issue(t, leaf.key, []string{"192.0.2.7"}).cert) + chain, "k.pem": key}, pairs: 1},
		{name: "the old certificate beside the renewed one for the same key", files: map[string]string{"a.pem": cert + chain, "b.pem": pkiPEM(renewed.cert), "k.pem": key}, pairs: 2},
		{name: "the expired pair beside the renewed one", files: map[string]string{"old.pem": pkiPEM(expired.cert), "old.key": pkiKeyPEM(t, expired.key), "new.pem": cert + chain, "new.key": key}, pairs: 2},
		{name: "IIS and Tomcat forms beside", files: map[string]string{"c.pem": cert + chain, "k.key": key, "api.example.com.pfx": testdata(t, "api.example.com.pfx"), "keystorePass.txt": "secret", "api.example.com.jks": "\xfe\xed\xfe\xed...."}, pairs: 1, chain: 2},
		{name: "editors' hidden files and a large archive beside", files: map[string]string{"c.pem": cert + chain, "k.key": key, ".c.pem.swp": "-----BEGIN CERTIFICATE-----", "backup.tar": strings.Repeat("x", maxFileSize+1)}, pairs: 1},
		{name: "SM2 beside RSA", files: map[string]string{"api.example.com_bundle.crt": cert + chain, "api.example.com_RSA.key": key, "api.example.com_sm2_sign_bundle.crt": testdata(t, "api.example.com_sm2_sign_bundle.crt"), "api.example.com_SM2.key": testdata(t, "api.example.com_SM2.key")}, pairs: 1, chain: 2,
			want: []string{"warning file api.example.com_SM2.key: uses SM2", "warning file api.example.com_sm2_sign_bundle.crt: uses SM2"}},
		{name: "Ed25519", files: map[string]string{"c.pem": pkiPEM(ed.cert) + chain, "k.pem": pkiKeyPEM(t, ed.key)}, pairs: 1, chain: 2,
			want: []string{"has an Ed25519 key, which browsers and phones do not accept"}},
		{name: "P-384", files: map[string]string{"c.pem": pkiPEM(p384.cert) + chain, "k.pem": pkiKeyPEM(t, p384.key)}, pairs: 1, chain: 2},
		{name: "P-521", files: map[string]string{"c.pem": pkiPEM(p521.cert) + chain, "k.pem": pkiKeyPEM(t, p521.key)}, pairs: 1, chain: 2,
			want: []string{"error certificate c.pem: has a key on the curve P-521, which Chrome and Android do not accept"}},
	} {
		t.Run(row.name, func(t *testing.T) { row.run(t, pkiPool(root)) })
	}
}

func TestInspect_EveryFaultHasItsOwnMessage(t *testing.T) {
	root := pkiRoot(t, "Root", pkiDates(time.Now().AddDate(-5, 0, 0), time.Now().AddDate(5, 0, 0)))
	ca := root.sub(t, "Issuing CA")
	oldCA := pkiCAWithKey(t, root, "Old CA", pkiRSA())
	foreign := root.sub(t, "Other CA")
	names := []string{"api.example.com"}
	key := pkiECDSA(t)
	days := func(n int) time.Time { return time.Now().Add(time.Duration(n)*24*time.Hour + time.Hour) }
	issue := func(options ...pkiOption) string { return pkiPEM(ca.issue(t, key, names, options...).cert) }
	cert, chain, keyText := issue(), pkiPEM(ca.cert), pkiKeyPEM(t, key)
	staleCA := pkiCAWithKey(t, root, "Stale CA", pkiECDSA(t), pkiDates(days(-400), days(-3)))
	smallKey, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	small := ca.issue(t, smallKey, names)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pair := func(cert string) map[string]string { return map[string]string{"2_D.crt": cert, "3_D.key": keyText} }
	wantDay := func(n int) string { return days(n).UTC().Format(time.DateOnly) }

	for _, row := range []judged{
		{name: "expired", files: pair(issue(pkiDates(days(-500), days(-324))) + chain), pairs: 1,
			want: []string{"error certificate 2_D.crt: expired on " + wantDay(-324) + " (323 days ago): get a renewed one from your CA and put its files in "}},
		{name: "not yet valid", files: pair(issue(pkiDates(days(3), days(90))) + chain), pairs: 1,
			want: []string{"error certificate 2_D.crt: not valid before " + wantDay(3) + " (in 3 days): check this machine's clock"}},
		{name: "ends soon", files: pair(issue(pkiDates(days(-80), days(5))) + chain), pairs: 1,
			want: []string{"warning certificate 2_D.crt: expires on " + wantDay(5) + " (in 5 days)"}},
		{name: "expired intermediate", files: pair(pkiPEM(staleCA.issue(t, key, names).cert) + pkiPEM(staleCA.cert)), pairs: 1, chain: 2,
			want: []string{"error certificate 2_D.crt: the intermediate CN=Stale CA expired on " + wantDay(-3)}},
		{name: "name not covered", site: "www.example.com", files: pair(pkiPEM(ca.issue(t, key, []string{"api.example.com", "192.0.2.1"}).cert) + chain), pairs: 1,
			want: []string{"error certificate 2_D.crt: does not cover www.example.com: valid for api.example.com, 192.0.2.1: get a certificate that covers www.example.com"}},
		{name: "alias not covered", alias: []string{"www.example.com"}, files: pair(cert + chain), pairs: 1, want: []string{"does not cover www.example.com"}},
		{name: "wildcard two labels deep", site: "a.b.example.com", files: pair(pkiPEM(ca.issue(t, key, []string{"*.example.com"}).cert) + chain), pairs: 1, want: []string{"does not cover a.b.example.com: valid for *.example.com"}},
		{name: "no alternative names", files: pair(pkiPEM(ca.issue(t, key, nil, func(c *x509.Certificate) { c.Subject.CommonName = "api.example.com" }).cert) + chain), pairs: 1,
			want: []string{`it has no subject alternative names, and clients don't look at its common name "api.example.com"`}},
		{name: "missing intermediate with its address", files: pair(issue(func(c *x509.Certificate) { c.IssuingCertificateURL = []string{"http://ca.example/issuing.crt"} })), pairs: 1, chain: 1,
			want: []string{`the intermediate certificate is missing: its issuer "CN=Issuing CA" is not beside it, so phones and many clients refuse it: put your CA's chain file`}},
		{name: "foreign intermediate", files: pair(cert + pkiPEM(foreign.cert)), pairs: 1, chain: 1,
			want: []string{"2_D.crt holds CN=Other CA, which did not sign it"}},
		{name: "own CA that nobody here knows", files: pair(pkiPEM(pkiRoot(t, "Own").sub(t, "Own issuing").issue(t, key, names).cert)), pairs: 1, want: []string{"intermediate certificate is missing"}},
		{name: "signed by itself", files: pair(pkiPEM(pkiSign(t, pkiTemplate("self", func(c *x509.Certificate) { c.DNSNames = names }), nil, key))), pairs: 1,
			want: []string{"warning certificate 2_D.crt: is signed by itself"}},
		{name: "signed by itself as openssl req -x509 makes it", files: pair(pkiPEM(pkiSign(t, pkiTemplate("self", func(c *x509.Certificate) { c.DNSNames = names; c.IsCA = true; c.BasicConstraintsValid = true }), nil, key))), pairs: 1,
			want: []string{"warning certificate 2_D.crt: is signed by itself"}},
		{name: "certificate of a CA", files: pair(issue(func(c *x509.Certificate) { c.IsCA = true; c.BasicConstraintsValid = true }) + chain), pairs: 1,
			want: []string{"error certificate 2_D.crt: is the certificate of a CA, not of a server"}},
		{name: "for clients only", files: pair(issue(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }) + chain), pairs: 1,
			want: []string{"error certificate 2_D.crt: is not for servers"}},
		{name: "SHA-1", files: pair(sha1Signed(t, oldCA, key, names) + pkiPEM(oldCA.cert)), pairs: 1, chain: 2,
			want: []string{"error certificate 2_D.crt: is signed with SHA1-RSA, which clients refuse today"}},
		{name: "RSA of 1024 bits", files: map[string]string{"c.pem": pkiPEM(small.cert) + chain, "k.pem": pkiKeyPEM(t, smallKey)}, pairs: 1,
			want: []string{"error certificate c.pem: its RSA key has only 1024 bits, and clients refuse less than 2048"}},
		{name: "world-readable key", files: pair(cert + chain), pairs: 1, make: func(t *testing.T, folder string) {
			if err := os.Chmod(filepath.Join(folder, "3_D.key"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, want: []string{"warning key 3_D.key: is open to every user of this machine (mode 0644): chmod 600 "}},
		{name: "key fits no certificate", files: map[string]string{"2_D.crt": cert + chain, "3_D.key": pkiKeyPEM(t, pkiECDSA(t))},
			want: []string{"fatal key 3_D.key: fits no certificate; there is 2_D.crt (api.example.com, ECDSA P-256): put the key here that was made together"}},
		{name: "certificate without key", files: map[string]string{"2_D.crt": cert + chain}, want: []string{"fatal certificate 2_D.crt: has no key: none of the files holds the key for api.example.com: put its private key"}},
		{name: "key without certificate", files: map[string]string{"3_D.key": keyText}, want: []string{"fatal key 3_D.key: fits no certificate: there is none beside it"}},
		{name: "chain and key, but no leaf", files: map[string]string{"chain.pem": chain, "3_D.key": keyText}, want: []string{"fatal key 3_D.key: fits no certificate; there is chain.pem (CN=Issuing CA"}},
		{name: "encrypted PKCS#8", files: map[string]string{"c.pem": testdata(t, "plain.crt"), "my key.pem": testdata(t, "encrypted-pkcs8.key")},
			want: []string{"is encrypted with a passphrase, and nobody is there to type it when gateway starts: decrypt it with: (umask 077 && openssl pkey -in '"}},
		{name: "encrypted in the old way", files: map[string]string{"c.pem": testdata(t, "plain.crt"), "k.pem": testdata(t, "encrypted-legacy.key")}, want: []string{"fatal key k.pem: is encrypted"}},
		{name: "encrypted DER", files: map[string]string{"c.pem": testdata(t, "plain.crt"), "k.der": testdata(t, "encrypted.der")}, want: []string{"fatal key k.der: is encrypted"}},
		{name: "DSA", files: map[string]string{"c.pem": cert, "k.pem": testdata(t, "dsa.key")}, want: []string{"fatal key k.pem: is a DSA key"}},
		{name: "SSH key", files: map[string]string{"c.pem": cert, "k.pem": testdata(t, "ssh.key")}, want: []string{"fatal key k.pem: is a key for SSH"}},
		{name: "P-224", files: map[string]string{"c.pem": cert, "k.pem": pkiKeyPEM(t, p224)}, want: []string{"fatal key k.pem: is of the kind ECDSA P-224, which TLS does not use"}},
		{name: "SM2 only", files: map[string]string{"s.crt": testdata(t, "api.example.com_sm2_sign_bundle.crt"), "s.key": testdata(t, "api.example.com_SM2.key")},
			want: []string{"fatal file s.crt: uses SM2", "fatal file s.key: uses SM2"}},
		{name: "PKCS#12 only", files: map[string]string{"D.pfx": testdata(t, "api.example.com.pfx"), "keystorePass.txt": "secret"}, want: []string{"fatal file D.pfx: is a PKCS#12 file for IIS or Tomcat: take your CA's files for Nginx, or turn it into PEM with: (umask 077 && openssl pkcs12 -in "}},
		{name: "Java key store only", files: map[string]string{"D.jks": "\xfe\xed\xfe\xed\x00\x00\x00\x02"}, want: []string{"fatal file D.jks: is a Java key store"}},
		{name: "PKCS#7 and key", files: map[string]string{"D.p7b": testdata(t, "bundle.p7b"), "D.key": testdata(t, "plain.key")}, want: []string{"fatal file D.p7b: is a PKCS#7 bundle", "fatal key D.key: fits no certificate"}},
		{name: "binary PKCS#7", files: map[string]string{"D.bin.p7b": testdata(t, "bundle-der.p7b")}, want: []string{"openssl pkcs7 -print_certs"}},
		{name: "torn", files: pair(cert[:len(cert)/2]), want: []string{`fatal file 2_D.crt: block 1 (CERTIFICATE) can't be read: it has no line "-----END CERTIFICATE-----": the file was cut off or is still being written`, "fits no certificate"}},
		{name: "torn in the middle", files: pair(cert[:len(cert)/2] + chain), want: []string{"2_D.crt: block 1 (CERTIFICATE) can't be read", "fits no certificate"}},
		{name: "damaged base64", files: pair(strings.Replace(cert, "MII", "M*I", 1)), want: []string{"its text is damaged", "fits no certificate"}},
		{name: "not a certificate inside", files: pair("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"), want: []string{"it is not a certificate: x509:", "fits no certificate"}},
		{name: "garbage", files: map[string]string{"2_D.crt": "<html>404 Not Found</html>", "3_D.key": keyText}, want: []string{"fatal file 2_D.crt: holds neither a certificate nor a key", "fits no certificate"}},
		{name: "empty file", files: pair(""), want: []string{"fatal file 2_D.crt: is empty", "fits no certificate"}},
		{name: "hyphens by a word processor", files: pair(strings.ReplaceAll(cert, "-----", "——-")), want: []string{"must read exactly -----BEGIN CERTIFICATE-----", "fits no certificate"}},
		{name: "huge file", files: pair(cert + strings.Repeat(" ", maxFileSize)), want: []string{"fatal file 2_D.crt: has ", "fits no certificate"}},
		{name: "empty folder", want: []string{"holds no certificate and no key: put the files here that your CA sent"}},
		{name: "only subfolders", make: func(t *testing.T, folder string) {
			if err := os.Mkdir(filepath.Join(folder, "Nginx"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, want: []string{"only the folders Nginx: name the folder with the files for Nginx"}},
		{name: "only text files", files: map[string]string{"notes.txt": "hello"}, want: []string{"holds no key and no certificate of a server, only notes.txt"}},
		{name: "only CA certificates", files: map[string]string{"chain.pem": chain}, want: []string{"holds no key and no certificate of a server, only chain.pem"}},
		{name: "listed file is missing", files: pair(cert + chain), list: []string{"2_D.crt", "3_D.key", "chain.pem"}, pairs: 1, want: []string{"fatal file chain.pem: does not exist"}},
		{name: "dangling link", files: pair(cert + chain), pairs: 1, make: func(t *testing.T, folder string) {
			if err := os.Symlink("nowhere.pem", filepath.Join(folder, "x.pem")); err != nil {
				t.Fatal(err)
			}
		}, want: []string{"warning file x.pem: is a link to nowhere.pem, which does not exist"}},
		{name: "a FIFO", files: pair(cert + chain), pairs: 1, make: func(t *testing.T, folder string) {
			if err := syscall.Mkfifo(filepath.Join(folder, "pipe.pem"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, want: []string{"warning file pipe.pem: is not a regular file"}},
		{name: "a folder of everything", make: func(t *testing.T, folder string) {
			for i := range maxEntries + 1 {
				pkiWrite(t, folder, map[string]string{strconv.Itoa(i): ""})
			}
		}, want: []string{"holds 1001 files, more than the 1000 that are looked at: make a folder with only the files of this certificate"}},
		{name: "old key beside a good pair", files: map[string]string{"2_D.crt": cert + chain, "3_D.key": keyText, "old.key": pkiKeyPEM(t, pkiECDSA(t))}, pairs: 1, want: []string{"warning key old.key: fits no certificate"}},
	} {
		t.Run(row.name, func(t *testing.T) { row.run(t, pkiPool(root)) })
	}
}

// sha1Signed makes a certificate with a signature that the standard library
// refuses to make. The CA's key is RSA.
func sha1Signed(t *testing.T, ca *pkiCA, key crypto.Signer, names []string) string {
	t.Helper()
	leaf := ca.issue(t, key, names)
	var outer struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(leaf.cert.Raw, &outer); err != nil {
		t.Fatal(err)
	}
	sha1WithRSA := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, Parameters: asn1.NullRawValue}
	tbs := replaceSignatureAlgorithm(t, outer.TBS.FullBytes, sha1WithRSA)
	digest := sha1.Sum(tbs)
	signature, err := ca.key.Sign(rand.Reader, digest[:], crypto.SHA1)
	if err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal(struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: tbs}, sha1WithRSA, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func replaceSignatureAlgorithm(t *testing.T, tbs []byte, algorithm pkix.AlgorithmIdentifier) []byte {
	t.Helper()
	var whole asn1.RawValue
	if _, err := asn1.Unmarshal(tbs, &whole); err != nil {
		t.Fatal(err)
	}
	replacement, err := asn1.Marshal(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	var body []byte
	for i, rest := 0, whole.Bytes; len(rest) > 0; i++ {
		var field asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &field); err != nil {
			t.Fatal(err)
		}
		if i == 2 { // version, serial number, signature
			field.FullBytes = replacement
		}
		body = append(body, field.FullBytes...)
	}
	changed, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSequence, IsCompound: true, Bytes: body})
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func TestInspect_NamesTheAddressOfAMissingIntermediate(t *testing.T) {
	ca := pkiRoot(t, "Root").sub(t, "Issuing CA")
	leaf := ca.issue(t, nil, []string{"api.example.com"}, func(c *x509.Certificate) {
		c.IssuingCertificateURL = []string{"http://ca.example/issuing.crt"}
	})
	folder := t.TempDir()
	pkiWrite(t, folder, map[string]string{"c.pem": pkiPEM(leaf.cert), "k.pem": pkiKeyPEM(t, leaf.key)})
	problems := Inspect(pkiSite("api.example.com", folder), time.Now())
	if len(problems) != 1 || !strings.HasSuffix(problems[0].Remedy, "or download it from http://ca.example/issuing.crt") {
		t.Error(problems)
	}
}

func TestInspect_SaysWhenAFileMayNotBeRead(t *testing.T) {
	pkiAsNobody(t)
	folder := t.TempDir()
	pkiWrite(t, folder, map[string]string{"k.pem": "x"})
	if err := os.Chmod(filepath.Join(folder, "k.pem"), 0); err != nil {
		t.Fatal(err)
	}
	problems := Inspect(pkiSite("api.example.com", folder), time.Now())
	if len(problems) != 1 || problems[0].Cause != "may not be read by the user that gateway runs as" {
		t.Error(problems)
	}
}

func TestChain_PrefersACrossSignedIssuerUntilItExpires(t *testing.T) {
	old, young := pkiRoot(t, "Old Root"), pkiRoot(t, "Young Root")
	ca := young.sub(t, "Issuing CA")
	leaf := ca.issue(t, nil, []string{"api.example.com"})
	wrap := func(cas ...*pkiCA) []certificate {
		pool := []certificate{{leaf.cert, "f"}}
		for _, one := range cas {
			pool = append(pool, certificate{one.cert, "f"})
		}
		return pool
	}
	cross := pkiCAWithKey(t, old, "Young Root", young.key)
	stale := pkiCAWithKey(t, old, "Young Root", young.key, pkiDates(time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour)))
	for _, row := range []struct {
		name   string
		pool   []certificate
		length int
		end    chainEnd
	}{
		{"cross-signed beside the root", wrap(ca, young, cross), 3, endOpen},
		{"cross-signed to a root that is there", wrap(old, cross, young, ca), 3, endRoot},
		{"expired cross-signed beside the root", wrap(stale, ca, young), 2, endRoot},
		{"expired cross-signed alone", wrap(stale, ca), 3, endOpen},
	} {
		chain, end := buildChain(row.pool[0], row.pool, time.Now())
		if len(chain) != row.length || end != row.end {
			t.Errorf("%s: length %d, end %d", row.name, len(chain), end)
		}
	}
}

// pkiAsNobody runs the rest of a test without root's right to read and write
// everything, where it runs as root: the effective user is nobody until the end.
func pkiAsNobody(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	if err := syscall.Setreuid(-1, nobody); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setreuid(-1, 0); err != nil {
			t.Fatal(err)
		}
	})
}

func TestSpan_IsWrittenAsAPersonWould(t *testing.T) {
	for d, want := range map[time.Duration]string{
		30 * time.Second: "less than a minute", time.Minute: "1 minute", 119 * time.Minute: "119 minutes",
		2 * time.Hour: "2 hours", 47 * time.Hour: "47 hours", 48 * time.Hour: "2 days", 1000 * time.Hour: "41 days",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
