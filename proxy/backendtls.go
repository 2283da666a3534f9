package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
)

// Verifies reports whether the certificate of an https backend is checked: its
// names, its dates, and that a trusted root has signed it. Default true.
func (b Backend) Verifies() bool { return b.Verify == nil || *b.Verify }

// tlsTo are the terms for an https backend of that name. A certificate in ca_file
// is trusted by itself too, so that a backend can sign its own. HTTP/2 is not
// spoken to backends.
func (b Backend) tlsTo(name string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name, NextProtos: []string{"http/1.1"}, InsecureSkipVerify: !b.Verifies()}
	if b.CAFile == "" {
		return config, nil
	}
	text, err := b.authorities()
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	config.RootCAs.AppendCertsFromPEM(text)
	return config, nil
}

// authorities is what ca_file holds; nil without one.
func (b Backend) authorities() ([]byte, error) {
	if b.CAFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(b.CAFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.CAFile, plainCause(err))
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", b.CAFile)
	}
	return text, nil
}

func (b Backend) validateTLS(report Report) {
	if b.CAFile == "" && b.Verify == nil {
		return
	}
	const httpsOnly, leaveOut = "is of no use with a url that does not begin with https://", "leave it out"
	switch _, err := b.authorities(); {
	case !strings.HasPrefix(b.URL, "https:") && b.CAFile != "":
		report("ca_file", httpsOnly, leaveOut)
	case !strings.HasPrefix(b.URL, "https:"):
		report("verify", httpsOnly, leaveOut)
	case b.CAFile != "" && !b.Verifies():
		report("ca_file", "is of no use with verify = false", "leave one of the two out")
	case err != nil:
		report("ca_file", err.Error(), "name a PEM file with the root that has signed the backend's certificate, or with that certificate itself")
	}
}
