package mail

import (
	"fmt"
	netmail "net/mail"
	"strings"

	gomail "github.com/emersion/go-message/mail"
	"golang.org/x/net/idna"
)

// maxAddress is the longest address that SMTP carries (RFC 5321, 4.5.3.1.3, less
// its angle brackets).
const maxAddress = 254

// parseAddress reads one address, with or without a display name. A domain in
// another script is turned into its ASCII form, which every server understands;
// a local part in another script stays as it is and needs SMTPUTF8.
func parseAddress(written string) (*netmail.Address, error) {
	if strings.ContainsAny(written, "\r\n\x00") {
		return nil, fmt.Errorf("%q is not an address: there is a line break or a zero byte in it", written)
	}
	address, err := gomail.ParseAddress(strings.TrimSpace(written))
	if err != nil {
		return nil, fmt.Errorf("%q is not an address", written)
	}
	at := strings.LastIndexByte(address.Address, '@')
	domain, err := asciiDomain(address.Address[at+1:])
	if err != nil {
		return nil, fmt.Errorf("%q is not an address: %w", written, err)
	}
	address.Address = address.Address[:at+1] + domain
	if len(address.Address) > maxAddress {
		return nil, fmt.Errorf("%q is too long for an address", cutRunes(written, 40))
	}
	return address, nil
}

func asciiDomain(domain string) (string, error) {
	if isASCII(domain) {
		return domain, nil
	}
	return idna.Lookup.ToASCII(domain)
}

// bareAddress returns the address without its display name, as the envelope
// wants it.
func bareAddress(written string) (string, error) {
	address, err := parseAddress(written)
	if err != nil {
		return "", err
	}
	return address.Address, nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}
