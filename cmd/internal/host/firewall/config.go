// Package firewall is the step of `gateway setup` that turns ufw on, with the
// ports open that are needed.
package firewall

// Config is the table [setup.firewall].
type Config struct {
	Enable bool     `toml:"enable"` // default true
	Allow  []string `toml:"allow"`  // "8080/tcp", "5432/tcp from 10.0.0.0/8", or the name of an application; sshd's port and every port of [[site]] listen are allowed without
	Deny   []string `toml:"deny"`
}
