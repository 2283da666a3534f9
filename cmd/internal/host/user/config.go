// Package user is the step of `gateway setup` that makes and keeps the accounts
// of people.
package user

import (
	"fmt"
	"regexp"

	"gateway/cmd/internal/host"
)

// Config is the table [[setup.user]].
type Config struct {
	Name           string   `toml:"name"`
	AuthorizedKeys []string `toml:"authorized_keys"` // public keys, as in the file of that name; added to those that are there
	KeyFile        string   `toml:"key_file"`        // a file with public keys
	Shell          string   `toml:"shell"`           // default /bin/bash
	Sudo           bool     `toml:"sudo"`
	Groups         []string `toml:"groups"`
}

// portableName is what every program takes for the name of a user or group:
// shadow's useradd with its default settings refuses the rest, or lets in what
// other programs then trip over.
var portableName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

// Validate reports what is wrong with the words of the tables; their keys begin
// with "user[0]".
func Validate(users []Config, report host.Report) {
	first := map[string]int{}
	for i, u := range users {
		key := fmt.Sprintf("user[%d].name", i)
		switch at, taken := first[u.Name]; {
		case u.Name == "":
			report(key, "is missing", `write the name of the account, such as name = "alice"`)
		case !portableName.MatchString(u.Name):
			report(key, fmt.Sprintf("%q is no name for an account", u.Name), "write up to 32 small letters, digits, - and _, a letter first")
		case taken:
			report(key, fmt.Sprintf("setup.user[%d].name has the same name", at), "put the keys of both under one [[setup.user]]")
		default:
			first[u.Name] = i
		}
	}
}
