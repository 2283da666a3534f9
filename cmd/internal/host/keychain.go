package host

import (
	"context"
	"crypto/x509"
	"errors"
	"os"
)

// systemKeychain holds what all users of a Mac trust.
const systemKeychain = "/Library/Keychains/System.keychain"

// keychain is the way of macOS, by its tool security(1).
type keychain struct{ store TrustStore }

func (k keychain) path(*x509.Certificate) string { return systemKeychain }

func (k keychain) present(ctx context.Context, ca *x509.Certificate) bool { return k.has(ctx, ca) }

// has asks for the verdict that programs get. A root that is not trusted fails.
func (k keychain) has(ctx context.Context, ca *x509.Certificate) bool {
	return k.withFile(ca, func(file string) error {
		return k.store.Run(ctx, "security", "verify-cert", "-L", "-p", "basic", "-c", file)
	}) == nil
}

func (k keychain) add(ctx context.Context, ca *x509.Certificate) error {
	return k.withFile(ca, func(file string) error {
		return k.store.Run(ctx, "security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", systemKeychain, file)
	})
}

func (k keychain) remove(ctx context.Context, ca *x509.Certificate) error {
	if !k.has(ctx, ca) {
		return nil
	}
	return k.withFile(ca, func(file string) error {
		return k.store.Run(ctx, "security", "remove-trusted-cert", "-d", file)
	})
}

func (k keychain) commands(file string, _ *x509.Certificate) []string {
	return []string{"sudo security add-trusted-cert -d -r trustRoot -k " + systemKeychain + " " + quoted(file)}
}

// withFile gives the tool a file with the certificate alone.
func (k keychain) withFile(ca *x509.Certificate, use func(file string) error) (err error) {
	file, err := os.CreateTemp("", "gateway-*.crt")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name())) }()
	_, err = file.Write(anchorText(ca))
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return use(file.Name())
}
