package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// credentials are the certificate that all contenders serve, and the authority
// that the benchmark's own clients trust. Both keys are ECDSA P-256.
type credentials struct {
	certificate, key string // PEM files
	roots            *x509.CertPool
}

func newCredentials(dir string) (credentials, error) {
	c := credentials{
		certificate: filepath.Join(dir, siteName+".crt"),
		key:         filepath.Join(dir, siteName+".key"),
		roots:       x509.NewCertPool(),
	}
	root, leaf, key, err := issue()
	if err != nil {
		return c, fmt.Errorf("the certificate of the measured site: %w", err)
	}
	c.roots.AddCert(root)
	chain := append(pemBlock("CERTIFICATE", leaf), pemBlock("CERTIFICATE", root.Raw)...)
	if err := os.WriteFile(c.certificate, chain, 0o644); err != nil {
		return c, err
	}
	return c, os.WriteFile(c.key, pemBlock("PRIVATE KEY", key), 0o600)
}

// issue makes an authority and a certificate of it with its key, both as DER.
func issue() (root *x509.Certificate, leaf, key []byte, err error) {
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	template := newTemplate(1, "Benchmark Root")
	template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, rootKey.Public(), rootKey)
	if err != nil {
		return nil, nil, nil, err
	}
	if root, err = x509.ParseCertificate(der); err != nil {
		return nil, nil, nil, err
	}
	template = newTemplate(2, siteName)
	template.DNSNames, template.KeyUsage = []string{siteName}, x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if leaf, err = x509.CreateCertificate(rand.Reader, template, root, leafKey.Public(), rootKey); err != nil {
		return nil, nil, nil, err
	}
	key, err = x509.MarshalPKCS8PrivateKey(leafKey)
	return root, leaf, key, err
}

func newTemplate(serial int64, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          big.NewInt(serial),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(30 * 24 * time.Hour),
		BasicConstraintsValid: true,
	}
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
