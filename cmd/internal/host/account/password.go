package account

import (
	"strconv"
	"strings"
	"time"
)

// Password is the state of a password, never the password.
type Password int

// States of a password, as crypt(5) and shadow(5) have them.
const (
	PasswordUnknown Password = iota // only root can see it, or there is no such account in /etc/shadow
	PasswordSet
	PasswordLocked // no password fits; keys still do
	PasswordEmpty  // none is asked for
	PasswordStale  // is to be changed at the next login, before anything else
	AccountExpired // no login at all
)

func (p Password) String() string {
	switch p {
	case PasswordSet:
		return "set"
	case PasswordLocked:
		return "locked"
	case PasswordEmpty:
		return "empty"
	case PasswordStale:
		return "to be changed"
	case AccountExpired:
		return "account expired"
	}
	return "unknown"
}

// MarshalText is the state in JSON.
func (p Password) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// parseShadow reads lines of "name:hash:changed:min:max:warn:inactive:expires:",
// whose times are in days since 1970.
func parseShadow(text string) map[string]Password {
	states := map[string]Password{}
	today := int(time.Now().Unix() / (24 * 60 * 60))
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(f) == 9 && f[0] != "" {
			states[f[0]] = passwordState(f[1], f[2], f[7], today)
		}
	}
	return states
}

func passwordState(hash, changed, expires string, today int) Password {
	if day, err := strconv.Atoi(expires); err == nil && day >= 0 && day <= today {
		return AccountExpired
	}
	switch {
	case changed == "0":
		return PasswordStale
	case hash == "":
		return PasswordEmpty
	case hash[0] == '!' || hash[0] == '*':
		return PasswordLocked
	}
	return PasswordSet
}
