package certs

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"os"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// What the keys of [acme] may say.
const (
	EngineCertmagic = "certmagic" // follows the CA's renewal hints (RFC 9773)
	EngineAutocert  = "autocert"  // the smaller one, of the Go project

	KeyECDSA = "ecdsa" // P-256
	KeyRSA   = "rsa"   // 2048 bits
	KeyBoth  = "both"  // one of each; a client gets what it can use
)

// letsEncrypt is the directory that is asked where the file names none.
const letsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// ACME is the table [acme]: how certificates are obtained (RFC 8555) for sites
// with certificate = "acme".
type ACME struct {
	Engine     string `toml:"engine"`       // "certmagic" or "autocert"
	Email      string `toml:"email"`        // where the CA may write to; some want it
	Directory  string `toml:"directory"`    // URL of the CA's directory; "": Let's Encrypt
	CAFile     string `toml:"ca_file"`      // PEM file with the root of the directory's own certificate; "": the system's roots
	EABKeyID   string `toml:"eab_kid"`      // external account binding (RFC 8555 section 7.3.4), where the CA wants it
	EABKeyFile string `toml:"eab_key_file"` // file with its key in base64url
	KeyType    string `toml:"key_type"`     // "ecdsa", "rsa" or "both"
	Profile    string `toml:"profile"`      // of those that the CA offers; "": the CA's choice
}

// DefaultACME is what holds where the file says nothing.
func DefaultACME() ACME { return ACME{Engine: EngineCertmagic, KeyType: KeyECDSA} }

// Validate reports what is wrong with the table and the files that it names.
func (a ACME) Validate(report Report) {
	if a.Engine != EngineCertmagic && a.Engine != EngineAutocert {
		report("engine", fmt.Sprintf("%q is unknown", a.Engine), `write "certmagic" or "autocert"`)
	}
	if a.KeyType != KeyECDSA && a.KeyType != KeyRSA && a.KeyType != KeyBoth {
		report("key_type", fmt.Sprintf("%q is unknown", a.KeyType), `write "ecdsa", "rsa" or "both"`)
	}
	if address, err := mail.ParseAddress(a.Email); a.Email != "" && (err != nil || address.Address != a.Email) {
		report("email", fmt.Sprintf("%q is not a mail address", a.Email), `write one address alone, such as "admin@example.com"`)
	}
	if u, err := url.Parse(a.Directory); a.Directory != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		report("directory", fmt.Sprintf("%q is not an https:// URL", a.Directory), "write the URL of the directory as the CA gives it, such as "+letsEncrypt)
	}
	if a.Profile != "" && a.Engine == EngineAutocert {
		report("profile", "autocert cannot ask for a profile", `write engine = "certmagic", or leave "profile" out`)
	}
	a.validateFiles(report)
}

func (a ACME) validateFiles(report Report) {
	if _, err := a.roots(); err != nil {
		report("ca_file", err.Error(), "name a PEM file with the root certificate of the CA's own server, or leave it out for a public CA")
	}
	switch {
	case a.EABKeyID == "" && a.EABKeyFile == "":
	case a.EABKeyFile == "":
		report("eab_key_file", "is missing, and eab_kid needs it", "write the path of a file with the key that the CA gave together with the key id")
	case a.EABKeyID == "":
		report("eab_kid", "is missing, and eab_key_file needs it", "write the key id that the CA gave together with the key")
	default:
		if _, err := a.eabKey(); err != nil {
			report("eab_key_file", err.Error(), "put the key there as the CA gave it, in base64url, alone on one line")
		}
	}
}

// ValidateNames reports the names of a site for which no certificate can be
// obtained by a challenge that gateway answers itself.
func (a ACME) ValidateNames(names []string, report Report) {
	for i, name := range names {
		key := "name"
		if i > 0 {
			key = fmt.Sprintf("aliases[%d]", i-1)
		}
		switch {
		case strings.HasPrefix(name, "*."):
			report(key, fmt.Sprintf("%q is a wildcard, for which CAs want a change in the DNS", name),
				`list the names themselves as aliases, or write certificate = "files"`)
		case net.ParseIP(strings.Trim(name, "[]")) != nil:
			report(key, fmt.Sprintf("%q is an address, and gateway obtains certificates for names only", name),
				`write a name that leads to this machine, or certificate = "files" or "local"`)
		case !certifiable(canonicalName(name)):
			report(key, fmt.Sprintf("%q is no name that a CA certifies", name),
				"write it of letters, digits and hyphens, each part at most 63 long, with no hyphen at its ends")
		case a.Engine == EngineAutocert && !strings.Contains(strings.Trim(canonicalName(name), "."), "."):
			report(key, fmt.Sprintf("%q has no dot, which autocert insists on", name), `write the whole name, or engine = "certmagic"`)
		}
	}
}

// certifiable tells whether CAs and both engines take a canonical name. Others may
// stand in the DNS, and are for "files" or "local" (RFC 5890 section 2.3.1). What is
// no host name at all is not for this room to tell.
func certifiable(name string) bool {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-._") != "" || strings.Contains("."+name, "..") {
		return true
	}
	spelled, err := idna.Lookup.ToASCII(name)
	return err == nil && spelled == name && !strings.Contains(name, "_") &&
		!slices.ContainsFunc(strings.Split(name, "."), func(label string) bool { return len(label) > 63 })
}

func (a ACME) directory() string {
	if a.Directory == "" {
		return letsEncrypt
	}
	return a.Directory
}

// host is what the CA is called in messages.
func (a ACME) host() string {
	if u, err := url.Parse(a.directory()); err == nil && u.Host != "" {
		return u.Host
	}
	return a.directory()
}

// roots are what the CA's own certificate must lead to; nil: the system's.
func (a ACME) roots() (*x509.CertPool, error) {
	if a.CAFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(a.CAFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", a.CAFile, plainError(err))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: holds no certificate in PEM form", a.CAFile)
	}
	return pool, nil
}

// eabKey is the decoded key of the external account binding. Some CAs hand it
// out with padding, some in plain base64.
func (a ACME) eabKey() ([]byte, error) {
	text, err := os.ReadFile(a.EABKeyFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", a.EABKeyFile, plainError(err))
	}
	written := strings.TrimRight(strings.TrimSpace(string(text)), "=")
	key, err := base64.RawURLEncoding.DecodeString(strings.NewReplacer("+", "-", "/", "_").Replace(written))
	if err != nil || len(key) == 0 {
		return nil, fmt.Errorf("%s: holds no key in base64url", a.EABKeyFile) // err would show a part of the key
	}
	return key, nil
}

// keyTypes are the kinds of keys that certificates are obtained for.
func (a ACME) keyTypes() []string {
	if a.KeyType == KeyBoth {
		return []string{KeyECDSA, KeyRSA}
	}
	return []string{a.KeyType}
}
