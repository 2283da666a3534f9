package certs

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzParse feeds two files to everything that reads them: whatever they hold,
// nothing panics, every chain is signed link by link, and either a pair is found
// or a Fatal problem says why not.
func FuzzParse(f *testing.F) {
	ca := pkiRoot(f, "Root").sub(f, "CA")
	leaf := ca.issue(f, nil, []string{"api.example.com"})
	cert, key := pkiPEM(leaf.cert, ca.cert), pkiKeyPEM(f, leaf.key)
	f.Add([]byte(cert), []byte(key))
	f.Add([]byte(toUTF16(cert)), []byte("\ufeff"+key))
	f.Add([]byte(cert[:len(cert)-40]+key), []byte(cert))
	f.Add(leaf.cert.Raw, []byte("-----BEGIN -----BEGIN X-----\n-----END X----------END "))
	seeds, err := filepath.Glob(filepath.Join("testdata", "*.*"))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range seeds {
		data, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, []byte(key))
	}
	site, now := pkiSite("api.example.com", "/ssl"), time.Now()
	f.Fuzz(func(t *testing.T, a, b []byte) {
		s := newSet(&snapshot{paths: site.Files, files: []file{{path: "/ssl/a.pem", data: a}, {path: "/ssl/b.key", data: b}}}, nil, now)
		problems := s.judge(site, now)
		if (worst(problems) == Fatal) != (len(s.pairs) == 0) {
			t.Errorf("%d pairs, problems %v", len(s.pairs), problems)
		}
		for _, p := range s.pairs {
			for i := range p.chain[1:] {
				if !signed(p.chain[i], p.chain[i+1]) {
					t.Error("a link of the chain is not signed")
				}
			}
		}
	})
}

// FuzzBlocks compares the tolerant decoder with the standard one: what that one
// reads without a word of complaint, ours reads just so.
func FuzzBlocks(f *testing.F) {
	f.Add("-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n")
	f.Add("text\n-----BEGIN A-----\nKey: value\n\nTUlJ\n-----END A-----\n-----BEGIN B-----\nTUlJ\n-----END B-----\n")
	f.Fuzz(func(t *testing.T, text string) {
		ours := blocks(text)
		standard, _ := pem.Decode([]byte(text))
		if standard == nil || len(standard.Bytes) == 0 || len(standard.Headers) > 0 {
			return
		}
		for _, b := range ours {
			if b.label == standard.Type && string(b.der) == string(standard.Bytes) {
				return
			}
		}
		if _, err := x509.ParseCertificate(standard.Bytes); err == nil {
			t.Errorf("the block %q is not found", standard.Type)
		}
	})
}
