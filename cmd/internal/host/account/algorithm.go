package account

import (
	"crypto/rsa"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
)

// rejects tells why sshd takes a key from no file at all, or "".
func (s Settings) rejects(k Key) string {
	if !s.accepts(k.Type) {
		return "is of a type that sshd does not take (PubkeyAcceptedAlgorithms)"
	}
	if least, err := strconv.Atoi(s.Get("requiredrsasize")); err == nil && k.rsaBits > 0 && k.rsaBits < least {
		return fmt.Sprintf("has %d bits, and sshd wants %d (RequiredRSASize)", k.rsaBits, least)
	}
	return ""
}

// accepts looks a type of keys up in the algorithms that sshd takes, a list of
// patterns with commas between. An RSA key signs by any of three.
func (s Settings) accepts(keyType string) bool {
	list := s.Get("pubkeyacceptedalgorithms")
	if list == "" {
		list = s.Get("pubkeyacceptedkeytypes") // until OpenSSH 8.5
	}
	signs := []string{keyType}
	if keyType == ssh.KeyAlgoRSA {
		signs = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA}
	}
	return list == "" || slices.ContainsFunc(strings.Split(list, ","), func(pattern string) bool {
		return slices.ContainsFunc(signs, func(algorithm string) bool { return glob(pattern, algorithm) })
	})
}

// rsaBits is the size of an RSA key, and 0 for others.
func rsaBits(key ssh.PublicKey) int {
	if known, is := key.(ssh.CryptoPublicKey); is {
		if public, is := known.CryptoPublicKey().(*rsa.PublicKey); is {
			return public.N.BitLen()
		}
	}
	return 0
}
