package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	// leafLife is what public CAs used to give. Apple refuses more than 398 days.
	leafLife = 90 * 24 * time.Hour
	// clockSkew is how far the clock of a client may be behind.
	clockSkew = time.Hour
)

// authority is the local CA. Its key never leaves the state folder. Names can be
// added to the configuration at any time, so it has no name constraints; it can
// sign certificates of servers only, and no further CA.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func authorityFolder(state string) string { return filepath.Join(state, "local-ca") }

// authorityFile holds certificate and key together, so that they can't be torn
// apart. LocalRoot is what others may read of it.
func authorityFile(state string) string { return filepath.Join(authorityFolder(state), "ca.pem") }

// LocalRoot is the file with the root certificate of the local CA, for
// "curl --cacert" and for the trust stores of clients.
func LocalRoot(state string) string { return filepath.Join(authorityFolder(state), "root.crt") }

// ReadLocalRoot reads that file. The error is fs.ErrNotExist where no local CA was
// made yet.
func ReadLocalRoot(state string) (*x509.Certificate, error) {
	path := LocalRoot(state)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%s: does not hold one certificate alone: remove it, and gateway writes it anew when it starts", path)
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !root.IsCA {
		return nil, fmt.Errorf("%s: is not the certificate of a CA: remove it, and gateway writes it anew when it starts", path)
	}
	return root, nil
}

// openAuthority loads the local CA, and makes one when there is none or when it
// ends before a leaf would.
func openAuthority(state string, now time.Time) (*authority, error) {
	if err := makeFolder(authorityFolder(state)); err != nil {
		return nil, err
	}
	ca, err := readAuthority(authorityFile(state))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		ca, err = newAuthority(state, now, createFile)
		if errors.Is(err, fs.ErrExist) {
			ca, err = readAuthority(authorityFile(state)) // another process was first
		}
	case err == nil && ca.certificate.NotAfter.Sub(now) < leafLife:
		ca, err = newAuthority(state, now, writeFile)
	}
	if err != nil {
		return nil, err
	}
	return ca, ca.publish(LocalRoot(state))
}

func makeFolder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return os.Chmod(path, 0o700) // it may have been made by hand
}

func readAuthority(path string) (*authority, error) {
	p, err := readPair(path)
	if err != nil {
		return nil, err
	}
	if !p.leaf.IsCA {
		return nil, fmt.Errorf("%s: holds no CA", path)
	}
	return &authority{p.leaf.Certificate, p.key.Signer}, nil
}

// readPair reads a file that holds one certificate, its key and perhaps a chain.
func readPair(path string) (*pair, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parsePair(path, data)
}

// parsePair reads what is, or is to be, in such a file.
func parsePair(path string, data []byte) (*pair, error) {
	m := &material{}
	m.parse(file{path: path, data: data, listed: true})
	if pairs := m.match(nil, time.Now()); len(pairs) == 1 {
		return pairs[0], nil
	}
	return nil, errors.Join(fmt.Errorf("%s: does not hold one certificate with its key", path), joined(m.problems, Warning))
}

// newAuthority makes a CA and saves it.
func newAuthority(state string, now time.Time, save func(string, []byte, fs.FileMode) error) (*authority, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	host = host[:min(len(host), 40)] // a common name has 64 characters at most (RFC 5280 appendix A)
	template := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"gateway"}, CommonName: "gateway local CA on " + host},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(authorityLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	text, err := mint(template, nil)
	if err != nil {
		return nil, err
	}
	if err := save(authorityFile(state), text, 0o600); err != nil {
		return nil, err
	}
	return readAuthority(authorityFile(state))
}

// publish writes the root certificate alone where it is not there yet.
func (a *authority) publish(path string) error {
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
	if present, err := os.ReadFile(path); err == nil && bytes.Equal(present, text) {
		return nil
	}
	return writeFile(path, text, 0o644)
}

// issue makes a certificate with a new key for the names, as PEM text.
func (a *authority) issue(names []string, now time.Time) ([]byte, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{Organization: []string{"gateway"}},
		NotBefore:   now.Add(-clockSkew),
		NotAfter:    now.Add(leafLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return mint(template, a)
}

// mint signs the template, with a new key, by the CA or by itself. It returns key
// and certificate as PEM text.
func mint(template *x509.Certificate, ca *authority) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	parent, signer := template, crypto.Signer(key)
	if ca != nil {
		parent, signer = ca.certificate, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("signing a certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...), nil
}
