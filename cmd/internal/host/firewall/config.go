// Package firewall is the step of `gateway setup` that turns ufw on, with the
// ports open that are needed.
//
// It keeps the rules that are there, and asks what they say about a port before
// it adds one: a rule that is given to ufw a second time would lose its comment.
// The port that an admin comes in by is let in before anything is closed.
package firewall

import (
	"fmt"

	"gateway/cmd/internal/host"
)

// Config is the table [setup.firewall].
type Config struct {
	Enable bool     `toml:"enable"` // default true; false turns the firewall off, and keeps its rules
	Allow  []string `toml:"allow"`  // what ParseSpec reads; sshd's port and every port of [[site]] listen are allowed without
	Deny   []string `toml:"deny"`   // likewise
}

// Default is the table as it is where the file has only its header.
func Default() Config { return Config{Enable: true} }

// Validate reports what is wrong with the words of the table.
func (c Config) Validate(report host.Report) {
	denied := map[Spec]bool{}
	for i, text := range c.Deny {
		spec, err := ParseSpec(text)
		if err != nil {
			report(fmt.Sprintf("deny[%d]", i), err.Error(), SpecHint)
		}
		denied[spec] = err == nil
	}
	for i, text := range c.Allow {
		spec, err := ParseSpec(text)
		switch {
		case err != nil:
			report(fmt.Sprintf("allow[%d]", i), err.Error(), SpecHint)
		case denied[spec]:
			report(fmt.Sprintf("allow[%d]", i), fmt.Sprintf("%q is in deny too", text), "write it in one of the two")
		}
	}
}

// SpecHint tells what to write instead of what ParseSpec refuses.
const SpecHint = `write a port such as "8080/tcp", "5432/tcp from 10.0.0.0/8", or an application that ` + "`gateway setup firewall apps`" + ` lists`
