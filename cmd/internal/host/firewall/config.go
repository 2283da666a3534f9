// Package firewall is the step of `gateway setup` that turns ufw on, with the
// ports open that are needed.
package firewall

import (
	"fmt"
	"strings"

	"gateway/cmd/internal/host"
)

// Config is the table [setup.firewall].
type Config struct {
	Enable bool     `toml:"enable"` // default true
	Allow  []string `toml:"allow"`  // "8080/tcp", "5432/tcp from 10.0.0.0/8", or the name of an application; sshd's port and every port of [[site]] listen are allowed without
	Deny   []string `toml:"deny"`
}

// Default is the table as it is where the file has only its header.
func Default() Config { return Config{Enable: true} }

// Validate reports what is wrong with the words of the table.
func (c Config) Validate(report host.Report) {
	for key, rules := range map[string][]string{"allow": c.Allow, "deny": c.Deny} {
		for i, rule := range rules {
			if strings.TrimSpace(rule) == "" {
				report(fmt.Sprintf("%s[%d]", key, i), "is empty", `write a port such as "8080/tcp", or take it out`)
			}
		}
	}
}
