package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// ErrNoTrustStore is returned where it is not known how the system is given an
// authority to trust.
var ErrNoTrustStore = errors.New("it is not known where this system keeps the authorities that it trusts")

// TrustStore is the list of the authorities that the programs of a machine trust.
// Browsers and Java may have lists of their own.
type TrustStore struct {
	Root string // folder in the place of "/"; "": the machine itself
	OS   string // as runtime.GOOS has it
	Find func(program string) (path string, err error)
	Run  func(ctx context.Context, program string, args ...string) error
}

// NewTrustStore is that of this machine.
func NewTrustStore() TrustStore {
	return TrustStore{OS: runtime.GOOS, Find: findSystemProgram, Run: runSystemProgram}
}

// findSystemProgram also looks where the PATH of users other than root does not.
func findSystemProgram(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, folder := range []string{"/usr/sbin", "/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(folder, name))
		}
	}
	return path, err
}

// runSystemProgram puts what a program printed into the error.
func runSystemProgram(ctx context.Context, program string, args ...string) error {
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(append([]string{program}, args...), " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// Trust has the machine trust the authority, and tells where its certificate is
// kept and whether that was so already. Nothing but the certificate is written.
// When a step fails, what was done before is undone.
func (s TrustStore) Trust(ctx context.Context, ca *x509.Certificate) (path string, already bool, err error) {
	place, err := s.place()
	if err != nil {
		return "", false, err
	}
	path = place.path(ca)
	if place.has(ctx, ca) {
		return path, true, nil
	}
	if err := place.add(ctx, ca); err != nil {
		return path, false, errors.Join(err, place.remove(ctx, ca))
	}
	if !place.has(ctx, ca) {
		err := errors.New("the system's own tool ran well, but the authority is not in its list")
		return path, false, errors.Join(err, place.remove(ctx, ca))
	}
	return path, false, nil
}

// Distrust takes the authority out again, and tells whether it was there.
func (s TrustStore) Distrust(ctx context.Context, ca *x509.Certificate) (path string, found bool, err error) {
	place, err := s.place()
	if err != nil {
		return "", false, err
	}
	path = place.path(ca)
	if !place.present(ctx, ca) {
		if place.has(ctx, ca) {
			return path, false, errors.New("the machine trusts this authority, but not by " + path + ": whoever put it elsewhere has to take it out")
		}
		return path, false, nil
	}
	if err := place.remove(ctx, ca); err != nil {
		return path, true, err
	}
	if place.has(ctx, ca) {
		return path, true, errors.New(path + " is gone, but the machine still trusts the authority: it was put elsewhere, too")
	}
	return path, true, nil
}

// Commands are what an admin types to have the authority trusted whose certificate
// is in a file.
func (s TrustStore) Commands(file string, ca *x509.Certificate) ([]string, error) {
	place, err := s.place()
	if err != nil {
		return nil, err
	}
	return place.commands(file, ca), nil
}

// trustPlace is one way of a system to be given an authority.
type trustPlace interface {
	path(ca *x509.Certificate) string
	present(ctx context.Context, ca *x509.Certificate) bool // what add makes is there
	has(ctx context.Context, ca *x509.Certificate) bool     // programs trust it
	add(ctx context.Context, ca *x509.Certificate) error
	remove(ctx context.Context, ca *x509.Certificate) error // no error where it is not there
	commands(file string, ca *x509.Certificate) []string
}

func (s TrustStore) place() (trustPlace, error) {
	if s.OS == "darwin" {
		return keychain{s}, nil
	}
	for _, known := range trustFolders() {
		folder := filepath.Join(s.Root, known.folder)
		tool, err := s.Find(known.tool)
		if info, statErr := os.Stat(folder); err != nil || statErr != nil || !info.IsDir() {
			continue
		}
		known.store, known.found = s, tool
		return known, nil
	}
	return nil, ErrNoTrustStore
}

// anchorName is the same for the same certificate, so that several gateways on one
// machine do not take each other's away.
func anchorName(ca *x509.Certificate) string {
	sum := sha256.Sum256(ca.Raw)
	return fmt.Sprintf("gateway-local-ca-%x.crt", sum[:8])
}

func anchorText(ca *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})
}

// trustFolder is a folder whose files a tool gathers into one bundle.
type trustFolder struct {
	folder, tool, bundle string
	afresh               []string // arguments that make the tool forget what is gone
	store                TrustStore
	found                string // the tool's path
}

// trustFolders are those of the distributions; where two fit, the first is meant.
func trustFolders() []trustFolder {
	return []trustFolder{
		{folder: "/etc/pki/ca-trust/source/anchors", tool: "update-ca-trust", bundle: "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"},                      // Fedora, RHEL and kin
		{folder: "/etc/ca-certificates/trust-source/anchors", tool: "update-ca-trust", bundle: "/etc/ca-certificates/extracted/tls-ca-bundle.pem"},              // Arch
		{folder: "/etc/pki/trust/anchors", tool: "update-ca-certificates", bundle: "/var/lib/ca-certificates/ca-bundle.pem"},                                    // openSUSE
		{folder: "/usr/local/share/ca-certificates", tool: "update-ca-certificates", bundle: "/etc/ssl/certs/ca-certificates.crt", afresh: []string{"--fresh"}}, // Debian, Ubuntu, Alpine
	}
}

func (f trustFolder) path(ca *x509.Certificate) string {
	return filepath.Join(f.store.Root, f.folder, anchorName(ca))
}

func (f trustFolder) present(_ context.Context, ca *x509.Certificate) bool {
	_, err := os.Lstat(f.path(ca))
	return err == nil
}

func (f trustFolder) has(_ context.Context, ca *x509.Certificate) bool {
	text, err := os.ReadFile(filepath.Join(f.store.Root, f.bundle))
	if err != nil {
		return false
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if bytes.Equal(block.Bytes, ca.Raw) {
			return true
		}
	}
	return false
}

func (f trustFolder) add(ctx context.Context, ca *x509.Certificate) error {
	if err := writeAnchor(f.path(ca), anchorText(ca)); err != nil {
		return err
	}
	return f.store.Run(ctx, f.found)
}

func (f trustFolder) remove(ctx context.Context, ca *x509.Certificate) error {
	if err := os.Remove(f.path(ca)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return f.store.Run(ctx, f.found, f.afresh...)
}

func (f trustFolder) commands(file string, ca *x509.Certificate) []string {
	return []string{"sudo install -m 644 " + quoted(file) + " " + f.path(ca), "sudo " + f.tool}
}

// writeAnchor puts a file where everybody may read it. The tools look at names
// that end in ".crt", so that they never see a half of it.
func writeAnchor(path string, text []byte) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".gateway-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temporary.Name()))
		}
	}()
	_, err = temporary.Write(text)
	if err = errors.Join(err, temporary.Chmod(0o644), temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
