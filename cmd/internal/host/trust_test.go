package host

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// trustCA is an authority, and a certificate that it has signed, as PEM text.
func trustCA(t *testing.T) (ca *x509.Certificate, leaf []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	sign := func(template, parent *x509.Certificate) *x509.Certificate {
		template.SerialNumber, template.NotBefore, template.NotAfter, template.BasicConstraintsValid = big.NewInt(now.UnixNano()), now.Add(-time.Hour), now.Add(time.Hour), true
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		made, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "gateway local CA on test"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign}
	ca = sign(template, template)
	return ca, anchorText(sign(&x509.Certificate{Subject: pkix.Name{CommonName: "leaf"}, DNSNames: []string{"localhost"}}, ca))
}

// trustDebian is the part of a Debian that has to do with trust, in a folder, kept
// by the real tool.
func trustDebian(t *testing.T) TrustStore {
	t.Helper()
	tool, err := findSystemProgram("update-ca-certificates")
	if err != nil {
		t.Skip("needs update-ca-certificates of the package ca-certificates, which is not installed")
	}
	root := t.TempDir()
	for _, folder := range []string{"/usr/local/share/ca-certificates", "/usr/share/ca-certificates", "/etc/ssl/certs", "/etc/ca-certificates/update.d"} {
		if err := os.MkdirAll(root+folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	other, _ := trustCA(t) // without any the tool does not make a bundle
	trustWrite(t, root+"/usr/share/ca-certificates/other.crt", anchorText(other))
	trustWrite(t, root+"/etc/ca-certificates.conf", []byte("other.crt\n"))
	return TrustStore{Root: root, OS: "linux", Find: trustFinds(tool), Run: func(ctx context.Context, program string, args ...string) error {
		return runSystemProgram(ctx, program, append(args, "--certsconf", root+"/etc/ca-certificates.conf", "--certsdir", root+"/usr/share/ca-certificates",
			"--localcertsdir", root+"/usr/local/share/ca-certificates", "--etccertsdir", root+"/etc/ssl/certs", "--hooksdir", root+"/etc/ca-certificates/update.d")...)
	}}
}

// trustFinds is for a system that has one program.
func trustFinds(path string) func(string) (string, error) {
	return func(name string) (string, error) {
		if name == filepath.Base(path) {
			return path, nil
		}
		return "", exec.ErrNotFound
	}
}

func trustWrite(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTrust_OpenSSLAcceptsWhatTheRealToolWasGivenUntilItIsTakenBack(t *testing.T) {
	store := trustDebian(t)
	ca, leaf := trustCA(t)
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	file := filepath.Join(t.TempDir(), "leaf.pem")
	trustWrite(t, file, leaf)
	accepted := func(by ...string) bool {
		out, err := exec.Command(openssl, append([]string{"verify"}, append(by, file)...)...).CombinedOutput()
		t.Logf("%s %s", by, out)
		return err == nil
	}
	byFile, byFolder := []string{"-no-CApath", "-CAfile", store.Root + "/etc/ssl/certs/ca-certificates.crt"}, []string{"-no-CAfile", "-CApath", store.Root + "/etc/ssl/certs"}
	path, already, err := store.Trust(t.Context(), ca)
	if err != nil || already {
		t.Fatal(already, err)
	}
	if !accepted(byFile...) || !accepted(byFolder...) {
		t.Error("not accepted")
	}
	if text, err := os.ReadFile(path); err != nil || !bytes.Equal(text, anchorText(ca)) {
		t.Errorf("%v: %s", err, text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Error(info, err)
	}
	if _, already, err := store.Trust(t.Context(), ca); err != nil || !already {
		t.Errorf("the second time: %v %v", already, err)
	}
	if _, found, err := store.Distrust(t.Context(), ca); err != nil || !found {
		t.Error(found, err)
	}
	if accepted(byFile...) || accepted(byFolder...) {
		t.Error("still accepted")
	}
	if _, found, err := store.Distrust(t.Context(), ca); err != nil || found {
		t.Errorf("the second time: %v %v", found, err)
	}
	_ = filepath.WalkDir(store.Root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && (strings.Contains(path, "gateway") || entry.Type()&fs.ModeSymlink != 0 && !exists(path)) {
			t.Error("left behind:", path)
		}
		return err
	})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestTrust_LeavesNothingBehindWhenTheToolFails(t *testing.T) {
	for name, run := range map[string]func(context.Context, string, ...string) error{
		"the tool fails":      func(context.Context, string, ...string) error { return errors.New("exit status 1") },
		"it does nothing":     func(context.Context, string, ...string) error { return nil },
		"it is stopped early": func(context.Context, string, ...string) error { return context.Canceled },
	} {
		store := TrustStore{Root: t.TempDir(), OS: "linux", Find: trustFinds("/sbin/update-ca-trust"), Run: run}
		folder := store.Root + "/etc/pki/ca-trust/source/anchors"
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		ca, _ := trustCA(t)
		if _, _, err := store.Trust(t.Context(), ca); err == nil {
			t.Errorf("%s: no error", name)
		}
		if entries, err := os.ReadDir(folder); err != nil || len(entries) > 0 {
			t.Errorf("%s: left behind: %v %v", name, entries, err)
		}
	}
}

func TestTrust_KnowsEachSystemsFolderAndTool(t *testing.T) {
	ca, _ := trustCA(t)
	for _, row := range []struct{ folder, tool, bundle string }{
		{"/etc/pki/ca-trust/source/anchors", "update-ca-trust", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"},
		{"/etc/ca-certificates/trust-source/anchors", "update-ca-trust", "/etc/ca-certificates/extracted/tls-ca-bundle.pem"},
		{"/etc/pki/trust/anchors", "update-ca-certificates", "/var/lib/ca-certificates/ca-bundle.pem"},
		{"/usr/local/share/ca-certificates", "update-ca-certificates", "/etc/ssl/certs/ca-certificates.crt"},
	} {
		root := t.TempDir()
		for _, folder := range []string{root + row.folder, filepath.Dir(root + row.bundle)} {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		store := TrustStore{Root: root, OS: "linux", Find: trustFinds("/usr/bin/" + row.tool), Run: func(context.Context, string, ...string) error {
			text, err := os.ReadFile(root + row.folder + "/" + anchorName(ca))
			trustWrite(t, root+row.bundle, text)
			return err
		}}
		path, _, err := store.Trust(t.Context(), ca)
		if err != nil || !strings.HasPrefix(path, root+row.folder) {
			t.Errorf("%s: %s %v", row.folder, path, err)
		}
		commands, err := store.Commands("/state/root.crt", ca)
		if err != nil || len(commands) != 2 || !strings.Contains(commands[0], row.folder) || commands[1] != "sudo "+row.tool {
			t.Errorf("%q %v", commands, err)
		}
	}
}

func TestTrust_SaysWhereTheSystemIsNotKnown(t *testing.T) {
	store := TrustStore{Root: t.TempDir(), OS: "linux", Find: trustFinds("/usr/bin/update-ca-trust"), Run: runSystemProgram}
	ca, _ := trustCA(t)
	if _, _, err := store.Trust(t.Context(), ca); !errors.Is(err, ErrNoTrustStore) {
		t.Error(err)
	}
	if _, err := store.Commands("root.crt", ca); !errors.Is(err, ErrNoTrustStore) {
		t.Error(err)
	}
}

func TestTrust_TellsThatSomebodyElseMadeTheMachineTrustTheCA(t *testing.T) {
	store := trustDebian(t)
	ca, _ := trustCA(t)
	trustWrite(t, store.Root+"/usr/local/share/ca-certificates/by-hand.crt", anchorText(ca))
	if err := store.Run(t.Context(), "update-ca-certificates"); err != nil {
		t.Fatal(err)
	}
	if _, already, err := store.Trust(t.Context(), ca); err != nil || !already {
		t.Error(already, err)
	}
	if _, _, err := store.Distrust(t.Context(), ca); err == nil || !strings.Contains(err.Error(), "elsewhere") {
		t.Error(err)
	}
}

func TestTrust_GivesMacOSTheCertificateAlone(t *testing.T) {
	ca, _ := trustCA(t)
	var trusted bool
	var calls []string
	store := TrustStore{OS: "darwin", Run: func(_ context.Context, program string, args ...string) error {
		text, err := os.ReadFile(args[len(args)-1])
		if err != nil || !bytes.Equal(text, anchorText(ca)) || program != "security" {
			t.Errorf("%s %q: %s %v", program, args, text, err)
		}
		calls = append(calls, args[0])
		switch {
		case args[0] == "add-trusted-cert" && slices.Contains(args, systemKeychain):
			trusted = true
		case args[0] == "remove-trusted-cert":
			trusted = false
		case !trusted:
			return errors.New("CSSMERR_TP_NOT_TRUSTED")
		}
		return nil
	}}
	if _, already, err := store.Trust(t.Context(), ca); err != nil || already || !trusted {
		t.Error(already, err)
	}
	if _, already, err := store.Trust(t.Context(), ca); err != nil || !already {
		t.Error(already, err)
	}
	if _, found, err := store.Distrust(t.Context(), ca); err != nil || !found || trusted {
		t.Error(found, err)
	}
	if got := strings.Join(calls, " "); strings.Count(got, "add-trusted-cert") != 1 || strings.Count(got, "remove-trusted-cert") != 1 {
		t.Error(got)
	}
}
