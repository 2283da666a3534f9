// Package sshd is the step of `gateway setup` that closes ssh to passwords and
// to root, and never to the admin.
package sshd

import "gateway/cmd/internal/host"

// Config is the table [setup.sshd].
type Config struct {
	Password bool `toml:"password"` // logins by password, also keyboard-interactive; default false
	Root     bool `toml:"root"`     // logins of root; default false
}

// Default is the table as it is where the file has only its header.
func Default() Config { return Config{} }

// Validate reports what is wrong with the words of the table: nothing can be.
func (c Config) Validate(host.Report) {}
