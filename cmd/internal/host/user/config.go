// Package user is the step of `gateway setup` that makes and keeps the accounts
// of people.
package user

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"gateway/cmd/internal/host"
	"gateway/cmd/internal/host/account"
)

// Rights by sudo, as [Config.Sudo] has them.
const (
	SudoNo       = "no"       // none is given; what is there is not taken away
	SudoPassword = "password" // everything, after the account's own password
	SudoFree     = "nopasswd" // everything, without one
)

// Config is the table [[setup.user]].
type Config struct {
	Name           string   `toml:"name"`
	AuthorizedKeys []string `toml:"authorized_keys"` // public keys, as in the file of that name; added to those that are there
	KeyFile        string   `toml:"key_file"`        // a file with public keys
	Shell          string   `toml:"shell"`           // default /bin/bash for a new account; one that is there keeps its own
	Home           string   `toml:"home"`            // default /home/NAME; looked at only when the account is made
	Sudo           string   `toml:"sudo"`            // "no" (default), "password" or "nopasswd"
	PasswordFile   string   `toml:"password_file"`   // holds the password alone; read only while the account has none
	Groups         []string `toml:"groups"`          // joined besides its own; none is left
}

// validName is what useradd(8) recommends, with its limit of 32 characters.
// useradd itself also takes names that begin with a digit, which chown reads as
// numbers, and letters of all alphabets.
var validName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

// CheckName tells what is wrong with the name of an account or a group, and what
// to write instead.
func CheckName(name string) (wrong, instead string) {
	switch {
	case name == "":
		return "is missing", `write the name of the account, such as name = "alice"`
	case !validName.MatchString(name):
		return fmt.Sprintf("%q is no name for an account", name), "write up to 32 small letters, digits, - and _, a letter first"
	case name == "root":
		return "root is there already, and is nobody's own account", "name the account of a person, and give it sudo"
	}
	return "", ""
}

// Validate reports what can be seen without looking at the machine; the keys
// begin with "user[0]".
func Validate(users []Config, report host.Report) {
	first := map[string]int{}
	for i, u := range users {
		below := func(key, wrong, instead string) { report(fmt.Sprintf("user[%d].%s", i, key), wrong, instead) }
		if at, taken := first[u.Name]; taken && u.Name != "" {
			below("name", fmt.Sprintf("setup.user[%d].name has the same name", at), "put the keys of both under one [[setup.user]]")
		}
		first[u.Name] = i
		u.validate(below)
	}
}

func (c Config) validate(report host.Report) {
	if wrong, instead := CheckName(c.Name); wrong != "" {
		report("name", wrong, instead)
	}
	for i, text := range c.AuthorizedKeys {
		if why := wrongKey(text); why != "" {
			report(fmt.Sprintf("authorized_keys[%d]", i), why, `write the one line of the .pub file, such as "ssh-ed25519 AAAAC3... alice@laptop"`)
		}
	}
	checkPath(report, "shell", c.Shell)
	checkPath(report, "home", c.Home)
	if !slices.Contains([]string{"", SudoNo, SudoPassword, SudoFree}, c.Sudo) {
		report("sudo", fmt.Sprintf("%q is no such right", c.Sudo), `write "no", "password" (sudo asks for the account's password) or "nopasswd" (it does not)`)
	}
	for i, group := range c.Groups {
		if !validName.MatchString(group) {
			report(fmt.Sprintf("groups[%d]", i), fmt.Sprintf("%q is no name for a group", group), "write up to 32 small letters, digits, - and _, a letter first")
		}
	}
}

// checkPath refuses what would not fit a field of /etc/passwd.
func checkPath(report host.Report, key, p string) {
	if p != "" && (!path.IsAbs(p) || path.Clean(p) != p || strings.ContainsAny(p, ":\n")) {
		report(key, fmt.Sprintf("%q is no plain absolute path", p), `write it from / on, without ".." and ":"`)
	}
}

func wrongKey(text string) string {
	switch keys, wrong := account.ParseKeys([]byte(text)); {
	case len(wrong) > 0:
		return "this is no whole public key"
	case len(keys) != 1:
		return fmt.Sprintf("these are %d keys where one is expected", len(keys))
	}
	return ""
}
