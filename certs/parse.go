package certs

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
)

// certificate is a certificate and the file it was found in.
type certificate struct {
	*x509.Certificate
	file string
}

// privateKey is a key and the file it was found in.
type privateKey struct {
	crypto.Signer
	file string
	mode fs.FileMode
}

// material is what files hold, before it is known what belongs together.
type material struct {
	certificates []certificate
	keys         []privateKey
	problems     []Problem
}

// parse reads one file in whatever form it is.
func (m *material) parse(f file) {
	text := plainText(f.data)
	found := blocks(text)
	for i, b := range found {
		m.addBlock(f, b, fmt.Sprintf("block %d (%s)", i+1, b.label))
	}
	if len(found) > 0 {
		return
	}
	if der := bareBase64(text); der != nil {
		f.data = der
	}
	if !m.addDER(f) {
		m.addForeign(f, text)
	}
}

// addBlock takes a PEM block in. Requests, parameters, public keys and lists of
// revoked certificates lie beside certificates and are passed over.
func (m *material) addBlock(f file, b block, where string) {
	switch {
	case b.encrypted || b.label == "ENCRYPTED PRIVATE KEY":
		m.encrypted(f)
	case strings.HasSuffix(b.label, "PRIVATE KEY"):
		m.addKey(f, b, where)
	case b.label == "PKCS7" || b.label == "CMS":
		m.foreign(f, pkcs7)
	case b.label == "CERTIFICATE" || b.label == "X509 CERTIFICATE" || b.label == "TRUSTED CERTIFICATE":
		m.addCertificate(f, b, where)
	case b.damage != "" && b.label == "":
		m.damaged(f, where, b.damage)
	}
}

func (m *material) addCertificate(f file, b block, where string) {
	if b.damage != "" {
		m.damaged(f, where, b.damage)
		return
	}
	if b.label == "TRUSTED CERTIFICATE" {
		b.der = firstElement(b.der) // openssl x509 -trustout adds its own data
	}
	parsed, err := x509.ParseCertificate(b.der)
	switch {
	case err == nil:
		m.certificates = append(m.certificates, certificate{parsed, f.path})
	case usesSM2(b.der):
		m.sm2(f)
	default:
		m.damaged(f, where, "it is not a certificate: "+err.Error())
	}
}

func (m *material) addKey(f file, b block, where string) {
	if b.damage != "" {
		m.damaged(f, where, b.damage)
		return
	}
	key, fault := parseKey(b.label, b.der)
	switch {
	case fault == nil:
		m.keys = append(m.keys, privateKey{key, f.path, f.mode})
	case usesSM2(b.der) || strings.HasPrefix(b.label, "SM2"):
		m.sm2(f)
	default:
		m.problems = append(m.problems, aboutFile(brokenFile, "key", f.path, fault.cause, fault.remedy))
	}
}

// addDER takes a binary file in, and tells whether it was one.
func (m *material) addDER(f file) bool {
	if len(f.data) == 0 || f.data[0] != 0x30 { // a SEQUENCE, as all of them are
		return false
	}
	if parsed, err := x509.ParseCertificates(f.data); err == nil {
		for _, one := range parsed {
			m.certificates = append(m.certificates, certificate{one, f.path})
		}
		return true
	}
	if key, fault := parseKey("", f.data); fault == nil {
		m.keys = append(m.keys, privateKey{key, f.path, f.mode})
		return true
	}
	if usesSM2(f.data) {
		m.sm2(f)
		return true
	}
	if isEncryptedKey(f.data) {
		m.encrypted(f)
		return true
	}
	return false
}

// damaged records a block that can't be read.
func (m *material) damaged(f file, where, why string) {
	m.problems = append(m.problems, aboutFile(brokenFile, "file", f.path, where+" can't be read: "+why,
		"copy the file here again as your CA sent it"))
}

