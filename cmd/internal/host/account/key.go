package account

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Key is one public key of an authorized_keys file (sshd(8)).
type Key struct {
	Type        string   `json:"type"`        // "ssh-ed25519"
	Fingerprint string   `json:"fingerprint"` // "SHA256:...", as ssh-keygen -l and sshd's log have it
	Comment     string   `json:"comment,omitempty"`
	Options     []string `json:"options,omitempty"`
	line        string
	blob        string
	rsaBits     int // 0: it is no RSA key
}

// Line is the key as a line of the file, without the end of line.
func (k Key) Line() string { return k.line }

// Same tells whether two lines hold the same key, whatever is written around it.
func (k Key) Same(other Key) bool { return k.blob == other.blob }

func (k Key) String() string {
	if k.Comment == "" {
		return k.Type + " " + k.Fingerprint
	}
	return fmt.Sprintf("%s %s (%q)", k.Type, k.Fingerprint, k.Comment)
}

const byteOrderMark = "\uFEFF"

// ParseKeys reads the text of an authorized_keys file, or of a .pub file. Lines
// that sshd would pass over, since they hold no whole key, come back as errors
// that name them by number.
func ParseKeys(text []byte) (keys []Key, wrong []error) {
	if err := foreignFormat(text); err != nil {
		return nil, []error{err}
	}
	number := 0
	for line := range bytes.Lines(bytes.TrimPrefix(text, []byte(byteOrderMark))) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, err := parseKey(line)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("line %d is no whole public key (%w): write it as one line, as in the .pub file", number, err))
			continue
		}
		keys = append(keys, key)
	}
	return keys, wrong
}

func parseKey(line []byte) (Key, error) {
	public, comment, options, _, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		return Key{}, err
	}
	return Key{
		Type: public.Type(), Fingerprint: ssh.FingerprintSHA256(public), Comment: comment, Options: options,
		line: string(line), blob: string(public.Marshal()), rsaBits: rsaBits(public),
	}, nil
}

// foreignFormat knows the files that are taken for a public key most often.
func foreignFormat(text []byte) error {
	switch {
	case bytes.Contains(text, []byte("PRIVATE KEY-----")), bytes.HasPrefix(text, []byte("PuTTY-User-Key-File")):
		return fmt.Errorf("this is a private key, which stays with its owner: give the file whose name ends in .pub")
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return fmt.Errorf("this is in UTF-16, as Windows PowerShell writes what is sent to a file with \">\": give the .pub file itself, or save it as UTF-8")
	case bytes.Contains(text, []byte("---- BEGIN SSH2 PUBLIC KEY ----")):
		return fmt.Errorf("this is a key in the format of RFC 4716: convert it with `ssh-keygen -i -f FILE`")
	}
	return nil
}

// Merge adds the keys that are not yet there to the text of an authorized_keys
// file. What is there stays byte for byte, also the options of a key that is
// given again, but for two things that make sshd pass over a key: a byte order
// mark, and a last line without its end.
func Merge(text []byte, add []Key) []byte {
	merged := bytes.Clone(bytes.TrimLeft(text, byteOrderMark))
	if len(merged) > 0 && merged[len(merged)-1] != '\n' {
		merged = append(merged, '\n')
	}
	there, _ := ParseKeys(merged)
	for _, key := range add {
		if slices.ContainsFunc(there, key.Same) {
			continue
		}
		there = append(there, key)
		merged = append(append(merged, key.line...), '\n')
	}
	return merged
}

// Without takes the lines of a key out of the text of an authorized_keys file.
func Without(text []byte, key Key) []byte {
	var left []byte
	for line := range bytes.Lines(text) {
		bare := bytes.TrimSpace(bytes.TrimPrefix(line, []byte(byteOrderMark)))
		if k, err := parseKey(bare); err != nil || !k.Same(key) {
			left = append(left, line...)
		}
	}
	return left
}

// FindKey finds a key by its fingerprint, with or without "SHA256:", or by its
// whole comment.
func FindKey(keys []Key, wanted string) (Key, bool) {
	return find(keys, func(k Key) bool {
		return k.Fingerprint == wanted || strings.TrimPrefix(k.Fingerprint, "SHA256:") == wanted || k.Comment == wanted
	})
}
