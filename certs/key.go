package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
)

// keyFault is why a private key can't be used.
type keyFault struct{ cause, remedy string }

const newKeyRemedy = "ask your CA for a certificate with an RSA (2048 bits or more) or ECDSA (P-256) key"

// parseKey reads a private key in PKCS#8, PKCS#1 or SEC 1 form, whatever the
// label says: tools write wrong ones.
func parseKey(label string, der []byte) (crypto.Signer, *keyFault) {
	if label == "OPENSSH PRIVATE KEY" {
		return nil, &keyFault{"is a key for SSH, not for a certificate", "put the key here that was made with the certificate's request"}
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return usable(key)
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return usable(key)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	switch {
	case err == nil:
		return usable(key)
	case label == "DSA PRIVATE KEY" || bytes.Contains(der, oidDSA):
		return nil, &keyFault{"is a DSA key, which no browser accepts any more", newKeyRemedy}
	}
	return nil, &keyFault{"is not a private key that can be used: " + err.Error(), "copy the key here again; " + newKeyRemedy + " if it is of another kind"}
}

// usable refuses keys that TLS can't sign with.
func usable(key any) (crypto.Signer, *keyFault) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if key.N.BitLen() >= 1024 { // crypto/rsa refuses to sign with less
			return key, nil
		}
	case *ecdsa.PrivateKey:
		if key.Curve != elliptic.P224() { // TLS has no signature scheme for it
			return key, nil
		}
	case ed25519.PrivateKey:
		return key, nil
	}
	if signer, ok := key.(crypto.Signer); ok {
		return nil, &keyFault{"is of the kind " + keyKind(signer.Public()) + ", which TLS does not use", newKeyRemedy}
	}
	return nil, &keyFault{"is a key that can't sign, so it is none of a certificate", newKeyRemedy}
}

// keyKind names the kind and size of a public key.
func keyKind(public crypto.PublicKey) string {
	switch public := public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", public.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + public.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return fmt.Sprintf("%T", public)
}

// DER encodings of object identifiers that the standard library does not know.
var (
	oidDSA   = []byte{0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01}       // 1.2.840.10040.4.1
	oidSM2   = []byte{0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d} // 1.2.156.10197.1.301
	oidPKCS7 = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07} // 1.2.840.113549.1.7, signedData and its kin
	oidPBES  = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05} // 1.2.840.113549.1.5, password-based encryption
)

func usesSM2(der []byte) bool { return bytes.Contains(der, oidSM2) }

func isPKCS7(data []byte) bool {
	return bytes.HasPrefix(content(data), oidPKCS7)
}

// isPKCS12 recognizes the version 3 that every PKCS#12 file starts with (RFC 7292
// section 4).
func isPKCS12(data []byte) bool {
	return bytes.HasPrefix(content(data), []byte{0x02, 0x01, 0x03})
}

// isEncryptedKey recognizes EncryptedPrivateKeyInfo (RFC 5958 section 3).
func isEncryptedKey(der []byte) bool {
	return bytes.HasPrefix(content(content(der)), oidPBES)
}

func isJKS(data []byte) bool {
	return bytes.HasPrefix(data, []byte{0xfe, 0xed, 0xfe, 0xed}) || bytes.HasPrefix(data, []byte{0xce, 0xce, 0xce, 0xce})
}

// content returns what is inside a DER element; nil if there is none. Files may
// be cut off and BER may be of indefinite length, so only the head is looked at.
func content(data []byte) []byte {
	if len(data) < 2 {
		return nil
	}
	length := 2
	if data[1]&0x80 != 0 {
		length += int(data[1] & 0x7f)
	}
	if data[0] != asn1.TagSequence|0x20 || length > len(data) {
		return nil
	}
	return data[length:]
}