// encrypted records a key that only its passphrase opens. There is nobody to type
// it when the machine boots.
func (m *material) encrypted(f file) {
	quoted := shellQuoted(f.path)
	m.problems = append(m.problems, aboutFile(brokenFile, "key", f.path, "is encrypted with a passphrase, and nobody is there to type it when gateway starts",
		fmt.Sprintf("decrypt it with: (umask 077 && openssl pkey -in %s -out %s.new && mv %s.new %s)", quoted, quoted, quoted, quoted)))
}

// sm2 records a file of the Chinese national algorithms, which CAs there put
// beside the RSA ones.
func (m *material) sm2(f file) {
	m.problems = append(m.problems, aboutFile(skippedFile, "file", f.path, "uses SM2, which neither this program nor browsers outside China can use, and is passed over",
		"use the RSA or ECDSA certificate from the same CA; this file may stay"))
}

// bareBase64 decodes a certificate that was copied without its BEGIN and END
// lines; nil if the text is none.
func bareBase64(text string) []byte {
	packed := strings.Join(strings.Fields(text), "")
	if !strings.HasPrefix(packed, "MI") { // a SEQUENCE of more than 255 bytes
		return nil
	}
	der, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		return nil
	}
	return der
}

func firstElement(der []byte) []byte {
	var first asn1.RawValue
	if _, err := asn1.Unmarshal(der, &first); err != nil {
		return der
	}
	return first.FullBytes
}

// foreignForm is a form that other servers use.
type foreignForm struct {
	name, remedy string // in remedy %[1]s is the file
}

var (
	pkcs7  = foreignForm{"a PKCS#7 bundle, which holds no key", "turn it into PEM with: openssl pkcs7 -print_certs -in %[1]s -out %[1]s.pem (with -inform DER if it is binary)"}
	pkcs12 = foreignForm{"a PKCS#12 file for IIS or Tomcat", "take your CA's files for Nginx, or turn it into PEM with: (umask 077 && openssl pkcs12 -in %[1]s -nodes -out %[1]s.pem) (add -legacy for an old one)"}
	jks    = foreignForm{"a Java key store for Tomcat", "take your CA's files for Nginx, or turn it into a PKCS#12 file with: keytool -importkeystore -srckeystore %[1]s -destkeystore %[1]s.pfx -deststoretype PKCS12"}
)

// foreign records a file in a form of other servers.
func (m *material) foreign(f file, form foreignForm) {
	m.problems = append(m.problems, aboutFile(foreignFile, "file", f.path, "is "+form.name,
		fmt.Sprintf(form.remedy, shellQuoted(f.path))))
}

// markerLike finds what is left of a marker after a word processor had it.
var markerLike = regexp.MustCompile(`(?i)(BEGIN|END) [A-Z0-9 ]*(CERTIFICATE|PRIVATE KEY)`)

// addForeign records a file in which nothing was found, if it was meant to hold
// something.
func (m *material) addForeign(f file, text string) {
	switch extension := strings.ToLower(filepath.Ext(f.path)); {
	case isPKCS7(f.data) || extension == ".p7b" || extension == ".p7c":
		m.foreign(f, pkcs7)
	case isPKCS12(f.data) || extension == ".pfx" || extension == ".p12":
		m.foreign(f, pkcs12)
	case isJKS(f.data) || extension == ".jks" || extension == ".keystore":
		m.foreign(f, jks)
	case markerLike.MatchString(text):
		m.damaged(f, "its BEGIN or END line", "it must read exactly -----BEGIN CERTIFICATE----- with five hyphens on either side")
	case f.listed || looksLikePEM(f.path):
		m.problems = append(m.problems, aboutFile(brokenFile, "file", f.path, nothingIn(f),
			"copy the file here again as your CA sent it"))
	}
}

func nothingIn(f file) string {
	if len(f.data) == 0 {
		return "is empty"
	}
	return "holds neither a certificate nor a key"
}
