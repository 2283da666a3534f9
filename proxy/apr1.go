package proxy

import (
	"crypto/md5" // #nosec: what htpasswd writes by default
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

// apr1Matches checks a password against "$apr1$salt$digest", which htpasswd
// makes unless it is told otherwise: Poul-Henning Kamp's 1000 rounds of MD5.
func apr1Matches(hash, password string) bool {
	salt, _, _ := strings.Cut(strings.TrimPrefix(hash, apr1Prefix), "$")
	salt = salt[:min(len(salt), 8)]
	made := apr1Prefix + salt + "$" + apr1Text(apr1Digest(password, salt))
	return subtle.ConstantTimeCompare([]byte(made), []byte(hash)) == 1
}

const apr1Prefix = "$apr1$"

func apr1Digest(password, salt string) [md5.Size]byte {
	inner := md5.Sum([]byte(password + salt + password))
	first := []byte(password + apr1Prefix + salt)
	for left := len(password); left > 0; left -= md5.Size {
		first = append(first, inner[:min(left, md5.Size)]...)
	}
	for bits := len(password); bits > 0; bits >>= 1 {
		if bits&1 == 1 {
			first = append(first, 0)
		} else {
			first = append(first, password[0])
		}
	}
	digest := md5.Sum(first)
	var round []byte
	for i := range 1000 {
		digest = md5.Sum(apr1Round(round[:0], i, digest, password, salt))
	}
	return digest
}

func apr1Round(text []byte, i int, digest [md5.Size]byte, password, salt string) []byte {
	if i%2 == 1 {
		text = append(text, password...)
	} else {
		text = append(text, digest[:]...)
	}
	if i%3 != 0 {
		text = append(text, salt...)
	}
	if i%7 != 0 {
		text = append(text, password...)
	}
	if i%2 == 1 {
		return append(text, digest[:]...)
	}
	return append(text, password...)
}

// apr1Text spells a digest in crypt's own base 64: its own alphabet, the bytes in
// its own order, and the low bits first.
func apr1Text(d [md5.Size]byte) string {
	const alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var out []byte
	spell := func(v uint32, letters int) {
		for range letters {
			out = append(out, alphabet[v&0x3f])
			v >>= 6
		}
	}
	for i := range 5 {
		last := i + 12
		if i == 4 {
			last = 5
		}
		spell(uint32(d[i])<<16|uint32(d[i+6])<<8|uint32(d[last]), 4)
	}
	spell(uint32(d[11]), 2)
	return string(out)
}

// sha1Matches checks a password against "{SHA}", of htpasswd -s.
func sha1Matches(hash, password string) bool {
	sum := sha1.Sum([]byte(password))
	made := sha1Prefix + base64.StdEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(made), []byte(hash)) == 1
}

const sha1Prefix = "{SHA}"
