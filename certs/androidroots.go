package certs

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
)

// androidRelease is a version of Android and the year in which it came out.
type androidRelease struct {
	version string
	year    int
}

func (r androidRelease) String() string { return fmt.Sprintf("%s (%d)", r.version, r.year) }

// oldestPhones bounds how young a root may be without a word about it: Android
// 6.0 is the oldest that a team still has to think of. WeChat itself wants 5.0.
const oldestPhones = 2015

// firstAndroid tells which Android was the first to hold a root. The phones'
// own list counts, and it is not renewed where the maker gives no updates.
//
// Source: the history of Android's platform/system/ca-certificates, whose
// commits are dated and name the release they are for; ISRG Root X1 and X2 after
// https://letsencrypt.org/docs/certificate-compatibility/.
func firstAndroid(root pkix.Name) (release androidRelease, known bool) {
	switch rootName(root) {
	case "GlobalSign Root CA", "GlobalSign Root CA - R3", "DigiCert Global Root CA", "DigiCert High Assurance EV Root CA", "DigiCert Assured ID Root CA",
		"AAA Certificate Services", "COMODO Certification Authority", "COMODO ECC Certification Authority", "Baltimore CyberTrust Root",
		"Go Daddy Class 2 Certification Authority", "Starfield Class 2 Certification Authority", "Go Daddy Root Certificate Authority - G2",
		"Starfield Services Root Certificate Authority - G2", "Entrust Root Certification Authority - G2", "Certum Trusted Network CA":
		return androidRelease{"4.0", 2011}, true
	case "DigiCert Global Root G2", "DigiCert Global Root G3", "DigiCert Trusted Root G4", "QuoVadis Root CA 2 G3":
		return androidRelease{"5.0", 2014}, true
	case "USERTrust RSA Certification Authority", "USERTrust ECC Certification Authority", "COMODO RSA Certification Authority":
		return androidRelease{"5.1", 2015}, true
	case "CFCA EV ROOT", "Certum Trusted Network CA 2":
		return androidRelease{"7.0", 2016}, true
	case "ISRG Root X1":
		return androidRelease{"7.1.1", 2016}, true
	case "Amazon Root CA 1", "Amazon Root CA 2", "Amazon Root CA 3", "Amazon Root CA 4":
		return androidRelease{"8.0", 2017}, true
	case "GDCA TrustAUTH R5 ROOT", "SSL.com Root Certification Authority RSA", "SSL.com Root Certification Authority ECC":
		return androidRelease{"9", 2018}, true
	case "GTS Root R1", "GTS Root R2", "GTS Root R3", "GTS Root R4", "GlobalSign Root CA - R6", "UCA Global G2 Root", "UCA Extended Validation Root":
		return androidRelease{"10", 2019}, true
	case "Microsoft RSA Root Certificate Authority 2017", "Microsoft ECC Root Certificate Authority 2017":
		return androidRelease{"12", 2021}, true
	case "ISRG Root X2":
		return androidRelease{"14", 2023}, true
	}
	return androidRelease{}, false
}

// rootName is what tells the roots of a CA apart: GlobalSign's have one common
// name, and the oldest of others have none.
func rootName(root pkix.Name) string {
	if (root.CommonName == "" || root.CommonName == "GlobalSign") && len(root.OrganizationalUnit) > 0 {
		return root.OrganizationalUnit[0]
	}
	return root.CommonName
}

// firstAndroidFor tells which Android was the first to hold one of the roots of a
// chain. The issuer of a cross-signed certificate in it is one of them.
func firstAndroidFor(chain []certificate, anchors []*x509.Certificate) (first androidRelease, root string, known bool) {
	var names []pkix.Name
	for _, anchor := range anchors {
		names = append(names, anchor.Subject)
	}
	for _, one := range chain {
		names = append(names, one.Issuer)
	}
	for _, name := range names {
		if release, found := firstAndroid(name); found && (!known || release.year < first.year) {
			first, root, known = release, rootName(name), true
		}
	}
	return first, root, known
}
