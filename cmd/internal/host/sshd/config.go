// Package sshd is the step of `gateway setup` that closes ssh to passwords and
// to root, and never to the admin.
package sshd

// Config is the table [setup.sshd].
type Config struct {
	Password bool `toml:"password"` // logins by password, also keyboard-interactive; default false
	Root     bool `toml:"root"`     // logins of root; default false
}
