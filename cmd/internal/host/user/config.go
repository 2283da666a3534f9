// Package user is the step of `gateway setup` that makes and keeps the accounts
// of people.
package user

// Config is the table [[setup.user]].
type Config struct {
	Name           string   `toml:"name"`
	AuthorizedKeys []string `toml:"authorized_keys"` // public keys, as in the file of that name; added to those that are there
	KeyFile        string   `toml:"key_file"`        // a file with public keys
	Shell          string   `toml:"shell"`           // default /bin/bash
	Sudo           bool     `toml:"sudo"`
	Groups         []string `toml:"groups"`
}
