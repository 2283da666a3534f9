package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const (
	largestUsers Size = 1 << 20
	// costliest is bcrypt's cost up to which passwords are checked: about a second.
	costliest = 14
)

// passwords are the hashes of a file of htpasswd by user.
type passwords map[string]string

// parsePasswords reads lines of "user:hash". Hashes that could not be checked are
// refused, lest somebody wonders at the browser's window. Errors never show one.
func parsePasswords(content []byte) (passwords, error) {
	all := passwords{}
	number := 0
	for line := range bytes.Lines(content) {
		number++
		text := strings.TrimSpace(string(line))
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		user, hash, found := strings.Cut(text, ":")
		hash, _, _ = strings.Cut(hash, ":") // some programs keep more behind it
		if !found || user == "" {
			return nil, fmt.Errorf("line %d is not user:hash", number)
		}
		if err := checkHash(hash); err != nil {
			return nil, fmt.Errorf("line %d: the password of %q %w", number, user, err)
		}
		if _, twice := all[user]; !twice { // Apache takes the first
			all[user] = hash
		}
	}
	if len(all) == 0 {
		return nil, errors.New("there is no user in it")
	}
	return all, nil
}

func checkHash(hash string) error {
	switch {
	case isBcrypt(hash):
		cost, err := bcrypt.Cost([]byte(hash))
		if err != nil || cost > costliest {
			return fmt.Errorf("is a broken bcrypt hash, or has a cost above %d", costliest)
		}
	case strings.HasPrefix(hash, apr1Prefix), strings.HasPrefix(hash, sha1Prefix):
	default:
		return errors.New("is neither bcrypt nor apr1 nor {SHA}; make it anew with htpasswd -B")
	}
	return nil
}

func isBcrypt(hash string) bool {
	return strings.HasPrefix(hash, "$2y$") || strings.HasPrefix(hash, "$2a$") || strings.HasPrefix(hash, "$2b$")
}

// match takes as long for a user who is not there as for one who is.
func (p passwords) match(user, password string) bool {
	hash, found := p[user]
	if !found {
		for _, hash = range p {
			break
		}
	}
	return hashMatches(hash, password) && found
}

func hashMatches(hash, password string) bool {
	switch {
	case isBcrypt(hash):
		return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
	case strings.HasPrefix(hash, apr1Prefix):
		return apr1Matches(hash, password)
	default:
		return sha1Matches(hash, password)
	}
}

// readPasswords reads a whole file.
func readPasswords(path string) (passwords, error) {
	content, err := readAtMost(path, largestUsers)
	if err != nil {
		return nil, err
	}
	all, err := parsePasswords(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return all, nil
}

// passwordFile is a file of passwords that is read again when it has changed. If
// the new one is broken or gone, the last good one stays.
type passwordFile struct {
	path string

	mu      sync.Mutex
	current passwords
	stamp   fileStamp
}

// fileStamp tells two states of a file apart.
type fileStamp struct {
	size    int64
	changed time.Time
}

func newPasswordFile(path string) (*passwordFile, error) {
	f := &passwordFile{path: path}
	_, err := f.read()
	if err != nil {
		return nil, err
	}
	return f, nil
}

// read gives the passwords of now. With an error come the last good ones; each
// state of the file gives an error once.
func (f *passwordFile) read() (passwords, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	stamp := fileStamp{}
	if info, err := os.Stat(f.path); err == nil {
		stamp = stampOf(info)
	}
	if stamp == f.stamp && f.current != nil {
		return f.current, nil
	}
	f.stamp = stamp // taken before the content, so that a later write is seen
	fresh, err := readPasswords(f.path)
	if err == nil {
		f.current = fresh
	}
	return f.current, err
}

func stampOf(info fs.FileInfo) fileStamp { return fileStamp{info.Size(), info.ModTime()} }
